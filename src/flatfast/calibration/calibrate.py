"""The prefactor at one point: noise, sharpness, and the sharpness's slope along the manifold.

Label noise whose gradient has the covariance ``s^2 G`` drives the weights along the manifold of
minimizers with the velocity ``-(s^2 / 4) ∇_Γ tr G`` in the time ``(lr / (1 - momentum))^2`` times
steps (:mod:`flatfast.timescales`). Everything in it can be measured where the weights are:

* ``s^2 = tr Σ / tr G``, from pairs of gradients of one batch with different noise;
* ``tr G`` and its gradient, from random probes (Hutchinson), or exactly where outputs are few;
* the part of the gradient along the manifold (:mod:`.along`).

The cutoff below which modes count as along is the one that the drift found sets (:mod:`.settled`).
Where none does, all of the slope lies across the manifold, and there is no drift and no law.

A landscape that falls from here to its end like a parabola relaxes at the rate

    kappa = (s^2 / 4) |∇_Γ tr G|^2 / (2 (tr G - end)),

and ``C* = (4 kappa)^(1/3)`` damps the last swing critically. Where it ends one point cannot know;
the end is taken as zero, which makes kappa too small by the factor ``1 - end / tr G``, and C by its
cubic root.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from flatfast.arguments import as_number, as_whole
from flatfast.calibration.along import Along, Solved, kappa_of, solved
from flatfast.calibration.calibration import Calibration
from flatfast.calibration.doubts import MISFIT as MISFIT_LIMIT
from flatfast.calibration.doubts import RESOLVED, doubts_of
from flatfast.calibration.draws import ratio_of
from flatfast.calibration.landscape import GRADIENT, MISFIT, PRODUCT, Landscape, samples
from flatfast.calibration.noise import Noise
from flatfast.calibration.pair import Pair, Valley, fastest
from flatfast.calibration.plan import MISFITS, Plan, plan, with_rows
from flatfast.calibration.result import DAMPING
from flatfast.calibration.sharpness import outputs_of, sharpness_of
from flatfast.calibration.window import settling, slowest_damping
from flatfast.estimate import Estimate
from flatfast.law import MomentumLaw
from flatfast.timescales import prefactor_from_kappa

BUDGET = 60
"""Gradient evaluations by default."""

MOST_LOOKS = 4
"""Times as many, at most, where these do not tell which side of the limit it is on."""

Lasts = Literal["fresh", "all"]

KINDS = get_args(Lasts)
ROUNDS = 50
"""Of learning rate and prefactor after each other: each changes the other by little."""

Progress = Callable[[int, int], None]
"""Told the gradient evaluations made so far, and those there will be."""


def calibrate_here(
    landscape: Landscape,
    lr: float | None = None,
    *,
    budget: int = BUDGET,
    weight_decay: float = math.nan,
    noise: Lasts = "fresh",
    momentum: float = math.nan,
    progress: Progress = lambda done, total: None,
) -> Calibration:
    """Measure the law's prefactor at the current weights.

    Where no noise lasts there is no law, and half of the products go to what bounds momentum
    instead (:mod:`flatfast.calibration.window`).

    Args:
        landscape: The loss around them.
        lr: The learning rate to be used; by default one is named with its momentum, in ``pair``.
        budget: Gradient evaluations of one batch.
        weight_decay: That of the training, to be weighed against the noise; NaN if not known.
        noise: What of it lasts: ``"fresh"``, what is drawn anew at each look at a batch; or
            ``"all"``, the choice of the batch too, in training that never fits its data.
        momentum: The one in use, to be placed between those bounds; NaN if not known.
        progress: Told how it goes on.

    Returns:
        The calibration, with its doubts.

    Raises:
        TypeError: If one of these is no number.
        ValueError: If ``lr`` is not positive, the budget too small, the weight decay negative, a
            gradient not finite, ``noise`` neither of the two, or ``momentum`` not in [0, 1).
    """
    if noise not in KINDS:
        raise ValueError(f"noise must be one of {', '.join(map(repr, KINDS))}, got {noise!r}")
    if lr is not None:
        lr = as_number("lr", lr, "a positive number")
        if not 0 < lr < math.inf:
            raise ValueError(f"lr must be positive and finite, got {lr}")
    budget = as_whole("budget", budget, "a whole number of gradient evaluations")
    weight_decay = as_number("weight_decay", weight_decay, "a number, at least 0")
    if weight_decay < 0 or math.isinf(weight_decay):
        raise ValueError(f"weight_decay must be at least 0 and finite, got {weight_decay}")
    momentum = as_number("momentum", momentum, "a number in [0, 1)")
    if not (math.isnan(momentum) or 0 <= momentum < 1):
        raise ValueError(f"momentum must be in [0, 1), got {momentum}")
    begun = time.perf_counter()
    planned = with_rows(plan(budget, landscape.product_batches), outputs_of(landscape))
    meter = _Meter(progress, planned)

    seen = Noise(landscape.batches_per_step)
    for _ in range(planned.pairs):
        seen.add(landscape)
        meter.count(2 * GRADIENT)
    misfits: list[tuple[float, float]] = []
    for _ in range(MOST_LOOKS):
        misfits += [landscape.misfit() for _ in range(MISFITS)]
        meter.count(MISFITS * MISFIT)
        misfit = ratio_of(misfits)
        if abs(misfit - MISFIT_LIMIT) > RESOLVED * misfit.error:
            break

    sharpness, slope, fresh = sharpness_of(landscape, planned, meter.count)
    lasting = seen.lasting if noise == "fresh" else seen.every
    # The least that the limit may be: the trace bounds the largest curvature from above.
    least = 4 / sharpness if sharpness > 0 else 1.0
    products, damps = planned.products, math.nan
    if seen.fades(lasting) and lr is not None:
        products, left = products - products // 2, products // 2
        damps, made = slowest_damping(landscape, seen, sharpness, lr, left)
        meter.count(PRODUCT * landscape.product_batches * made)
    told = solved(landscape, seen, lasting, sharpness, slope, fresh, lr or least, products)
    pair = None if lr is not None else _pair(told, landscape, float(slope @ fresh.mean), least)
    part = told.at(lr or (pair.lr if pair else least))
    meter.count(PRODUCT * landscape.product_batches * part.products)

    along = part.squared
    kappa, critical = _critical(told, part)
    # A step of Gauss and Newton to zero gradient changes the sharpness by this.
    slide = seen.along(part.y)
    found = Calibration(
        C=Estimate.within(DAMPING * critical, _error(lasting, sharpness, part) / 3),
        kappa=kappa,
        critical=critical,
        lr=lr or (pair.lr if pair else math.nan),
        sharpness=sharpness,
        noise=lasting,
        noise_total=seen.total,
        slope=float(slope @ fresh.mean),
        along=along,
        share_low=part.low,
        share_high=part.high,
        cutoff=part.cutoff,
        largest=part.largest,
        reach=_reach(sharpness, along, landscape.length),
        off=Estimate(_over(-slide, sharpness), _over(slide.error, sharpness)),
        misfit=misfit,
        evaluations=meter.done,
        seconds=time.perf_counter() - begun,
        weight_decay=weight_decay,
        lasts=noise,
        settles=settling(landscape, sharpness, lr or (pair.lr if pair else math.nan)),
        damps=damps,
        momentum=momentum,
        pair=pair,
    )
    found = replace(found, doubts=doubts_of(found, landscape, seen, part))
    # Without a law there is no pair, and a learning rate that was none's.
    return found if found.ok or lr is not None else replace(found, pair=None, lr=math.nan)


def _critical(told: Solved, part: Along) -> tuple[float, float]:
    """Kappa and ``C*``; 0 and NaN where the part along sets no cutoff."""
    kappa = kappa_of(told.noise, told.sharpness, part.squared) if part.settled else 0.0
    return kappa, float(prefactor_from_kappa(kappa)) if kappa > 0 else math.nan


def _pair(told: Solved, landscape: Landscape, slope: float, least: float) -> Pair | None:
    """The fastest stable pair of the law; None where there is no law.

    The cutoff follows from the learning rate, and C from the cutoff; no product is made for it.

    Args:
        told: What the products have told.
        landscape: Says whether a step takes all examples.
        slope: ``|∇ tr G|^2``.
        least: A learning rate to begin with.
    """
    lr, found = least, None
    for _ in range(ROUNDS):
        _, critical = _critical(told, told.at(lr))
        if not (critical > 0 and told.largest > 0):
            return None
        valley = Valley(
            largest=told.largest.value,
            error=told.largest.relative,
            sharpness=told.sharpness,
            slope=slope,
            noise=told.noise,
            batch=landscape.batch_size if samples(landscape) else math.inf,
        )
        found = fastest(MomentumLaw(DAMPING * critical), valley)
        if found.lr == lr:
            break
        lr = found.lr
    return found


def _error(noise: Estimate, sharpness: Estimate, part: Along) -> float:
    """Relative standard error of ``kappa = noise * along / (8 sharpness^2)``.

    Sharpness and along come from the same probes and rise together: to add their errors as if apart
    is cautious.
    """
    of_draws = noise.relative**2 + part.squared.relative**2 + 4 * sharpness.relative**2
    return part.amplified * float(np.sqrt(of_draws + part.bracket**2))


class _Meter:
    def __init__(self, progress: Progress, planned: Plan) -> None:
        self._progress, self._total = progress, planned.cost
        self.done = 0
        progress(0, self._total)

    def count(self, evaluations: int) -> None:
        self.done += evaluations
        self._progress(self.done, max(self._total, self.done))


def _reach(sharpness: float, along: float, length: float) -> float:
    """Way to the end of a parabola of this height and slope, in lengths of the weights."""
    return 2 * sharpness / (along**0.5 * length) if along > 0 and length > 0 else float("nan")


def _over(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
