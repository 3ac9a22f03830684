"""C along a run, at the iterate and after cooling: what a later calibration finds."""

from collections.abc import Sequence
from typing import Any

import jax

from flatfast.calibration import calibrate
from flatfast.lab.calibration import ProblemLandscape
from flatfast.law import GAMMA
from studies.calibration.cases import CASES, QUICK, Case
from studies.calibration.rows import rate_at
from studies.calibration.walk import Walk

LABELS = (
    "teacher-student_noise_std-0.5",
    "digits-mlp_noise_std-0.5",
    "digits-mlp_activation-relu_init_seed-1_noise_std-0.5",
    "digits-mlp_loss-cross-entropy_flip_probability-0.3",
    "digits-resnet_noise_std-0.5",
)
SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
"""When, in units of the best run's time to the goal."""


def cases(quick: bool) -> list[Case]:
    """The cases followed."""
    return [QUICK] if quick else [case for case in CASES if case.label in LABELS]


def along(case: Case, row: dict[str, Any], shares: Sequence[float]) -> list[dict[str, Any]]:
    """Calibrations along one run, with the best C of a sweep.

    Args:
        case: The problem and its learning rate.
        row: What its sweep has found.
        shares: When, in units of the best run's time to the goal.

    Raises:
        ValueError: If the sweep has not located the best C.
    """
    best = rate_at(row, 1.0)
    if best is None or best["best_C"] is None:
        raise ValueError(f"the sweep of {case.label} has not located its best C")
    C, steps = best["best_C"], best["best_time"]
    problem = case.load()
    with jax.enable_x64(False):
        walk = Walk(problem, case.lr, C * case.lr**GAMMA)
        first, rows = float(walk.trace(walk.params)), []
        for number, share in enumerate(shares):
            walk.to(round(share * steps))
            at = walk.cooled()
            found = [
                calibrate(ProblemLandscape(problem, w, seed=number), case.lr)
                for w in (walk.params, at)
            ]
            rows.append(
                {
                    "step": walk.done,
                    "trace": float(walk.trace(at)) / first,
                    "at_iterate": found[0].C,
                    "cooled": found[1].C,
                }
            )
    return rows
