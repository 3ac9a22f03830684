"""C along a run, at the iterate and after cooling: what a later calibration finds."""

from typing import Any

import jax

from flatfast.calibration import calibrate
from flatfast.lab.calibration import ProblemLandscape
from flatfast.law import GAMMA
from studies.calibration.cases import CASES, Case
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


def cases() -> list[Case]:
    """The cases followed."""
    return [case for case in CASES if case.label in LABELS]


def along(case: Case, C: float, steps: float) -> list[dict[str, Any]]:
    """Calibrations along one run.

    Args:
        case: The problem and its learning rate.
        C: Prefactor of the run, the swept best.
        steps: The best run's time to the goal.
    """
    problem = case.load()
    with jax.enable_x64(False):
        walk = Walk(problem, case.lr, C * case.lr**GAMMA)
        first, rows = float(walk.trace(walk.params)), []
        for number, share in enumerate(SHARES):
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
