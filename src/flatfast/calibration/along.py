"""The part of the sharpness's slope that lies along the manifold, at the cutoff that it sets."""

from typing import NamedTuple

import numpy as np

from flatfast.calibration.draws import Groups, mean_of_groups
from flatfast.calibration.landscape import Landscape, Vector
from flatfast.calibration.noise import Noise
from flatfast.calibration.result import DAMPING
from flatfast.calibration.settled import Array, amplified, rungs_below, settled
from flatfast.calibration.tangent import SPREAD, Solution, between, solve
from flatfast.estimate import Estimate
from flatfast.law import GAMMA
from flatfast.timescales import prefactor_from_kappa

SHARE_GUESS = 0.5
"""Share of the slope along the manifold, for the cutoff at which the way to it is solved for."""

NO_DRIFT = 1e-4
"""Cutoff where no noise sets it, as a share of ``tr G``."""

ITERATIONS_TO_LARGEST = 6
"""After which the largest curvature is known to a few per cent."""

SURE = 2.0
"""Standard errors above the part along, for the most that it may be."""


class Along(NamedTuple):
    """The slope's part along the manifold.

    Attributes:
        squared: ``|f g|^2``, see :mod:`.tangent`.
        cutoff: Curvature below which modes count as along.
        low, high: Bounds of the share, for a slope that is known without error.
        amplified: By how much errors grow on their way through the cutoff.
        bracket: Relative error of the share from what the iterations leave open.
        settled: Whether the part along is enough to set a cutoff.
        most: The share at most, 95%; 0 where even that would be too little to set a cutoff.
        y: (D,) ``(G + c)^-1 g`` at a cutoff of the slope's size.
        largest: Largest curvature, from below; a curvature lies within its error.
        products: Products made.
    """

    squared: Estimate
    cutoff: float
    low: float
    high: float
    amplified: float
    bracket: float
    settled: bool
    most: float
    y: Vector
    largest: Estimate
    products: int


class Solved(NamedTuple):
    """What the products have told of the slope: the part along at any learning rate.

    Attributes:
        solution: For the slope; None where there is none.
        slope: (D,) it, from some probes.
        fresh: The same from others, in groups.
        noise: Trace of the covariance of the noise that drives the drift.
        sharpness: ``tr G``.
        largest: Largest curvature, from below; a curvature lies within its error.
        products: Products made.
    """

    solution: Solution | None
    slope: Vector
    fresh: Groups
    noise: float
    sharpness: float
    largest: Estimate
    products: int

    def at(self, lr: float) -> Along:
        """The part along, at the cutoff that the drift sets at a learning rate."""
        square = float(self.slope @ self.slope)
        made = self.largest, self.products
        if self.solution is None:
            nothing = Estimate(0.0, 0.0)
            return Along(nothing, 0.0, 1.0, 1.0, 1.0, 0.0, True, 0.0, self.slope, *made)
        whole = drift_cutoff(kappa_of(self.noise, self.sharpness, square), lr)
        cutoff = _guess(whole, self.sharpness)
        rungs = rungs_below(whole) if whole else np.array([cutoff])

        def settled_by(parts: Array) -> float | None:
            return settled(rungs, parts / square, whole) if whole else cutoff

        parts = _parts(self.solution, self.fresh, rungs)
        found, bound = settled_by(parts.between), settled_by(parts.most)
        at = np.array([found or bound or rungs[-1]])
        here, (low, high) = _parts(self.solution, self.fresh, at), self.solution.bounds(at)
        return Along(
            squared=Estimate(here.between[0], here.errors[0]),
            cutoff=float(at[0]),
            low=float(low[0]),
            high=float(high[0]),
            amplified=amplified(rungs, parts.between, float(at[0])),
            bracket=float(SPREAD * (high - low)[0] / between(low, high)[0]),
            settled=found is not None,
            most=float(here.most[0]) / square if bound else 0.0,
            y=self.solution.y,
            largest=self.largest,
            products=self.products,
        )


def solved(
    landscape: Landscape,
    noise: Noise,
    lasting: float,
    sharpness: float,
    slope: Vector,
    fresh: Groups,
    lr: float,
    products: int,
) -> Solved:
    """Make the products.

    Args:
        landscape: Makes them.
        noise: Shows the curvature across.
        lasting: What of it sets the drift's speed, as a trace.
        sharpness: ``tr G``.
        slope: (D,) its gradient, from some probes.
        fresh: The same from others, in groups.
        lr: A learning rate, at whose cutoff the bounds are wanted.
        products: How many at most.
    """
    square = float(slope @ slope)
    known = slope, fresh, float(lasting), float(sharpness)
    if not square > 0:
        return Solved(None, *known, Estimate(0.0, 0.0), 0)
    whole = drift_cutoff(kappa_of(lasting, sharpness, square), lr)
    cutoff = _guess(whole, sharpness)
    solution = solve(landscape, slope, cutoff, products, fresh.means, whole or None)
    largest, made = solution.largest, solution.products
    left = min(products, ITERATIONS_TO_LARGEST) - made
    if left > 0 and float(noise.apart @ noise.apart) > 0:
        # A slope that is all along says nothing of the curvature across; noise does.
        across = solve(landscape, noise.apart, cutoff, left)
        largest, made = max(largest, across.largest), made + across.products
    return Solved(solution, *known, largest, made)


def _guess(whole: float, sharpness: float) -> float:
    """A cutoff to solve at. Without noise no drift sets it; the share is still worth knowing."""
    return SHARE_GUESS ** (2 / 3) * whole or NO_DRIFT * sharpness


class _Parts(NamedTuple):
    """At M cutoffs, (M,) each: the part along with its error, and the most it may be."""

    between: Array
    errors: Array
    most: Array


def _parts(solution: Solution, fresh: Groups, cutoffs: Array) -> _Parts:
    low, high = solution.bounds(cutoffs)
    found = [mean_of_groups(row, fresh.counts) for row in solution.filtered_with(cutoffs)]
    means, errors = np.array(found), np.array([part.error for part in found])
    # What was left out of the space of the iterations, by the bounds of the slope itself.
    low = np.maximum(low, np.finfo(float).tiny)
    up = between(low, high) / low
    # A part below zero is an accident of the draws: it says that they scatter, and bounds nothing.
    return _Parts(means * up, errors * up, (np.maximum(means, 0) + SURE * errors) * high / low)


def kappa_of(noise: float, sharpness: float, along: float) -> float:
    """``(s^2 / 4) along / (2 tr G)`` with ``s^2 = noise / tr G``."""
    return noise * along / (8 * sharpness**2) if sharpness > 0 else 0.0


def drift_cutoff(kappa: float, lr: float) -> float:
    """Curvature λ whose modes relax as fast as the drift: ``λ lr / mu = kappa (lr / mu)^2``."""
    if not kappa > 0:
        return 0.0
    C = DAMPING * float(prefactor_from_kappa(kappa))
    return kappa / C * float(lr ** (1 - GAMMA))
