"""The settings of ``flatfast reproduce NAME``: what is swept, how finely and for how long."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from flatfast.lab.adaptive.plan import FIRST_SEEDS, even_grid
from flatfast.lab.estimation import conventions
from flatfast.lab.goal import Goal
from flatfast.lab.length import scaled_length
from flatfast.lab.problem import Scalar
from flatfast.lab.records import ADAPTIVE_RECORDS
from flatfast.lab.simulation.optimizers import NormalizedSGD, Rule
from flatfast.lab.simulation.simulate import HEAVY_BALL
from flatfast.law import GAMMA


@dataclass(frozen=True)
class Recipe:
    """A sweep and what is read from it.

    Attributes:
        problem: Name of the problem.
        lr: Learning rates of the grid.
        scaled_mu: Least and greatest ``mu / lr^(2/3)`` swept at each learning rate.
        per_decade: Points per factor of ten in ``mu``.
        seeds: Runs at each pair; of an adaptive sweep, the most.
        duration: Length of a run, in units of ``lr^(-2/3)`` steps; of an adaptive sweep, the most.
        records: How often metrics are read during a run.
        metrics: Metrics to record besides the goal's.
        settings: The problem's settings that differ from its defaults.
        goal: Another goal than the problem's own.
        comparison_lr: Learning rates at which all methods are compared, as far as they are stable;
            each has more of its own near its stability limit. Empty for no comparison.
        comparison_seeds: Runs of each method at each of them.
        comparison_steps: Longest run in the comparison.
        comparison_records: Records of a comparison run. They are log-spaced: the runs' length
            allows for methods 100 times slower than the law, and times are to be resolved alike at
            both ends.
        comparison_cycles: Whether OneCycle is compared as well, which takes runs of many lengths.
        comparison_shared_length: Whether all runs close to the stability limits have the length of
            the longest: fewer and wider batches, where a step is cheap and waste costs little.
        dtype: Floating-point type of the runs; float64 where steps are too small for float32.
        adaptive: Whether the sweep chooses its own points (:mod:`flatfast.lab.adaptive`).
        width: Full width of the exponent's 95% interval at which an adaptive sweep ends.
        budget: Steps of all runs after which an adaptive sweep begins no further round.
        nesterov: Whether the runs have Nesterov's momentum, not heavy ball. Methods are compared by
            the stability limits of heavy ball: such a recipe compares none.
        optimizer: Of the runs. With another than SGD ``scaled_mu`` and ``duration`` are in units of
            its own law's power of the learning rate, and nothing is compared or adaptive.
        question: What a departure asks; empty for a problem's own recipe.

    Raises:
        ValueError: If methods are to be compared with Nesterov's momentum, or with another
            optimizer than SGD, whose sweep cannot be adaptive either.
    """

    problem: str
    lr: tuple[float, ...]
    scaled_mu: tuple[float, float]
    per_decade: int
    seeds: int
    duration: float
    records: int = 256
    metrics: tuple[str, ...] = ()
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    goal: Goal | None = None
    comparison_lr: tuple[float, ...] = ()
    comparison_seeds: int = 8
    comparison_steps: int = 50_000
    comparison_records: int = 96
    comparison_shared_length: bool = False
    comparison_cycles: bool = False
    dtype: Literal["float32", "float64"] = "float32"
    adaptive: bool = False
    width: float = 0.1
    budget: int | None = None
    nesterov: bool = False
    question: str = ""
    optimizer: Rule = HEAVY_BALL

    def __post_init__(self) -> None:
        if self.nesterov and self.comparison_lr:
            raise ValueError(
                "comparison_lr must be empty with nesterov, as the compared methods' stability "
                f"limits are those of heavy ball, got {self.comparison_lr}"
            )
        if self.convention is not conventions.HEAVY_BALL and (self.comparison_lr or self.adaptive):
            raise ValueError(
                "comparison_lr must be empty and adaptive false with another optimizer than sgd, "
                f"got {self.comparison_lr} and {self.adaptive} for {self.optimizer.name}"
            )

    @property
    def convention(self) -> conventions.Convention:
        """What momentum is to the optimizer."""
        return conventions.CONVENTIONS[self.optimizer.name]

    def normalized(self) -> "Recipe":
        """This recipe for normalized momentum: the same runs at other learning rates.

        Heavy ball's at ``lr`` with ``1 - momentum = c lr^(2/3)`` are those at
        ``lr / (1 - momentum)``; the learning rates here are those of the middle ``c``. There
        ``1 - momentum`` is ``c^3`` times their square, and times are divided by ``c^2``.
        """
        low, high = self.scaled_mu
        middle = math.sqrt(low * high)
        return replace(
            self,
            lr=tuple(float(f"{lr ** (1 - GAMMA) / middle:.3g}") for lr in self.lr),
            scaled_mu=(low**3, high**3),
            per_decade=max(1, round(self.per_decade / 3)),
            duration=self.duration / middle**2,
            comparison_lr=(),
            comparison_cycles=False,
            adaptive=False,
            optimizer=NormalizedSGD(),
        )

    def adaptively(self) -> "Recipe":
        """This recipe as an adaptive sweep: its runs are shorter, and need fewer records."""
        return replace(
            self,
            adaptive=True,
            records=min(self.records, ADAPTIVE_RECORDS),
            per_decade=even_grid(self.lr),
            seeds=max(self.seeds, FIRST_SEEDS),
        )

    def momenta(self, lr: float) -> tuple[float, ...]:
        """The momenta swept at a learning rate, descending ``mu``: points of the common grid."""
        low, high = (scaled * lr**self.convention.law for scaled in self.scaled_mu)
        return tuple(1 - mu for mu in log_points(low, min(high, 1.0), self.per_decade))

    def steps(self, lr: float) -> int:
        """Length of a run at a learning rate, in steps."""
        return scaled_length(self.duration, lr, self.convention.law)

    def grid_size(self) -> int:
        """Number of runs of the main sweep."""
        return self.seeds * sum(len(self.momenta(lr)) for lr in self.lr)


def log_points(low: float, high: float, per_decade: int) -> tuple[float, ...]:
    """Points ``10^(k / per_decade)``, k whole, within two bounds, descending."""
    first = math.ceil(per_decade * math.log10(low) - 1e-9)
    last = math.floor(per_decade * math.log10(high) + 1e-9)
    return tuple(10 ** (k / per_decade) for k in range(last, first - 1, -1))


def spaced(low: float, high: float, count: int) -> tuple[float, ...]:
    """Logarithmically spaced values, rounded to three digits so that they read well."""
    return tuple(float(f"{value:.3g}") for value in np.geomspace(low, high, count))


def sizes(full: Recipe, **quick: Any) -> dict[str, Recipe]:
    """A full recipe, and the quick one that differs from it in the fields given."""
    return {"quick": replace(full, **quick), "full": full}


Sizes = dict[str, Recipe]
"""A recipe in its two sizes, ``quick`` and ``full``."""
