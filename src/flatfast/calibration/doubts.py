"""What speaks against a calibration, each with what to do."""

from dataclasses import replace

import numpy as np

from flatfast.calibration.landscape import PRODUCT, Landscape
from flatfast.calibration.noise import Noise
from flatfast.calibration.result import Calibration, Doubt, Verdict
from flatfast.calibration.tangent import solve
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

STEEP = 0.25
"""Share of the weights' length below which a parabola's end is too near to be the landscape's.

Set by the lab's problems, on which C is two to four times the best below it, and within a factor
of 1.5 of the best above it but for one (docs/calibration.md). It is a warning, no more.
"""

_GO_ON = (
    "train until the loss has settled, and calibrate there (Gaussian noise on labels may be off "
    "meanwhile; flips and dropout not, since they move the minimum)"
)


def doubts_of(found: Calibration, landscape: Landscape, noise: Noise, products: int) -> Calibration:
    """The calibration with its doubts; without lasting noise also with the least curvature."""
    doubts: list[Doubt] = []

    def doubt(verdict: Verdict, message: str) -> None:
        doubts.append(Doubt(verdict, message))

    if found.sharpness == 0:
        doubt(
            Verdict.NO_CURVATURE,
            "the loss has no curvature in these outputs, as an absolute error, a hinge, a "
            "saturated softmax, or log-probabilities under an NLL loss (give logits and "
            "cross-entropy): there is no sharpness whose slope noise could follow",
        )
        return replace(found, doubts=tuple(doubts))
    if found.noise <= max(LASTING * found.noise_total, ROUNDING * noise.square):
        found = _with_smallest(found, landscape, noise, products)
        doubt(Verdict.NO_LASTING_NOISE, _no_noise_message(found, ROUNDING * noise.square))
        return replace(found, doubts=tuple(doubts))
    if found.slope == 0:
        doubt(
            Verdict.NO_SLOPE,
            "the sharpness has no slope at these weights, as in a model that is linear in them: "
            "noise drives no drift, and the law promises nothing",
        )
        return replace(found, doubts=tuple(doubts))
    # One standard error: to take a model that has learnt nothing for a fitted one is worse.
    if found.misfit - found.misfit_error > MISFIT:
        doubt(
            Verdict.OFF_MANIFOLD,
            f"outputs miss their targets by {found.misfit:.0%} of what outputs dealt to the wrong "
            f"examples would (in squares; at most {MISFIT:.0%} serves): {_GO_ON}",
        )
    elif abs(found.off) - RESOLVED_OFF * found.off_error > OFF:
        doubt(
            Verdict.OFF_MANIFOLD,
            f"on the way to zero gradient the sharpness would change by {found.off:+.0%} ± "
            f"{found.off_error:.0%} (at most {OFF:.0%} serves): {_GO_ON}",
        )
    if not found.along_error * RESOLVED < 1 or not found.along > 0:
        more = found.evaluations * max(4.0, (RESOLVED * min(found.along_error, 10.0) * 2) ** 2)
        doubt(
            Verdict.UNRESOLVED,
            f"the slope along the manifold is not told from zero (relative error "
            f"{found.along_error:.0%}): give a budget of about {more:,.0f} gradient evaluations",
        )
        return replace(found, doubts=tuple(doubts))
    if found.C_error > WIDE:
        more = found.evaluations * (found.C_error / WIDE) ** 2
        doubt(
            Verdict.UNCERTAIN,
            f"C has a standard error of {found.C_error:.0%}: for {WIDE:.0%} give a budget of about "
            f"{more:,.0f} gradient evaluations",
        )
    momentum = MomentumLaw(found.C)(found.lr)
    limit = float(stability_limit(momentum, found.largest)) if found.largest > 0 else np.inf
    if found.lr >= limit:
        doubt(
            Verdict.UNSTABLE,
            f"lr {found.lr:g} is beyond the stability limit {limit:.3g} of the steepest curvature "
            f"{found.largest:.3g} at momentum {momentum:.4g}: training will leave this point for a "
            "flatter one, or diverge; calibrate there, or lower lr",
        )
    if momentum == 0:
        doubt(
            Verdict.NO_MOMENTUM,
            f"the law asks for no momentum from lr {found.C**-1.5:.3g} on, and lr is {found.lr:g}: "
            "the drift is faster than a memory of one step",
        )
    if found.reach < STEEP:
        doubt(
            Verdict.STEEP,
            f"going on at this slope the sharpness would be gone after {found.reach:.0%} of the "
            f"weights' length, and below {STEEP:.0%} it seldom is: this may be a fast first part, "
            "and C two to four times the best for what follows; calibrate again when training has "
            "moved on",
        )
    mu = 1 - momentum
    sampled = landscape.examples is None or landscape.batch_size < landscape.examples
    excess = found.lr * found.sharpness / (2 * landscape.batch_size * mu)
    if sampled and excess > BATCH:
        doubt(
            Verdict.BATCH_NOISE,
            f"batches of {landscape.batch_size} add noise of their own once the weights fluctuate "
            f"(lr tr G / (2 B (1 - momentum)) = {excess:.2g}, small below {BATCH:g}): the drift "
            "will be faster than measured here, and the best C larger",
        )
    return replace(found, doubts=tuple(doubts))


def _with_smallest(
    found: Calibration, landscape: Landscape, noise: Noise, products: int
) -> Calibration:
    mean = noise.mean
    if not float(mean @ mean) > 0:
        return found
    solved = solve(landscape, mean, 1e-6 * found.sharpness, products)
    cost = PRODUCT * landscape.product_batches * solved.products
    return replace(found, smallest=solved.smallest, evaluations=found.evaluations + cost)


def _no_noise_message(found: Calibration, rounding: float) -> str:
    if found.noise_total > rounding and found.noise > rounding:
        why = f"only {found.noise / found.noise_total:.1%} of the gradient's noise is drawn afresh"
    elif found.noise_total > rounding:
        why = (
            "two looks at one loaded batch give one gradient: all noise is the choice of the batch "
            "(noise that the data set draws is not seen: draw it in loss_fn, forward or the model)"
        )
    else:
        why = "the gradient carries no noise"
    message = (
        f"{why}. Such noise is gone where the loss is zero, and the drift with it: the 2/3 law "
        "promises nothing here. Label noise (flatfast.torch.LabelNoise, LabelFlips), dropout or "
        "augmentation would last"
    )
    alternative = found.alternative
    if alternative is None:
        return message
    return (
        f"{message}. For plain descent in a bowl the best is 1 - momentum = 2 sqrt(lr λ_min): "
        f"here {alternative(found.lr):.4g} (calibration.alternative)"
    )
