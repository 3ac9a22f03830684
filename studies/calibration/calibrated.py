"""A case's calibrations, by several seeds: cheap beside its sweep, and made anew without it."""

from typing import Any

from flatfast.calibration import Calibration
from flatfast.lab.calibration import calibrate_problem
from studies.calibration.cases import CALIBRATIONS, Case

Row = dict[str, Any]


def calibrations(case: Case) -> Row:
    """What several calibrations with the default budget find, and the first of them in full."""
    problem = case.load()
    return told([calibrate_problem(problem, case.lr, seed=seed) for seed in range(CALIBRATIONS)])


def told(found: list[Calibration]) -> Row:
    """As it is kept."""
    first = found[0]
    return {
        "C": [float(each.C) for each in found],
        "C_error": first.C.relative,
        "critical": first.critical,
        "evaluations": first.evaluations,
        "off": first.off,
        "reach": first.reach,
        "share": (first.share_low * first.share_high) ** 0.5,
        "doubts": [doubt.verdict.value for doubt in first.doubts],
        "estimators": {
            "whole slope": _scaled(first, first.slope / first.along),
            "displacement": _scaled(first, first.reach),
        },
    }


def _scaled(found: Calibration, ratio: float) -> float | None:
    """C with another estimate of kappa, as a ratio to this one's; None where there is none."""
    return float(found.C * ratio ** (1 / 3)) if ratio > 0 else None
