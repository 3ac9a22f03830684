"""What is measured, and what was to be reached, written down before anything was swept."""

from dataclasses import dataclass
from functools import cached_property

from flatfast.lab.problem import Problem
from flatfast.lab.recipes.recipe import spaced
from studies.fresh.problems import POOL, PROBLEMS

NOISE_WITHIN = 0.05
"""``s^2`` measured over ``s^2`` predicted is to be within this of 1."""

DRIFT_WITHIN = 0.1
"""Speed of the drift of creeping runs over that of theory's flow: within this of 1."""

CREEPING = (8.0, 16.0)
"""Those runs' friction, in units of the calibrated C: theory is for much of it."""

LARGE_POOL = 4096
"""Inputs of these readings: the drift is the population's, and the flow is to be too."""

FALL, MARGIN = 0.2, 0.05
"""The share of the trace that the flow loses meanwhile, and how much further it is followed, for
runs that are ahead."""

STEPS_WITHIN = 1.25
"""Steps at the calibrated C over those of the swept best, median of the draws, at most."""

DATA_SEEDS = (0, 1, 2)
"""Teachers and starts at which the noise is read."""

NOISE_BUDGET = 2_000
"""Gradient evaluations of such a reading."""

DRAWS, BUDGETS = 6, (60, 480)
"""Calibrations at the middle learning rate, at the default budget and at a larger one."""

CENTRE = 960
"""Gradient evaluations of the calibration that a sweep is laid around."""

FACTORS = (0.6, 5.0)
"""Momenta swept: least and greatest ``mu / lr^(2/3)``, in units of that calibration's C."""

DURATION = 14.0
"""Length of a run, in units of ``lr^(-2/3) / C*``."""


@dataclass(frozen=True)
class Case:
    """A sweep.

    Attributes:
        name: Of the problem.
        lr: Learning rates.
        per_decade: Momenta to a factor of ten.
        seeds: Runs at each pair.
        records: Readings of a run.
        batch: Examples that a step draws.
        data_seed: Teacher and start.
    """

    name: str
    lr: tuple[float, ...] = spaced(1e-3, 1.6e-2, 5)
    per_decade: int = 12
    seeds: int = 12
    records: int = 24
    batch: int = 64
    data_seed: int = 1

    @cached_property
    def problem(self) -> Problem:
        """The problem."""
        return self.on(POOL)

    def on(self, pool: int) -> Problem:
        """The problem, its loss and trace read on so many inputs."""
        return PROBLEMS[self.name](batch=self.batch, data_seed=self.data_seed, pool=pool)


CASES = tuple(Case(name) for name in PROBLEMS)

QUICK = Case("fresh-softmax", lr=(4e-3, 8e-3, 1.6e-2), per_decade=6, seeds=2, records=10, batch=8)
"""The case of a quick look."""
