"""What speaks against a calibration, each with what to do."""

import math
from dataclasses import replace

import numpy as np

from flatfast.calibration.landscape import Landscape
from flatfast.calibration.noise import Noise
from flatfast.calibration.result import Calibration, Doubt, Verdict
from flatfast.law import MomentumLaw
from flatfast.timescales import stability_limit

OFF = 0.3
"""Relative change of the sharpness on the way to the manifold from which on a point is off it."""

MISFIT = 0.1
"""Squared misfit of the outputs from which on nothing near the manifold is to be seen."""

LASTING = 0.05
"""Share of a step's noise that must be drawn afresh for its drift to last."""

ROUNDING = 1e-10
"""Noise below this share of the gradient's square is rounding: sums in another order."""

RESOLVED_OFF = 3.0
"""Standard errors by which the way to the manifold must exceed :data:`OFF`.

The error is itself known from no more than six groups of gradients.
"""

RESOLVED = 2.0
"""Standard errors by which the slope along the manifold must differ from zero."""

WIDE = 0.25
"""Relative standard error of C from which on it is called wide."""

BATCH = 0.5
"""``lr tr G / (2 B mu)`` from which on the examples that a batch leaves out add to the noise."""

DECAY = 0.3
"""Speed of weight decay along the manifold, over that of the noise, from which on it counts."""

_TRAIN = (
    "Train until the loss has settled, and calibrate there (Gaussian noise on labels may be off "
    "meanwhile; flips and dropout not, since they move the minimum)."
)
_DRAW = (
    "Draw noise afresh at every step (flatfast.torch.LabelNoise, LabelFlips, or dropout), if its "
    "way to flat minima is wanted."
)


def doubts_of(found: Calibration, landscape: Landscape, noise: Noise) -> Calibration:
    """The calibration with its doubts: all that refuse it, or else all that qualify it."""
    doubts = [*_curvature(found), *_place(found), *_lasting(found, noise), *_slope(found)]
    # At a place that is refused for another reason, a budget for this one would be no advice.
    doubts = doubts or _resolution(found) or _cautions(found, landscape)
    return replace(found, doubts=tuple(doubts))


def weight_decay_doubt(found: Calibration, weight_decay: float) -> Doubt | None:
    """What weight decay means for a calibration that found a law; None if nothing."""
    share = found.decay_share(weight_decay)
    if not share > DECAY:
        return None
    return Doubt(
        Verdict.WEIGHT_DECAY,
        f"weight decay of {weight_decay:g} moves the weights {share:.2g} times as fast as the "
        f"noise does (small below {DECAY:g}), and only the noise was measured",
        "With such weight decay compare with the momentum that has served.",
    )


def _curvature(found: Calibration) -> list[Doubt]:
    if found.sharpness != 0:
        return []
    return [
        Doubt(
            Verdict.NO_CURVATURE,
            "the loss has no curvature in these outputs, as an absolute error, a hinge, a "
            "saturated softmax, or log-probabilities under an NLL loss: there is no sharpness "
            "whose slope noise could follow",
            "With log-probabilities give logits and cross-entropy.",
        )
    ]


def _place(found: Calibration) -> list[Doubt]:
    """Off the manifold by its outputs, by its gradient, or by both."""
    if found.sharpness == 0:
        return []
    reasons = []
    # One standard error: to take a model that has learnt nothing for a fitted one is worse.
    if found.misfit - found.misfit_error > MISFIT:
        reasons.append(
            f"outputs miss their targets by {found.misfit:.0%} of what outputs dealt to the wrong "
            f"examples would (in squares; at most {MISFIT:.0%} serves)"
        )
    if abs(found.off) - RESOLVED_OFF * found.off_error > OFF:
        reasons.append(
            f"on the way to zero gradient the sharpness would change by {found.off:+.0%} ± "
            f"{found.off_error:.0%} (at most {OFF:.0%} serves)"
        )
    return [Doubt(Verdict.OFF_MANIFOLD, ", and ".join(reasons), _TRAIN)] if reasons else []


