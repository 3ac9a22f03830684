"""What a smaller or a larger budget gives: C over seeds, at the same weights."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from flatfast.calibration import calibrate
from flatfast.lab.calibration import ProblemLandscape
from studies.calibration.cases import CASES, QUICK, Case

BUDGETS = (40, 60, 120, 240, 480)
SEEDS = 6
PROBLEMS = ("matrix-sensing", "scalar-product", "teacher-student", "digits-mlp")
"""The first case of each, at the problem's own noise."""


def cases(quick: bool) -> list[Case]:
    """One case a problem."""
    return (
        [QUICK]
        if quick
        else [next(case for case in CASES if case.problem == name) for name in PROBLEMS]
    )


def spread(case: Case, budgets: Sequence[int], seeds: int) -> list[dict[str, Any]]:
    """Mean and spread of ``log C`` over seeds for each budget."""
    rows = []
    with jax.enable_x64(False):
        landscape = ProblemLandscape(case.load())  # its programs are compiled once for all
        for budget in budgets:
            found = [calibrate(landscape, case.lr, budget=budget) for _ in range(seeds)]
            logs = np.log([c.C for c in found])
            rows.append(
                {
                    "budget": budget,
                    "evaluations": float(np.mean([c.evaluations for c in found])),
                    "C": float(np.exp(logs.mean())),
                    "spread": float(logs.std(ddof=1)),
                    "C_error": float(np.mean([c.C.relative for c in found])),
                }
            )
    return rows
