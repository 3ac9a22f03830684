"""A calibration in words."""

import textwrap

from flatfast.calibration.result import Calibration

WIDTH = 80
"""Columns of a terminal."""


def told(found: Calibration) -> str:
    """What was measured, and the doubts, as lines for a terminal."""
    doubts = [textwrap.fill(str(doubt), WIDTH, subsequent_indent="  ") for doubt in found.doubts]
    return "\n".join([*measured(found), *doubts])


def measured(found: Calibration) -> list[str]:
    """What was measured, in a few lines; the first says whether there is a law."""
    lines = []
    if found.ok:
        low, high = found.interval
        momentum = found.law(found.lr)
        lines += [
            f"C = {found.C:.3g} (95%: {low:.2g} to {high:.2g}):  1 - momentum = C lr^(2/3)",
            f"momentum {momentum:.4g} at lr {found.lr:g}; "
            f"the drift relaxes in about {found.relaxation_steps:,.0f} steps",
        ]
    else:
        lines.append("no prefactor could be had here")
    return [
        *lines,
        f"sharpness tr G {found.sharpness:.3g} ± {found.sharpness_error:.0%}, "
        f"lasting noise {found.noise:.3g} ± {found.noise_error:.0%} of {found.noise_total:.3g}",
        f"slope of the sharpness {found.slope:.3g}, along the manifold {found.along:.3g} "
        f"± {found.along_error:.0%}",
        f"cost: {found.evaluations} gradient evaluations, {found.seconds:.1f} s",
    ]