def _lasting(found: Calibration, noise: Noise) -> list[Doubt]:
    rounding = ROUNDING * noise.square
    if found.noise > max(LASTING * found.noise_total, rounding):
        return []
    if found.noise_total > rounding and found.noise > rounding:
        why = f"only {found.noise / found.noise_total:.1%} of the gradient's noise is drawn afresh"
    elif found.noise_total > rounding:
        why = (
            "all of the gradient's noise is the choice of the batch, two looks at one loaded batch "
            "give one gradient (what the data set draws is not seen: draw it in loss_fn, forward "
            "or the model)"
        )
    else:
        why = "the gradient carries no noise"
    return [
        Doubt(
            Verdict.NO_LASTING_NOISE,
            f"{why}. Such noise ends where the loss is zero, and the drift with it",
            _DRAW,
        )
    ]


def _slope(found: Calibration) -> list[Doubt]:
    if found.sharpness == 0 or found.slope != 0:
        return []
    return [
        Doubt(
            Verdict.NO_SLOPE,
            "the sharpness has no slope at these weights, as in a model that is linear in them: "
            "noise drives no drift",
        )
    ]


def _resolution(found: Calibration) -> list[Doubt]:
    if found.along_error * RESOLVED < 1 and found.along > 0:
        return []
    more = found.evaluations * max(4.0, (RESOLVED * min(found.along_error, 10.0) * 2) ** 2)
    return [
        Doubt(
            Verdict.UNRESOLVED,
            "the slope along the manifold is not told from zero (relative error "
            f"{found.along_error:.0%})",
            f"Give a budget of about {_rounded(more):,} gradient evaluations.",
        )
    ]


def _cautions(found: Calibration, landscape: Landscape) -> list[Doubt]:
    """What qualifies a law that was found."""
    doubts = []
    if found.C_error > WIDE:
        more = found.evaluations * (found.C_error / WIDE) ** 2
        doubts.append(
            Doubt(
                Verdict.UNCERTAIN,
                f"C has a standard error of {found.C_error:.0%}",
                f"For an error of {WIDE:.0%} give a budget of about {_rounded(more):,} gradient "
                "evaluations.",
            )
        )
    momentum = MomentumLaw(found.C)(found.lr)
    limit = float(stability_limit(momentum, found.largest)) if found.largest > 0 else np.inf
    if found.lr >= limit:
        doubts.append(
            Doubt(
                Verdict.UNSTABLE,
                f"lr {found.lr:g} is beyond the stability limit {limit:.3g} of the steepest "
                f"curvature {found.largest:.3g} at momentum {momentum:.4g}: training will leave "
                "this point for a flatter one, or diverge",
                "Lower lr, or calibrate where training at this lr has come to rest.",
            )
        )
    if momentum == 0:
        doubts.append(
            Doubt(
                Verdict.NO_MOMENTUM,
                f"the law asks for no momentum from lr {found.C**-1.5:.3g} on, and lr is "
                f"{found.lr:g}: the drift is faster than a memory of one step",
            )
        )
    mu = 1 - momentum
    sampled = landscape.examples is None or landscape.batch_size < landscape.examples
    excess = found.lr * found.sharpness / (2 * landscape.batch_size * mu)
    if sampled and excess > BATCH:
        doubts.append(
            Doubt(
                Verdict.BATCH_NOISE,
                f"batches of {landscape.batch_size} add noise of their own once the weights "
                f"fluctuate (lr tr G / (2 B (1 - momentum)) = {excess:.2g}, small below {BATCH:g}):"
                " the drift will be faster than measured here, and the best C larger",
                "Prefer the lower momenta of the interval.",
            )
        )
    if decay := weight_decay_doubt(found, found.weight_decay):
        doubts.append(decay)
    return doubts


def _rounded(evaluations: float) -> int:
    """Up to two digits: more an estimate of a budget does not have."""
    unit = 10 ** max(math.floor(math.log10(evaluations)) - 1, 0)
    return math.ceil(evaluations / unit) * unit
