"""What speaks against a calibration, each with what to do."""

import math
from dataclasses import replace

import numpy as np

from flatfast.calibration.along import Along
from flatfast.calibration.landscape import Landscape, samples
from flatfast.calibration.noise import ROUNDING, Noise
from flatfast.calibration.pair import BATCH, batch_excess
from flatfast.calibration.plan import budget_for_rows
from flatfast.calibration.result import Result
from flatfast.calibration.sharpness import outputs_of
from flatfast.calibration.verdict import WIDE, Doubt, Verdict
from flatfast.law import MomentumLaw
from flatfast.timescales import stability_limit

OFF = 0.3
"""Relative change of the sharpness on the way to the manifold from which on a point is off it."""

MISFIT = 0.1
"""Squared misfit of the outputs from which on nothing near the manifold is to be seen."""

RESOLVED_OFF = 3.0
"""Standard errors by which the way to the manifold must exceed :data:`OFF`.

The error is itself known from no more than six groups of gradients.
"""

RESOLVED = 2.0
"""Standard errors by which the slope along the manifold must differ from zero."""

DECAY = 0.3
"""Speed of weight decay along the manifold, over that of the noise, from which on it counts."""


def doubts_of(found: Result, landscape: Landscape, noise: Noise, part: Along) -> tuple[Doubt, ...]:
    """All doubts that refuse a calibration, or else all that qualify it."""
    return (
        _raised(_curvature(found), _place(found), _lasting(found, noise, landscape), _slope(found))
        # At a place that is refused for another reason, the manifold's slope is not seen, and a
        # budget for it would be no advice.
        or _raised(_resolution(found, part, landscape))
        or _raised(
            _width(found),
            _stability(found),
            _no_momentum(found),
            _batches(found, landscape),
            weight_decay_doubt(found, found.weight_decay),
        )
    )


def weight_decay_doubt(found: Result, weight_decay: float) -> Doubt | None:
    """What weight decay means for a calibration that found a law; None if nothing."""
    share = found.decay_share(weight_decay)
    if not share > DECAY:
        return None
    return Doubt(
        Verdict.WEIGHT_DECAY,
        f"weight decay of {weight_decay:g} moves the weights {share:.2g} times as fast as the "
        f"noise does (small below {DECAY:g}), and only the noise was measured",
    )


def _raised(*doubts: Doubt | None) -> tuple[Doubt, ...]:
    return tuple(doubt for doubt in doubts if doubt is not None)


def _curvature(found: Result) -> Doubt | None:
    if found.sharpness != 0.0:
        return None
    return Doubt(
        Verdict.NO_CURVATURE,
        "the loss has no curvature in these outputs, as an absolute error, a hinge, a saturated "
        "softmax, or log-probabilities under an NLL loss: there is no sharpness whose slope noise "
        "could follow",
    )


def _place(found: Result) -> Doubt | None:
    """Off the manifold by its outputs, by its gradient, or by both."""
    if found.sharpness == 0.0:
        return None
    reasons = []
    # One standard error: to take a model that has learnt nothing for a fitted one is worse.
    # Training that never fits its data is as far from its targets as its noise is large.
    if found.lasts == "fresh" and found.misfit - found.misfit.error > MISFIT:
        reasons.append(
            f"outputs miss their targets by {found.misfit:.0%} of what outputs dealt to the wrong "
            f"examples would (in squares; at most {MISFIT:.0%} serves)"
        )
    if abs(found.off) - RESOLVED_OFF * found.off.error > OFF:
        reasons.append(
            f"on the way to zero gradient the sharpness would change by {found.off:+.0%} ± "
            f"{found.off.error:.0%} (at most {OFF:.0%} serves)"
        )
    return Doubt(Verdict.OFF_MANIFOLD, ", and ".join(reasons)) if reasons else None


def _lasting(found: Result, noise: Noise, landscape: Landscape) -> Doubt | None:
    rounding = ROUNDING * noise.square
    if found.lasts == "all" and found.noise > rounding:
        return None
    if not noise.fades(found.noise):
        return None
    if found.noise_total > rounding and found.noise > rounding:
        why = f"only {found.noise / found.noise_total:.1%} of the gradient's noise is drawn afresh"
    elif found.noise_total > rounding:
        unseen = f" ({landscape.unseen})" if landscape.unseen else ""
        elsewhere = ' (in training that never fits its data it lasts: noise="all")'
        why = (
            "all of the gradient's noise is the choice of the batch, two looks at one batch give "
            f"one gradient{unseen}{elsewhere}"
        )
    else:
        why = "the gradient carries no noise"
    return Doubt(
        Verdict.NO_LASTING_NOISE,
        f"{why}. Such noise ends where the loss is zero, and the drift with it",
    )


