"""The cases of the prefactor's study: problems, where their best C is looked for, what they cost.

The most informative first: the list is worked off from the top for as long as there is time.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from flatfast.lab.problem import Scalar
from flatfast.law import GAMMA
from studies.forecast.cases import CASES as FORECAST
from studies.sweeps import Subject

FACTORS = np.geomspace(0.35, 2.8, 12)
"""Prefactors of a sweep, in units of the guess at the best."""

LENGTH = 4.0
"""Length of the runs in units of the guess at the best time; 3 times its own settles a run."""


class Family(NamedTuple):
    """What a problem's sweeps share.

    Attributes:
        lr: Learning rate, small enough for the law's corrections to be small.
        C: Best prefactor of the committed sweep: where the other cases' sweeps are looked for.
        time: ``C T_c lr^(2/3)`` there.
        noise: Its label noise.
        seeds: Runs at each momentum.
        records: Readings of the metric in a run; each costs a cooling.
        cooling: Steps of a cooling, for the plan.
        step: Seconds of a step of all runs at once on a large accelerator, for the plan.
    """

    lr: float
    C: float
    time: float
    noise: float
    seeds: int
    records: int
    cooling: int
    step: float


FAMILIES: Mapping[str, Family] = {
    "digits-mlp": Family(5e-3, 0.22, 7.0, 0.5, 8, 28, 300, 3e-4),
    "teacher-student": Family(1e-2, 0.068, 1.35, 0.5, 16, 48, 500, 6e-5),
    "matrix-sensing": Family(1e-3, 0.109, 1.73, 0.1, 16, 96, 60, 5e-5),
    "scalar-product": Family(1e-3, 0.59, 3.5, 0.5, 24, 64, 0, 2e-5),
}
"""The scalar product has its sweeps in the study of forecasts, and here for a quick look."""


QUICK_SEEDS, QUICK_RECORDS = 24, 64
"""Of the sweeps of a quick look."""

SECONDS_TO_COMPILE = 15
"""A case's program, for the plan."""


class Case(Subject):
    """One problem to be swept and predicted."""

    @property
    def family(self) -> Family:
        """What its sweep shares with those of the problem's other cases."""
        return FAMILIES[self.problem]

    @property
    def centre(self) -> float:
        """Where the best C is looked for."""
        noise = float(self.settings.get("noise_std", self.family.noise))
        return self.family.C * float((noise / self.family.noise) ** GAMMA)

    @property
    def steps(self) -> int:
        """Length of the runs."""
        return round(LENGTH * self.family.time / self.centre * float(self.family.lr**-GAMMA))

    @property
    def cooling(self) -> int:
        """Steps that its readings of the metric take."""
        return self.family.records * self.family.cooling

    @property
    def seconds(self) -> float:
        """What its sweep takes on a large accelerator."""
        return (self.steps + self.cooling) * self.family.step + SECONDS_TO_COMPILE

    def momenta(self) -> list[float]:
        """Momenta of the sweep."""
        return [float(1 - C * self.family.lr**GAMMA) for C in self.centre * FACTORS]

    def manifold(self) -> "Case":
        """What the flow along the manifold depends on: all settings but those of the noise."""
        aside = ("noise_std", "batch_size")
        kept = {name: value for name, value in self.settings.items() if name not in aside}
        return Case(self.problem, kept)


def _noises(problem: str, noises: tuple[float, ...], **others: Scalar) -> list[Case]:
    own = FAMILIES[problem].noise
    settings = [others if noise == own else {**others, "noise_std": noise} for noise in noises]
    return [Case(problem, one) for one in settings]


CASES: tuple[Case, ...] = (
    *_noises("digits-mlp", (0.5, 0.1, 0.22, 1.0)),
    Case("digits-mlp", {"depth": 4}),
    Case("digits-mlp", {"depth": 8}),
    Case("digits-mlp", {"width": 20}),
    Case("digits-mlp", {"width": 80}),
    Case("digits-mlp", {"examples": 100}),
    *_noises("teacher-student", (0.5, 0.1, 1.0)),
    *_noises("teacher-student", (0.5, 0.1, 1.0), activation="tanh"),
    Case("teacher-student", {"student_width": 25}),
    Case("teacher-student", {"student_width": 200}),
    Case("matrix-sensing", {"dimension": 30, "examples": 240}),
)
"""Those that are swept."""

OWN_NOISE: Mapping[str, float] = {
    "digits-mlp": 0.5,
    "teacher-student": 0.5,
    "matrix-sensing": 0.1,
    "scalar-product": 0.5,
}
"""Problems of the committed sweeps, with their label noise."""

FLOWS: tuple[Case, ...] = tuple(
    {
        case.key: case
        for case in (
            *(case.manifold() for case in CASES),
            *map(Case, OWN_NOISE),
            *(Case(case.problem, case.settings).manifold() for case in FORECAST),
        )
    }.values()
)
"""Manifolds along which the flow is followed: the cases', the committed sweeps' and those of the
study of forecasts. Cases that differ in noise alone share one."""

QUICK_CASES: tuple[Case, ...] = tuple(
    Case("scalar-product", {"noise_std": noise}) for noise in (0.25, 1.0)
)
QUICK_FLOWS: tuple[Case, ...] = (Case("scalar-product"),)
