"""A calibration in words."""

from flatfast.calibration.result import Calibration


def told(found: Calibration) -> str:
    """A few lines for a terminal of 80 columns."""
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
    lines += [
        f"sharpness tr G {found.sharpness:.3g} ± {found.sharpness_error:.0%}, "
        f"lasting noise {found.noise:.3g} ± {found.noise_error:.0%} of {found.noise_total:.3g}",
        f"slope of the sharpness {found.slope:.3g}, along the manifold {found.along:.3g} "
        f"± {found.along_error:.0%}",
        f"cost: {found.evaluations} gradient evaluations, {found.seconds:.1f} s",
    ]
    lines += [f"{doubt.verdict}: {doubt.message}" for doubt in found.doubts]
    return "\n".join(lines)