def _slope(found: Result) -> Doubt | None:
    if found.sharpness == 0.0 or found.slope != 0:
        return None
    return Doubt(
        Verdict.NO_SLOPE,
        "the sharpness has no slope at these weights, as in a model that is linear in them: noise "
        "drives no drift",
    )


def _resolution(found: Result, part: Along, landscape: Landscape) -> Doubt | None:
    error = found.along.relative
    if part.most == 0:
        return Doubt(
            Verdict.NO_SLOPE,
            "all of the sharpness's slope lies across the manifold, where the loss pulls the "
            "weights back. Minimizers near these are equally sharp, as where the targets fix the "
            "sharpness (outputs that are squares of the weights): noise drives no drift",
        )
    if not part.settled:
        told = f"at most {part.most:.2g} of the sharpness's slope, or nothing"
    elif error * RESOLVED < 1 and found.along > 0:
        return None
    else:
        told = f"relative error {error:.0%}"
    wanted = _wants_more(
        found,
        Verdict.UNRESOLVED,
        f"the slope along the manifold is not told from zero ({told})",
        max(4.0, (RESOLVED * min(error, 10.0) * 2) ** 2),
    )
    assert wanted.budget is not None
    if found.along.error == 0:
        return wanted
    # Rows have no error, and of few outputs cost less than that many probes.
    exact = budget_for_rows(outputs_of(landscape), landscape.product_batches, wanted.budget)
    return replace(wanted, budget=_rounded(exact)) if exact else wanted


def _width(found: Result) -> Doubt | None:
    error = found.C.relative
    if not error > WIDE:
        return None
    told = f"C has a standard error of {error:.0%}"
    return _wants_more(found, Verdict.UNCERTAIN, told, (error / WIDE) ** 2)


def _wants_more(found: Result, verdict: Verdict, message: str, times: float) -> Doubt:
    """A doubt that so many times the gradients would settle."""
    return Doubt(verdict, message, _rounded(found.evaluations * times))


def _rounded(evaluations: float) -> int:
    """Up to two digits: more an estimate of a budget does not have."""
    unit: int = 10 ** max(math.floor(math.log10(evaluations)) - 1, 0)
    return math.ceil(evaluations / unit) * unit


def _momentum(found: Result) -> float:
    """The law's at the learning rate that was asked for."""
    return MomentumLaw(found.C)(found.lr)


def _stability(found: Result) -> Doubt | None:
    momentum = _momentum(found)
    limit = float(stability_limit(momentum, found.largest)) if found.largest > 0 else np.inf
    if found.lr < limit:
        return None
    return Doubt(
        Verdict.UNSTABLE,
        f"lr {found.lr:g} is beyond the stability limit {limit:.3g} of the steepest curvature "
        f"{found.largest:.3g} at momentum {momentum:.4g}: training will leave this point for a "
        "flatter one, or diverge",
    )


def _no_momentum(found: Result) -> Doubt | None:
    if _momentum(found) != 0:
        return None
    return Doubt(
        Verdict.NO_MOMENTUM,
        f"the law asks for no momentum from lr {found.C**-1.5:.3g} on, and lr is {found.lr:g}: the "
        "drift is faster than a memory of one step",
    )


def _batches(found: Result, landscape: Landscape) -> Doubt | None:
    if found.lasts == "all":
        return None  # it is in what was measured
    excess = batch_excess(found.lr, _momentum(found), found.sharpness, landscape.batch_size)
    if not (samples(landscape) and excess > BATCH):
        return None
    return Doubt(
        Verdict.BATCH_NOISE,
        f"batches of {landscape.batch_size} add noise of their own once the weights fluctuate "
        f"(lr tr G / (2 B (1 - momentum)) = {excess:.2g}, small below {BATCH:g}): the drift will "
        "be faster than measured here, and the best C larger",
    )
