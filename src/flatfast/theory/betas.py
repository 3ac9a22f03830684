"""What each beta of Adam does to the drift, in closed form.

Momentum in the normalized convention, ``m <- beta1 m + (1 - beta1) g``, is heavy ball at the
learning rate ``lr (1 - beta1)``. A drift that runs at ``kappa lr^2`` a step is therefore one of the
oscillator (:mod:`flatfast.theory.oscillator`) with friction ``q = C / C*``,

    1 - beta1 = 4 kappa lr^2 q^3,

and takes as many steps as without momentum, a plateau, up to an edge of a few ``kappa lr^2``.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.optimize import brentq

from flatfast.theory.checks import check_positive
from flatfast.theory.oscillator import settling_time

TERMS = 1e-14
"""Gradients of v whose share is below this are left out of it."""

LINEAR = 1e-5
"""``1 - beta2`` below which the first order is more exact than the sums, which become long."""


def rate_limit(beta1: Any) -> Any:
    """The largest stable ``lr λ`` of normalized momentum: ``2 (1 + beta1) / (1 - beta1)``.

    λ is a curvature, for Adam an eigenvalue of ``D^(1/2) H D^(1/2)``. Adam does not diverge above:
    v grows with the swing until λ is back at the limit.
    """
    return 2 * (1 + beta1) / (1 - beta1)


class StepFactors(NamedTuple):
    """What the noise of v makes of steps, for Gaussian gradients g of variance 1.

    Attributes:
        gain: ``d E[g / sqrt(v)] / d E[g]``, without momentum.
        power: ``E[g^2 / v]``, without momentum.
        averaged: ``E[1 / sqrt(v)]``: the gain where m remembers much longer than v does; the power
            is then its square.
    """

    gain: float
    power: float
    averaged: float


def check_beta(name: str, beta: float) -> None:
    """Check a decay.

    Raises:
        ValueError: If it is outside [0, 1).
    """
    if not 0 <= beta < 1:
        raise ValueError(f"{name} must be in [0, 1), got {beta}")


def step_factors(beta2: float) -> StepFactors:
    """The gain and the power of steps.

    v is a sum of independent squares, so they follow from its Laplace transform
    ``φ(t) = Π_k (1 + 2 (1 - beta2) beta2^k t)^(-1/2)``:

        averaged = π^(-1/2) ∫ t^(-1/2) φ(t) dt,
        gain     = π^(-1/2) ∫ t^(-1/2) φ(t) / (1 + 2 (1 - beta2) t) dt,
        power    = ∫ φ(t) / (1 + 2 (1 - beta2) t) dt,

    the newest square being weighted with itself in the last two. With ``a = 1 - beta2`` small they
    are ``1 + 3a/8``, ``1 - 5a/8`` and ``1 - a``; for ``beta2 = 0``, descent by signs, infinite,
    ``sqrt(2 / π)`` and 1.

    Raises:
        ValueError: If beta2 is outside [0, 1).
    """
    check_beta("beta2", beta2)
    if beta2 == 0:
        return StepFactors(float((2 / np.pi) ** 0.5), 1.0, np.inf)
    if (a := 1 - beta2) < LINEAR:
        return StepFactors(1 - 5 * a / 8, 1 - a, 1 + 3 * a / 8)
    count = int(np.ceil(np.log(TERMS) / np.log(beta2)))
    shares = (1 - beta2) * beta2 ** np.arange(count)

    def transform(t: float, newest: float) -> float:
        logs = np.log1p(2 * shares * t)
        return float(np.exp(-0.5 * logs.sum() - newest * logs[0]))

    # t = x^2 takes the root's singularity away, and the tail falls as a power of x.
    def integral(newest: float, power: int) -> float:
        found = quad(lambda x: 2 * x**power * transform(x * x, newest), 0, np.inf, limit=200)
        return float(found[0])

    root = float(np.pi**-0.5)
    return StepFactors(root * integral(1, 0), integral(1, 1), root * integral(0, 0))


def following(rate: ArrayLike, beta1: float, beta2: float) -> NDArray[np.float64]:
    """χ: how much of the swing across Γ v follows while m does not average it away.

    ``E[x' m] / E[x ∂L/∂x]`` of a mode x that swings at the rate a, with x' the mean of x over v's
    memory. In continuous time, with ``α = 1 - beta2`` and ``γ = 1 - beta1``,

        χ = α γ / (α^2 + α γ + γ a);

    what is computed is that of steps.

    Args:
        rate: a, ``lr`` times an eigenvalue of ``D^(1/2) H D^(1/2)``, any shape, at least 0.
        beta1: Decay of gradients, in [0, 1).
        beta2: Decay of their squares, in [0, 1).

    Returns:
        χ, in the shape of ``rate``.

    Raises:
        ValueError: If a beta is outside [0, 1), or a rate negative.
    """
    check_beta("beta1", beta1)
    check_beta("beta2", beta2)
    rates = np.asarray(rate, np.float64)
    if not (np.isfinite(rates).all() and (rates >= 0).all()):
        raise ValueError(f"rate must be finite and at least 0, got {rates.min()}")
    return np.asarray(share_followed(rates, beta1, beta2))


def share_followed(rate: Any, beta1: Any, beta2: Any) -> Any:
    """The same unchecked, of arrays of NumPy or JAX.

    The swing ``x_(k+1) = (1 + beta1 - γ a) x_k - beta1 x_(k-1) + noise`` has correlations C_j with
    ``C_1 = C_0 (1 + beta1 - γ a) / (1 + beta1)`` and the same recursion, which sums
    ``χ = α sum_j beta2^j (C_j - C_(j+1)) / (a C_0)`` in closed form.
    """
    gamma, alpha = 1 - beta1, 1 - beta2
    above = alpha * gamma * (1 - alpha * beta1 / (1 + beta1))
    return above / (alpha * (1 - beta1 * beta2) + gamma * beta2 * rate)


def plateau_edge(kappa: float, lr: float, *, slower: float = 2.0, fraction: float = 0.1) -> float:
    """The ``1 - beta1`` at which a drift takes so many times the steps of the plateau.

    Args:
        kappa: Its rate, in units of ``lr^2``: displacements fall as ``exp(-kappa lr^2 k)``.
        lr: Learning rate.
        slower: Steps to the goal over those of the plateau, above 1.
        fraction: What the goal leaves of an excess that is quadratic in the displacement.

    Returns:
        ``4 kappa lr^2 q^3``, with the largest friction q that is so slow; may be above 1, where
        there is no plateau.

    Raises:
        ValueError: If an argument is out of its range.
    """
    check_positive("kappa", kappa)
    check_positive("lr", lr)
    if not slower > 1:
        raise ValueError(f"slower must be above 1, got {slower}")
    return float(4 * kappa * lr**2 * _edge(slower, fraction) ** 3)


@functools.cache
def _edge(slower: float, fraction: float) -> float:
    """The largest q at which ``settling_time(q) / q^2`` is that of q without end, times so much."""
    plateau = 2 * np.log(1 / fraction)
    frictions = np.geomspace(15.0, 0.05, 40)
    over = settling_time(frictions, fraction) / frictions**2 / plateau - slower
    first = int(np.flatnonzero(over > 0)[0])
    if not first:
        raise ValueError(f"slower must be above 1.001, got {slower}")

    def late(q: float) -> float:
        return float(settling_time(q, fraction) / q**2 / plateau - slower)

    return float(brentq(late, frictions[first], frictions[first - 1], xtol=1e-6))
