"""The cases of the prefactor's study: problems, where their sweeps lie, and what they cost.

The most informative first: the list is worked off from the top for as long as there is time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from flatfast.law import GAMMA

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
        records: Readings of the metric in a run; each costs the steps of a cooling.
        step: Seconds of a step of all runs at once on a large accelerator, for the plan.
    """

    lr: float
    C: float
    time: float
    noise: float
    seeds: int
    records: int
    step: float


FAMILIES: Mapping[str, Family] = {
    "digits-mlp": Family(5e-3, 0.22, 7.0, 0.5, 8, 28, 3e-4),
    "teacher-student": Family(1e-2, 0.068, 1.35, 0.5, 16, 48, 6e-5),
    "matrix-sensing": Family(1e-3, 0.109, 1.73, 0.1, 16, 96, 5e-5),
}


@dataclass(frozen=True)
class Case:
    """One problem to be swept and predicted.

    Attributes:
        problem: Its name.
        settings: Those that differ from its defaults.
    """

    problem: str
    settings: Mapping[str, Scalar]

    @property
    def key(self) -> str:
        """Its name in results."""
        return f"{self.problem} {json.dumps(dict(self.settings))}"

    @property
    def folder(self) -> str:
        """Its name on disk."""
        parts = [f"{name}-{value}" for name, value in self.settings.items()]
        return "_".join([self.problem, *parts])

    @property
    def family(self) -> Family:
        """What it shares with the problem's other cases."""
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

    def momenta(self) -> list[float]:
        """Momenta of the sweep."""
        return [float(1 - C * self.family.lr**GAMMA) for C in self.centre * FACTORS]

    def load(self) -> Problem:
        """The problem."""
        return load(self.problem, self.settings)

    def geometry(self) -> tuple[str, str]:
        """What the flow along the manifold depends on: all settings but the noise."""
        kept = {name: value for name, value in self.settings.items() if name != "noise_std"}
        return self.problem, json.dumps(kept)


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
