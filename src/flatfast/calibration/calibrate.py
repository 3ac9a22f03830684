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

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flatfast.arguments import as_number, as_whole
from flatfast.calibration.calibration import Calibration
from flatfast.calibration.doubts import MISFIT as MISFIT_LIMIT
from flatfast.calibration.doubts import RESOLVED, doubts_of
from flatfast.calibration.draws import mean_of, ratio_of
from flatfast.calibration.landscape import GRADIENT, MISFIT, PROBE, PRODUCT, Landscape, Vector
from flatfast.calibration.noise import Noise
from flatfast.calibration.result import DAMPING
from flatfast.calibration.tangent import Solution, solve
from flatfast.estimate import Estimate
from flatfast.law import GAMMA
from flatfast.timescales import prefactor_from_kappa

BUDGET = 60
"""Gradient evaluations by default."""

LEAST = 40
"""Gradient evaluations below which no error can be given."""

SHARE_GUESS = 0.5
"""Share of the slope along the manifold, for a first cutoff: it enters to the power 2/3."""

NO_DRIFT = 1e-4
"""Cutoff where no noise sets it, as a share of ``tr G``."""

MISFITS = 4
"""Batches on which the outputs' misfit is read at first."""

MOST_LOOKS = 4
"""Times as many, at most, where these do not tell which side of the limit it is on."""

