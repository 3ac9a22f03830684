"""The prefactor at one point: noise, sharpness, and the sharpness's slope along the manifold.

Label noise whose gradient has the covariance ``s^2 G`` drives the weights along the manifold of
minimizers with the velocity ``-(s^2 / 4) ∇_Γ tr G`` in the time ``(lr / (1 - momentum))^2`` times
steps (:mod:`flatfast.timescales`). Everything in it can be measured where the weights are:

* ``s^2 = tr Σ / tr G``, from pairs of gradients of one batch with different noise;
* ``tr G`` and its gradient, from random probes (Hutchinson);
* the part of the gradient along the manifold (:mod:`.tangent`).

A landscape that falls from here to its end like a parabola relaxes at the rate

    kappa = (s^2 / 4) |∇_Γ tr G|^2 / (2 (tr G - end)),

and ``C* = (4 kappa)^(1/3)`` damps the last swing critically. Where it ends one point cannot know;
the end is taken as zero, which makes kappa too small by the factor ``1 - end / tr G``, and C by its
cubic root.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from flatfast.calibration.doubts import doubts_of
from flatfast.calibration.landscape import GRADIENT, PROBE, PRODUCT, Landscape, Vector
from flatfast.calibration.noise import Noise
from flatfast.calibration.result import DAMPING, Calibration
from flatfast.calibration.tangent import Solution, solve
from flatfast.law import GAMMA
from flatfast.timescales import prefactor_from_kappa

BUDGET = 120
"""Gradient evaluations by default."""

LEAST = 40
"""Gradient evaluations below which no error can be given."""

SHARE_GUESS = 0.5
"""Share of the slope along the manifold, for a first cutoff: it enters to the power 2/3."""

MOST_PRODUCTS = 64

ITERATIONS_TO_LARGEST = 6
"""After which the largest curvature is known to a few per cent."""

Progress = Callable[[int, int], None]
"""Told the gradient evaluations made so far, and those there will be."""


class Plan(NamedTuple):
    """How a budget is spent."""

    pairs: int
    probes: int
    products: int


def plan(budget: int, product_batches: int = 1) -> Plan:
    """Divide a budget: two fifths for products, the rest in halves for noise and for probes.

    Args:
        budget: Gradient evaluations of one batch.
        product_batches: Batches that a product goes over.

    Raises:
        ValueError: If the budget is below :data:`LEAST`.
    """
    if budget < LEAST:
        raise ValueError(f"budget must be at least {LEAST} gradient evaluations, got {budget}")
    products = min(max(round(0.4 * budget / (PRODUCT * product_batches)), 4), MOST_PRODUCTS)
    rest = max(budget - products * PRODUCT * product_batches, LEAST // 2)
    pairs = max(round(rest / 2 / (2 * GRADIENT)), 3)
    return Plan(pairs, max(round(rest / 2 / PROBE / 2), 2), products)


def calibrate(
    landscape: Landscape,
    lr: float,
    *,
    budget: int = BUDGET,
    progress: Progress = lambda done, total: None,
) -> Calibration:
    """Measure the law's prefactor at the current weights.

    Args:
        landscape: The loss around them.
        lr: The learning rate to be used.
        budget: Gradient evaluations of one batch.
        progress: Told how it goes on.

    Returns:
        The calibration, with its doubts.

    Raises:
        ValueError: If ``lr`` is not positive, the budget too small, or a gradient not finite.
    """
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be positive and finite, got {lr}")
    begun = time.perf_counter()
    planned = plan(budget, landscape.product_batches)
    meter = _Meter(progress, planned, landscape.product_batches)

    noise = Noise()
    for _ in range(planned.pairs):
        noise.add(landscape)
        meter.count(2 * GRADIENT)

    first_values: list[float] = []
    slopes: Vector = None
    for _ in range(planned.probes):
        value, slope = landscape.probe()
        first_values.append(value)
        slopes = slope if slopes is None else slopes + slope
        meter.count(PROBE)
    mean_slope: Vector = slopes * (1 / planned.probes)

    guess = _kappa(noise.lasting, float(np.mean(first_values)), SHARE_GUESS * _norm(mean_slope))
    solution: Solution | None = None
    cutoff = _cutoff(guess, lr)
    if _norm(mean_slope) > 0:
        # Without noise there is no drift to set the cutoff; the share is still worth knowing.
        cutoff = cutoff or 1e-4 * float(np.mean(first_values))
        solution = solve(landscape, mean_slope, cutoff, planned.products)
        if solution.products < ITERATIONS_TO_LARGEST and _norm(noise.apart) > 0:
            # A slope that is all along says nothing of the curvature across; noise does.
            across = solve(landscape, noise.apart, cutoff, ITERATIONS_TO_LARGEST)
            solution = solution._replace(
                largest=max(solution.largest, across.largest),
                products=solution.products + across.products,
            )
        meter.count(PRODUCT * landscape.product_batches * solution.products)

    # Fresh probes, so that no probe is multiplied with itself.
    values, wholes, parts = list(first_values), [], []
    for _ in range(planned.probes):
        value, slope = landscape.probe()
        values.append(value)
        wholes.append(float(mean_slope @ slope))
        if solution is not None:
            parts.append(cutoff * float(solution.y @ slope) * solution.share / solution.low)
        meter.count(PROBE)

    sharpness = float(np.mean(values))
    along = float(np.mean(parts)) if parts else 0.0
    kappa = _kappa(noise.lasting, sharpness, along)
    errors = noise.relative_error, _relative(parts), _relative(values)
    # kappa is noise * along / (8 sharpness^2); C its cubic root. Sharpness and along come from
    # the same probes and rise together, so that adding their errors as if apart is cautious.
    bracket = 0.0 if solution is None else np.log(solution.high / solution.low) / 12**0.5
    kappa_error = float(np.sqrt(errors[0] ** 2 + errors[1] ** 2 + 4 * errors[2] ** 2 + bracket**2))
    critical = float(prefactor_from_kappa(kappa)) if kappa > 0 else float("nan")
    found = Calibration(
        C=DAMPING * critical,
        C_error=kappa_error / 3,
        kappa=kappa,
        critical=critical,
        lr=lr,
        sharpness=sharpness,
        sharpness_error=errors[2],
        noise=noise.lasting,
        noise_error=errors[0],
        noise_total=noise.total,
        slope=float(np.mean(wholes)),
        along=along,
        along_error=errors[1],
        share_low=0.0 if solution is None else solution.low,
        share_high=1.0 if solution is None else solution.high,
        cutoff=cutoff,
        largest=0.0 if solution is None else solution.largest,
        smallest=float("nan"),
        off=0.0 if solution is None else -float(noise.mean @ solution.y) / sharpness,
        evaluations=meter.done,
        seconds=time.perf_counter() - begun,
    )
    return doubts_of(found, landscape, noise, planned.products)


class _Meter:
    def __init__(self, progress: Progress, planned: Plan, product_batches: int) -> None:
        self._progress = progress
        self._total = (
            2 * GRADIENT * planned.pairs
            + 2 * PROBE * planned.probes
            + PRODUCT * product_batches * planned.products
        )
        self.done = 0
        progress(0, self._total)

    def count(self, evaluations: int) -> None:
        self.done += evaluations
        self._progress(self.done, self._total)


def _kappa(noise: float, sharpness: float, along: float) -> float:
    """``(s^2 / 4) along / (2 tr G)`` with ``s^2 = noise / tr G``."""
    return noise * along / (8 * sharpness**2) if sharpness > 0 else 0.0


def _cutoff(kappa: float, lr: float) -> float:
    """Curvature λ whose modes relax as fast as the drift: ``λ lr / mu = kappa (lr / mu)^2``."""
    if not kappa > 0:
        return 0.0
    C = DAMPING * float(prefactor_from_kappa(kappa))
    return kappa / C * float(lr ** (1 - GAMMA))


def _norm(v: Vector) -> float:
    return float(v @ v)


def _relative(values: list[float]) -> float:
    if not values or np.mean(values) == 0:
        return float("inf")
    spread = np.std(values, ddof=1) / np.sqrt(len(values))
    return float(spread / abs(np.mean(values)))
