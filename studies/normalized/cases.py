"""Problems, learning rates and momenta."""

from dataclasses import dataclass

from flatfast.lab.length import scaled_length
from flatfast.lab.problem import Problem
from flatfast.lab.problems import load
from flatfast.lab.recipes.recipe import log_points
from flatfast.lab.runs import Runs, runs_of

LAW = 2.0
"""The law's exponent in this convention."""

STEEPEST = 1.0
"""Greatest ``lr (1 - momentum) λ`` swept; runs are stable up to about 4."""


@dataclass(frozen=True)
class Case:
    """A sweep of one problem with normalized momentum.

    Attributes:
        problem: Its name.
        lr: Learning rates.
        least: Least ``(1 - momentum) / lr^2`` at each: well beyond the edge.
        curvature: The largest at the start, to three digits; a test holds it to the problem.
        duration: Length of a run, in units of ``lr^-2`` steps.
        seeds: Runs at each pair.
        records: Readings of a run.
        per_decade: Momenta per factor of ten in ``1 - momentum``.
    """

    problem: str
    lr: tuple[float, ...]
    least: float
    curvature: float
    duration: float
    seeds: int
    records: int
    per_decade: int = 5

    def load(self) -> Problem:
        """The problem, with the lab's settings."""
        return load(self.problem, {})

    def momenta(self, lr: float) -> tuple[float, ...]:
        """The momenta at a learning rate: points of a grid that all learning rates share."""
        highest = min(STEEPEST / (lr * self.curvature), 1.0)
        return tuple(1 - mu for mu in log_points(self.least * lr**LAW, highest, self.per_decade))

    def runs(self) -> Runs:
        """All runs."""
        pairs = [(lr, momentum) for lr in self.lr for momentum in self.momenta(lr)]
        return runs_of(pairs, self.seeds, lambda lr: scaled_length(self.duration, lr, LAW))


CASES = (
    Case(
        "scalar-product",
        lr=(0.0125, 0.02, 0.032, 0.05, 0.08),
        least=0.05,
        curvature=7.52,
        duration=40,
        seeds=32,
        records=256,
    ),
    Case(
        "matrix-sensing",
        lr=(0.2, 0.3, 0.45, 0.675, 1.0),
        least=4e-4,
        curvature=32.6,
        duration=8000,
        seeds=12,
        records=128,
    ),
)

QUICK = Case(
    "scalar-product",
    lr=(0.05, 0.08, 0.128),
    least=0.05,
    curvature=7.52,
    duration=40,
    seeds=4,
    records=48,
    per_decade=4,
)
"""The case of a quick look."""
