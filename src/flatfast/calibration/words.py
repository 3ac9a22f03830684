"""A calibration in words: the verdict first, then why, what to do next, and what was measured."""

import math
import textwrap

from flatfast.calibration.bar import bar, marked, span
from flatfast.calibration.pair import LOUD
from flatfast.calibration.result import FALLBACK, FALLBACK_MOMENTUM, Result
from flatfast.calibration.verdict import Verdict
from flatfast.law import MomentumLaw

WIDTH = 80
"""Columns of a terminal."""


def told(found: Result) -> str:
    """All of it, as lines for a terminal."""
    fill = textwrap.TextWrapper(WIDTH, subsequent_indent="  ").fill
    lines = [fill(part) for part in [verdict(found), *reasons(found)]]
    return "\n".join([*lines, *bar(found), *map(fill, rest(found))])


def verdict(found: Result) -> str:
    """Which momentum to use, in a sentence; or that this is not known yet, and what to give."""
    if found.unresolved:
        needed = " ".join(found.remedies)
        return f"{found.outcome[0].upper()}{found.outcome[1:]}: {needed[0].lower()}{needed[1:]}"
    if not found.ok:
        return f"Use {_fallback(found)}: {found.outcome}, because"
    low, high = found.interval
    law = found.law
    momentum = f"momentum {law(found.lr):.4g}"
    use = f"lr {found.lr:g} with {momentum}" if found.pair else f"{momentum} at lr {found.lr:g}"
    return (
        f"Use {use}: {found.outcome}, "
        f"1 - momentum = C lr^(2/3) with C = {found.C:.3g} (95%: {low:.2g} to {high:.2g}, "
        f"momentum {_from_to(found, high, low)})."
    )


def _fallback(found: Result) -> str:
    """What to use without a law; the usual momentum only where nothing speaks against it."""
    window = found.window
    known = window is not None and not math.isnan(window.damps) and window.best[0] < 1
    if window is None or not known or window.place(1 - FALLBACK_MOMENTUM) == "within":
        return FALLBACK
    return f"what has served you, or try a momentum within {span(window)}"


def reasons(found: Result) -> list[str]:
    """What speaks against a law, or qualifies it: each a paragraph."""
    return [f"- {doubt}" for doubt in found.doubts]


def rest(found: Result) -> list[str]:
    """What to do next, what was taken for granted, what was measured, and the cost."""
    return [
        *_pair(found),
        f"Next: {' '.join(_next(found))}",
        *_weight_decay(found),
        *_all_of_it(found),
        *_ahead(found),
        f"Measured: sharpness tr G {found.sharpness:.3g} ± {found.sharpness.relative:.0%}; lasting "
        f"noise {found.noise:.3g} ± {found.noise.relative:.0%} of {found.noise_total:.3g}; slope "
        f"of the sharpness {found.slope:.3g}, along the manifold {found.along:.3g} "
        f"± {found.along.relative:.0%}.",
        f"Cost: {found.evaluations} gradient evaluations, {found.seconds:.1f} s.",
    ]


def _pair(found: Result) -> list[str]:
    """What holds the learning rate down, where it was to be named; or why none is."""
    if math.isnan(found.lr):
        return ["No learning rate is named: without the law none is known to be the fastest."]
    if found.pair is None:
        return []
    pair = found.pair
    held = (
        f"The largest curvature, {found.largest:.3g}, may be {pair.margin:.0%} larger"
        if pair.bound == "curvature"
        else "Smaller batches' own noise holds it below that"
    )
    return [
        f"The learning rate is the law's fastest that is stable: momentum {pair.momentum:.4g} is "
        f"up to lr {pair.limit:.3g}. {held}; noise alone makes the sharpness vary by "
        f"{pair.fluctuation:.1%}."
        + (
            " That is much: some runs may be thrown off, less often with more friction."
            if pair.fluctuation > LOUD
            else ""
        )
    ]


def _next(found: Result) -> list[str]:
    if found.unresolved:
        return [
            *found.remedies,
            "Until then keep the momentum that has served: neither that the law applies nor that "
            "it does not has been seen.",
        ]
    if not found.ok:
        nothing = ["There is nothing to be mended: keep what has served."]
        return [*(found.remedies or nothing), *_ordinary(found)]
    return [
        *found.remedies,
        "couple(optimizer, found), or SGD(..., C=found). It is the law of SGD with momentum; for "
        "Adam there is none.",
        f"Noise takes the weights to flatter minima in about {found.relaxation_steps:,.0f} steps; "
        "C changes on the way, so calibrate again after them.",
    ]


def _all_of_it(found: Result) -> list[str]:
    """What was taken for granted of the noise."""
    if not found.ok or found.lasts == "fresh":
        return []
    return [
        "Assumed: the noise of the batches lasts, since training does not fit its data, and it "
        "moves the weights as noise on labels would, its covariance in proportion to G. On both "
        "models that were swept so the best C was twice the one found (docs/ordinary.md)."
    ]


def _ordinary(found: Result) -> list[str]:
    """What holds where there is no law for want of noise that lasts."""
    window = found.window
    if window is None:
        return []
    if window.best[0] >= 1:
        return [
            f"Batches this small throw training out at lr {found.lr:g} with any momentum "
            f"(lr tr G / (2 B) = {window.settles:.2g}): lower lr, or give larger batches."
        ]
    momentum, _ = marked(found)
    place = window.place(1 - momentum)
    meant = {
        "below": "lies above these: it swings, or batches throw it about",
        "above": "lies below these: it creeps",
        "within": "lies among these",
    }[place]
    return [
        f"In sweeps of ordinary training the best momentum lay within {span(window)} for bounds as "
        f"here ({' and '.join(_bounds(found))}); momentum {momentum:.4g} {meant}. That describes "
        "those sweeps and promises nothing (docs/ordinary.md).",
    ]


def _bounds(found: Result) -> list[str]:
    told = []
    if found.settles > 0:
        told.append(f"batches, lr tr G / (2 B) = {found.settles:.2g}")
    damped = f"the slowest mode that matters, 2 sqrt(lr λ) = {found.damps:.2g}"
    return [*told, "the slowest mode not seen" if math.isnan(found.damps) else damped]


def _ahead(found: Result) -> list[str]:
    """What a look ahead has seen."""
    if found.ahead is None:
        return []
    ahead = found.ahead
    if math.isnan(ahead.exponent):
        return [
            f"Ahead: C is that of here. The look ahead came to {ahead.share:.0%} of the sharpness, "
            "where nothing was to be had."
        ]
    return [
        f"Ahead: C is for a sharpness that falls by {ahead.fall:.0%}. Here it would be "
        f"{ahead.start:.3g}, and at {ahead.share:.0%} of the sharpness {ahead.there:.3g}."
    ]


def _weight_decay(found: Result) -> list[str]:
    """What is taken for granted about it; where it is a doubt, that says all."""
    if not found.ok:
        return []
    if math.isnan(found.weight_decay):
        return ["Assumed: no weight decay; weight_decay= weighs yours against the noise."]
    if found.weight_decay == 0:
        return ["Assumed: no weight decay."]
    if any(doubt.verdict is Verdict.WEIGHT_DECAY for doubt in found.doubts):
        return []
    share = found.decay_share(found.weight_decay)
    return [
        f"Weight decay {found.weight_decay:g} moves the weights {share:.2g} times as fast as the "
        "noise does: it changes little."
    ]


def _from_to(found: Result, high: float, low: float) -> str:
    """Momenta of the ends of C's interval."""
    return f"{MomentumLaw(high)(found.lr):.3g} to {MomentumLaw(low)(found.lr):.3g}"
