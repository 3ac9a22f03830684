"""One constant C for a goal ahead, by a look ahead from the start: ``calibrate(..., fall=)``."""

from typing import Any

import jax

from flatfast.calibration import calibrate
from flatfast.lab.calibration import ProblemLandscape
from studies.calibration.cases import CALIBRATIONS, Case

USUAL = 0.7
"""Fall that is asked for where the goal is no sharpness."""

TRACES = ("cooled:trace", "trace")


def fall_of(case: Case) -> float:
    """The fall that a case's goal names, or the usual one."""
    goal = case.goal or case.load().goal
    return 1 - goal.threshold if goal.metric in TRACES and goal.relative else USUAL


def falls(case: Case) -> dict[str, Any]:
    """What several look-aheads find; the exponent is None where one could not tell it."""
    fall = fall_of(case)
    with jax.enable_x64(False):
        problem = case.load()
        base = ProblemLandscape(problem)
        found = [
            calibrate(base.at(problem.start(), seed), case.lr, fall=fall)
            for seed in range(CALIBRATIONS)
        ]
    return {
        "fall": fall,
        "ok": [each.ok for each in found],
        "C": [float(each.C) for each in found],
        "C_start": [float(each.ahead.start if each.ahead else each.C) for each in found],
        "exponent": [each.ahead.exponent if each.ahead else None for each in found],
        "share": [each.ahead.share if each.ahead else None for each in found],
        "evaluations": [each.evaluations for each in found],
    }
