"""Problems, noise levels and learning rates."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from studies.calibration.unseen import UNSEEN

FACTORS = (0.18, 0.25, 0.35, 0.45, 0.57, 0.72, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0)
"""Prefactors that are swept, in units of the calibrated one; 1 is the calibrated one itself."""

CONSTANTS = (0.9, 0.0)
"""Momenta that are run beside: what most leave it at, and plain SGD."""

LR_FACTORS = (0.1, 1.0, 10.0)
"""Learning rates, in units of the one at which C was calibrated."""

DURATION = 30.0
"""Length of a run in units of ``lr^(-2/3) / C*``: seven times what the best should take."""

CALIBRATIONS = 3
"""Seeds of the calibration."""

CENTRE_BUDGET = 120
"""Gradient evaluations of the calibration that a sweep is laid around."""


@dataclass(frozen=True)
class Case:
    """A problem at one noise level.

    Attributes:
        problem: Its name, of the lab or of :data:`studies.calibration.unseen.UNSEEN`.
        settings: Its settings.
        lr: Learning rate of the calibration.
        seeds: Runs at each setting.
        records: Readings of a run.
        dtype: Floating-point type of the runs.
        lr_factors: Learning rates that are swept, in units of ``lr``.
        goal: What the runs are judged by, if not by the problem's own goal.
        label: Short name.
    """

    problem: str
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    lr: float = 1e-3
    seeds: int = 12
    records: int = 160
    dtype: Literal["float32", "float64"] = "float32"
    lr_factors: tuple[float, ...] = LR_FACTORS
    goal: Goal | None = None

    def load(self) -> Problem:
        """The problem."""
        if self.problem in UNSEEN:
            return UNSEEN[self.problem](**self.settings)
        return load(self.problem, self.settings)

    @property
    def label(self) -> str:
        """Of a folder."""
        told = [f"{name}-{value}" for name, value in self.settings.items()]
        return "_".join([self.problem, *told])


def _at(levels: tuple[float, ...], name: str = "noise_std") -> tuple[dict[str, Scalar], ...]:
    return tuple({name: level} for level in levels)


QUICK = Case("scalar-product", {"noise_std": 0.4}, 2e-3, seeds=16, records=40, lr_factors=(1.0,))
"""The case of a quick look."""

SMALL: dict[str, Scalar] = {"examples": 60, "channels": 4}

CASES: tuple[Case, ...] = (
    *(Case("matrix-sensing", noise, lr=3e-3) for noise in _at((0.1, 0.04, 0.25))),
    *(Case("digits-mlp", noise, lr=3e-3, records=28, seeds=6) for noise in _at((0.5, 0.2, 1.0))),
    *(Case("teacher-student", noise, lr=6e-3, records=64) for noise in _at((0.5, 0.2, 1.0))),
    *(
        Case("scalar-product", noise, lr=1e-4, seeds=128, dtype="float64")
        for noise in _at((0.5, 0.2, 0.1))
    ),
    *(
        Case("digits-mlp", {"activation": "relu", "init_seed": 1, **noise}, 3e-3, 6, 28)
        for noise in _at((0.5, 0.2, 1.0))
    ),
    *(
        # The trace ends at a third or more of its start: flips keep predictions uncertain.
        Case(
            "digits-mlp",
            {"loss": "cross-entropy", **flips},
            lr=2e-2,
            seeds=6,
            records=28,
            goal=Goal("cooled:trace", 0.55),
        )
        for flips in _at((0.1, 0.03, 0.3), "flip_probability")
    ),
    Case("digits-resnet", {"noise_std": 0.5}, 2e-2, 4, 24, lr_factors=(1.0,)),
    # Small enough for three learning rates on two cores.
    Case("digits-resnet", {**SMALL, "noise_std": 0.5}, 3e-3, 3, 16),
    *(
        Case("digits-resnet", {**SMALL, **noise}, 3e-3, 3, 16, lr_factors=(1.0,))
        for noise in _at((0.2, 1.0))
    ),
    *(
        Case("matrix-sensing", {"dimension": 14, "rank": 2, "examples": 55, **noise}, 3e-3)
        for noise in _at((0.1, 0.04, 0.25))
    ),
    *(
        Case("matrix-sensing", {"dimension": 30, "rank": 2, "examples": 250, **noise}, 2e-3)
        for noise in _at((0.1, 0.04, 0.25))
    ),
)

LR = {
    "attention": 5e-4,
    "convolutions": 3e-3,
    "deep-linear": 5e-3,
    "layer-norm": 2e-3,
    "recurrent": 2e-3,
    "logistic": 5e-3,
}
"""Learning rates on the unseen problems, at which the largest curvature takes 0.04 to 0.2."""

UNSEEN_CASES: tuple[Case, ...] = tuple(
    Case(name, {"data_seed": seed}, LR[name], 4, 16, lr_factors=(1.0,))
    for name in UNSEEN
    for seed in range(3)
)
"""Each with data and initial weights of three seeds."""

REDRAWN: dict[str, tuple[int, int]] = {
    # The first two others whose measurements leave a manifold of minimizers to be reached.
    "matrix-sensing_noise_std-0.1": (11, 12),
    "matrix-sensing_dimension-14_rank-2_examples-55_noise_std-0.1": (1, 2),
    "teacher-student_noise_std-0.5": (1, 2),
    "digits-mlp_noise_std-0.5": (1, 2),
    "digits-mlp_activation-relu_init_seed-1_noise_std-0.5": (1, 2),
    "digits-mlp_loss-cross-entropy_flip_probability-0.1": (1, 2),
    "digits-resnet_examples-60_channels-4_noise_std-0.5": (1, 2),
}
"""A case of each kind above, and other seeds of its data; the scalar product has no data."""

REDRAWN_CASES: tuple[Case, ...] = tuple(
    replace(case, settings={**case.settings, "data_seed": seed}, lr_factors=(1.0,))
    for case in CASES
    for seed in REDRAWN.get(case.label, ())
)

ALL = (*CASES, *UNSEEN_CASES, *REDRAWN_CASES)