PRODUCT_SHARE = 0.4
"""Share of a budget that products take."""

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
    products = min(
        max(round(PRODUCT_SHARE * budget / (PRODUCT * product_batches)), 4), MOST_PRODUCTS
    )
    rest = max(budget - products * PRODUCT * product_batches - MISFITS * MISFIT, LEAST // 2)
    pairs = max(round(rest / 2 / (2 * GRADIENT)), 3)
    return Plan(pairs, max(round(rest / 2 / PROBE / 2), 2), products)


def calibrate(
    landscape: Landscape,
    lr: float,
    *,
    budget: int = BUDGET,
    weight_decay: float = math.nan,
    progress: Progress = lambda done, total: None,
) -> Calibration:
    """Measure the law's prefactor at the current weights.

    Args:
        landscape: The loss around them.
        lr: The learning rate to be used.
        budget: Gradient evaluations of one batch.
        weight_decay: That of the training, to be weighed against the noise; NaN if not known.
        progress: Told how it goes on.

    Returns:
        The calibration, with its doubts.

    Raises:
        TypeError: If one of these is no number.
        ValueError: If ``lr`` is not positive, the budget too small, the weight decay negative, or a
            gradient not finite.
    """
    lr = as_number("lr", lr, "a positive number")
    budget = as_whole("budget", budget, "a whole number of gradient evaluations")
    weight_decay = as_number("weight_decay", weight_decay, "a number, at least 0")
    if not 0 < lr < float("inf"):
        raise ValueError(f"lr must be positive and finite, got {lr}")
    if weight_decay < 0 or math.isinf(weight_decay):
        raise ValueError(f"weight_decay must be at least 0 and finite, got {weight_decay}")
    begun = time.perf_counter()
    planned = plan(budget, landscape.product_batches)
    meter = _Meter(progress, planned, landscape.product_batches)

    noise = Noise(landscape.batches_per_step)
    for _ in range(planned.pairs):
        noise.add(landscape)
        meter.count(2 * GRADIENT)
    misfits: list[tuple[float, float]] = []
    for _ in range(MOST_LOOKS):
        misfits += [landscape.misfit() for _ in range(MISFITS)]
        meter.count(MISFITS * MISFIT)
        misfit = ratio_of(misfits)
        if abs(misfit - MISFIT_LIMIT) > RESOLVED * misfit.error:
            break

    values: list[float] = []
    total: Vector = 0.0
    for probed in _probes(landscape, planned.probes, values, meter):
        total = total + probed
    slope = total * (1 / planned.probes)
    first = float(np.mean(values))
    cutoff, solution = _part_along(landscape, noise, first, slope, lr, planned.products)
    meter.count(PRODUCT * landscape.product_batches * solution.products)
    # Fresh probes: no probe is multiplied with itself.
    wholes: list[float] = []
    parts: list[float] = []
    for probed in _probes(landscape, planned.probes, values, meter):
        wholes.append(float(slope @ probed))
        parts.append(cutoff * float(solution.y @ probed) * solution.share / solution.low)

    sharpness, along, lasting = mean_of(values), mean_of(parts), noise.lasting
    kappa = _kappa(lasting, sharpness, along)
    critical = float(prefactor_from_kappa(kappa)) if kappa > 0 else float("nan")
    # A step of Gauss and Newton to zero gradient changes the sharpness by this.
    slide = noise.along(solution.y)
    found = Calibration(
        C=Estimate.within(DAMPING * critical, _error(lasting, along, sharpness, solution) / 3),
        kappa=kappa,
        critical=critical,
        lr=lr,
        sharpness=sharpness,
        noise=lasting,
        noise_total=noise.total,
        slope=float(np.mean(wholes)),
        along=along,
        share_low=solution.low,
        share_high=solution.high,
        cutoff=cutoff,
        largest=solution.largest,
        reach=_reach(sharpness, along, landscape.length),
        off=Estimate(_over(-slide, sharpness), _over(slide.error, sharpness)),
        misfit=misfit,
        evaluations=meter.done,
        seconds=time.perf_counter() - begun,
        weight_decay=weight_decay,
    )
    return replace(found, doubts=doubts_of(found, landscape, noise))


def _part_along(
    landscape: Landscape,
    noise: Noise,
    sharpness: float,
    slope: Vector,
    lr: float,
    products: int,
) -> tuple[float, Solution]:
    """The cutoff below which modes count as along, and the slope's part along."""
    if not _norm(slope) > 0:
        return 0.0, Solution(slope, 1.0, 1.0, 0.0, 0.0, 0)
    guess = _kappa(noise.lasting, sharpness, SHARE_GUESS * _norm(slope))
    # Without noise there is no drift to set the cutoff; the share is still worth knowing.
    cutoff = drift_cutoff(guess, lr) or NO_DRIFT * sharpness
    solution = solve(landscape, slope, cutoff, products)
    if solution.products < ITERATIONS_TO_LARGEST and _norm(noise.apart) > 0:
        # A slope that is all along says nothing of the curvature across; noise does.
        across = solve(landscape, noise.apart, cutoff, ITERATIONS_TO_LARGEST)
        solution = solution._replace(
            largest=max(solution.largest, across.largest),
            products=solution.products + across.products,
        )
    return cutoff, solution


def _probes(
    landscape: Landscape, count: int, values: list[float], meter: "_Meter"
) -> Iterator[Vector]:
    """Gradients of fresh probes, one at a time; their values are appended."""
    for _ in range(count):
        value, probed = landscape.probe()
        values.append(value)
        meter.count(PROBE)
        yield probed


def _error(noise: Estimate, along: Estimate, sharpness: Estimate, solution: Solution) -> float:
    """Relative standard error of ``kappa = noise * along / (8 sharpness^2)``.

    Sharpness and along come from the same probes and rise together: to add their errors as if apart
    is cautious. The bounds of the share count as the ends of a uniform distribution.
    """
    bracket = float(np.log(solution.high / solution.low)) / 12**0.5
    of_draws = noise.relative**2 + along.relative**2 + 4 * sharpness.relative**2
    return float(np.sqrt(of_draws + bracket**2))


class _Meter:
    def __init__(self, progress: Progress, planned: Plan, product_batches: int) -> None:
        self._progress = progress
        self._total = (
            2 * GRADIENT * planned.pairs
            + MISFIT * MISFITS
            + 2 * PROBE * planned.probes
            + PRODUCT * product_batches * planned.products
        )
        self.done = 0
        progress(0, self._total)

    def count(self, evaluations: int) -> None:
        self.done += evaluations
        self._progress(self.done, max(self._total, self.done))


def _kappa(noise: float, sharpness: float, along: float) -> float:
    """``(s^2 / 4) along / (2 tr G)`` with ``s^2 = noise / tr G``."""
    return noise * along / (8 * sharpness**2) if sharpness > 0 else 0.0


def _reach(sharpness: float, along: float, length: float) -> float:
    """Way to the end of a parabola of this height and slope, in lengths of the weights."""
    return 2 * sharpness / (along**0.5 * length) if along > 0 and length > 0 else float("nan")


def drift_cutoff(kappa: float, lr: float) -> float:
    """Curvature λ whose modes relax as fast as the drift: ``λ lr / mu = kappa (lr / mu)^2``."""
    if not kappa > 0:
        return 0.0
    C = DAMPING * float(prefactor_from_kappa(kappa))
    return kappa / C * float(lr ** (1 - GAMMA))


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def _norm(v: Vector) -> float:
    return float(v @ v)
