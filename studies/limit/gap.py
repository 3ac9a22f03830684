"""Distances of two mean curves from samples, and the rate at which they fall."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, least_squares
from scipy.stats import chi2
from scipy.stats import t as student

Array = NDArray[np.float64]

RESOLVED = 3.0
"""Standard errors above zero from which a distance counts as seen."""

WIDEST = 0.5
"""Largest relative scatter of distances about a power law; beyond it there is no law to fit."""


class Curve(NamedTuple):
    """A mean curve: readings (F,), and the covariance of their errors (F, F)."""

    mean: Array
    covariance: Array

    def less(self, other: "Curve") -> "Curve":
        """The difference to another, independent one."""
        return Curve(self.mean - other.mean, self.covariance + other.covariance)


class Distance(NamedTuple):
    """Root mean square of a difference over its readings.

    Attributes:
        square: Its square, without bias: what the errors add in the mean is taken off, so it may
            come out negative.
        standard_error: Of the square.
        resolved: Whether the square is above zero by :data:`RESOLVED` of the standard errors that
            it would have at zero.
    """

    square: float
    standard_error: float
    resolved: bool


class Largest(NamedTuple):
    """The largest difference, its own standard error, and at which reading.

    Where nothing is resolved it is the largest of the errors.
    """

    estimate: float
    standard_error: float
    place: int


class Rate(NamedTuple):
    """Exponent of a distance in the learning rate, with its 95% interval."""

    estimate: float
    low: float
    high: float
    scatter: float


def distance(difference: Curve) -> Distance:
    """The distance that a difference shows.

    For ``d + e`` with e normal of covariance S, ``|d + e|^2 - tr S`` has the mean ``|d|^2`` and the
    variance ``4 d'Sd + 2 tr S^2``; put in place of d, ``d + e`` makes the first term too large by
    ``4 tr S^2`` in the mean.
    """
    d, S = difference
    at_zero = 2 * float(np.sum(S * S))
    variance = max(4 * float(d @ S @ d) - at_zero, at_zero)
    square = float(d @ d - np.trace(S))
    seen = square > RESOLVED * at_zero**0.5
    return Distance(square / len(d), variance**0.5 / len(d), bool(seen))


def largest(difference: Curve) -> Largest:
    """The largest difference of a curve, signed."""
    d, S = difference
    worst = int(np.abs(d).argmax())
    return Largest(float(d[worst]), float(S[worst, worst] ** 0.5), worst)


def rate(lr: ArrayLike, distances: list[Distance]) -> Rate | None:
    """Exponent p of ``distance = A lr^p``.

    Squares are fitted, by weighted least squares, those included that came out negative: to leave
    out what is not resolved would bias the rate. Where a power law misses the points by more than
    their errors, they get a common relative scatter that makes the misfit what it should be, and
    the interval is Student's.

    Args:
        lr: Learning rates, (N,).
        distances: N of them.

    Returns:
        The rate; None unless at least three distances are resolved, and a power law with a scatter
        below :data:`WIDEST` describes them.
    """
    seen = np.array([one.resolved for one in distances])
    if seen.sum() < 3:
        return None
    x = np.log(np.asarray(lr, np.float64))
    x = x - x.mean()
    square = np.array([one.square for one in distances])
    error = np.array([one.standard_error for one in distances])
    begin: Array = np.polyfit(x[seen], np.log(square[seen]) / 2, 1)
    plain = _power_law(x, square, error, begin)

    def fitted(scatter: float) -> _Fit:
        scattered = 2 * scatter * np.exp(2 * np.polyval(plain.parameters, x))
        return _power_law(x, square, np.hypot(error, scattered), plain.parameters)

    free = len(x) - 2
    scatter = 0.0
    if plain.misfit > free:
        if fitted(WIDEST).misfit > free:
            return None
        scatter = float(brentq(lambda s: fitted(s).misfit - free, 0.0, WIDEST, xtol=1e-4))
    p, covariance, _ = fitted(scatter)
    # The weights come from the first fit: the last one has to describe the points by its own.
    model = np.exp(2 * np.polyval(p, x))
    missed = (square - model) / np.hypot(error, 2 * WIDEST * model)
    if missed @ missed > chi2.ppf(0.999, free):
        return None
    half = float(student.ppf(0.975, free)) * float(covariance[0, 0]) ** 0.5
    return Rate(float(p[0]), float(p[0]) - half, float(p[0]) + half, scatter)


class _Fit(NamedTuple):
    """``(p, log A)``, their covariance, and the sum of squares of the misses over their errors."""

    parameters: Array
    covariance: Array
    misfit: float


def _power_law(x: Array, square: Array, error: Array, begin: Array) -> _Fit:
    def miss(at: Array) -> Array:
        missed: Array = (square - np.exp(2 * np.polyval(at, x))) / error
        return missed

    found = least_squares(miss, begin)
    return _Fit(found.x, np.linalg.inv(found.jac.T @ found.jac), float(found.fun @ found.fun))
