"""The settings of ``flatfast reproduce NAME``: what is swept, how finely and for how long.

Every problem has two recipes, ``quick`` (a look, in a minute or a few) and ``full`` (the committed
results). Momentum is swept on one logarithmic grid of ``mu = 1 - momentum`` that all learning rates
share, so that no exponent is built into the points; each learning rate takes the part of it in
which ``mu / lr^(2/3)`` lies between two bounds far apart, around the best that was found for the
problem. The run length in units of ``lr^(-2/3)`` steps is the censoring time, several times the
best run's.

Besides the problems' own there are *departures*: where the measured law differs from 2/3, the same
problem with one thing changed, to find out what makes the difference.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from flatfast.lab.goal import Goal
from flatfast.lab.problem import Scalar
from flatfast.law import GAMMA


@dataclass(frozen=True)
class Recipe:
    """A sweep and what is read from it.

    Attributes:
        problem: Name of the problem.
        lr: Learning rates of the grid.
        scaled_mu: Least and greatest ``mu / lr^(2/3)`` swept at each learning rate.
        per_decade: Points per factor of ten in ``mu``.
        seeds: Runs at each pair.
        duration: Length of a run, in units of ``lr^(-2/3)`` steps.
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
        question: What a departure asks; empty for a problem's own recipe.
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
    question: str = ""

    def momenta(self, lr: float) -> tuple[float, ...]:
        """The momenta swept at a learning rate, descending ``mu``: points of the common grid."""
        low, high = (scaled * lr**GAMMA for scaled in self.scaled_mu)
        return tuple(1 - mu for mu in log_points(low, min(high, 1.0), self.per_decade))

    def steps(self, lr: float) -> int:
        """Length of a run at a learning rate, in steps."""
        return math.ceil(self.duration * float(lr**-GAMMA))

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


def _sizes(full: Recipe, **quick: Any) -> dict[str, Recipe]:
    """A full recipe, and the quick one that differs from it in the fields given."""
    return {"quick": replace(full, **quick), "full": full}


PROBLEM_RECIPES: dict[str, dict[str, Recipe]] = {
    "matrix-sensing": {
        "quick": Recipe(
            "matrix-sensing",
            lr=spaced(2.5e-4, 4e-3, 5),
            scaled_mu=(0.03, 0.6),
            per_decade=8,
            seeds=8,
            duration=70,
            records=80,
            metrics=("trace",),
            comparison_lr=(1e-3, 4e-3, 1.6e-2, 4e-2),
            comparison_seeds=4,
            comparison_steps=10_000,
            comparison_records=48,
            comparison_shared_length=True,
        ),
        "full": Recipe(
            "matrix-sensing",
            lr=spaced(6.25e-5, 4e-3, 7),
            scaled_mu=(0.02, 1.0),
            per_decade=12,
            seeds=24,
            duration=100,
            records=128,
            metrics=("trace", "test_error"),
            comparison_lr=(2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2, 9.05e-2),
            comparison_seeds=12,
            comparison_steps=100_000,
            comparison_cycles=True,
        ),
    },
    "matrix-sensing-paper": {
        "quick": Recipe(
            "matrix-sensing-paper",
            lr=(0.0005, 0.00125, 0.003),
            scaled_mu=(0.02, 0.3),
            per_decade=6,
            seeds=3,
            duration=100,
            records=48,
            metrics=("trace",),
        ),
        "full": Recipe(
            "matrix-sensing-paper",
            lr=spaced(2e-4, 3.2e-3, 5),
            scaled_mu=(0.02, 0.5),
            per_decade=10,
            seeds=12,
            duration=120,
            records=96,
            metrics=("trace", "test_error"),
        ),
    },
    "scalar-product": {
        "quick": Recipe(
            "scalar-product",
            # Ten times larger, the law's correction turns the slope by as much as the interval of
            # so many seeds is wide: it would exclude 2/3, and be right about those rates alone.
            lr=spaced(1e-6, 1e-4, 5),
            scaled_mu=(0.1, 4.0),
            per_decade=8,
            seeds=64,
            duration=40,
            metrics=("u_norm", "v_norm", "trace"),
            comparison_lr=(1e-4, 1e-3, 1e-2, 3e-2, 1e-1),
            comparison_seeds=16,
            dtype="float64",
        ),
        "full": Recipe(
            "scalar-product",
            lr=spaced(1e-6, 1e-4, 7),
            scaled_mu=(0.12, 4.0),
            per_decade=12,
            seeds=256,
            duration=40,
            metrics=("u_norm", "v_norm", "trace"),
            comparison_lr=(1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.8e-1),
            comparison_seeds=64,
            comparison_steps=200_000,
            comparison_cycles=True,
            dtype="float64",
        ),
    },
    "teacher-student": {
        "quick": Recipe(
            "teacher-student",
            lr=spaced(3e-3, 3e-2, 4),
            scaled_mu=(0.018, 0.32),
            per_decade=6,
            seeds=6,
            duration=100,
            records=64,
            metrics=("cooled:test_error",),
        ),
        "full": Recipe(
            "teacher-student",
            lr=spaced(1e-3, 3e-2, 6),
            scaled_mu=(0.015, 0.45),
            per_decade=10,
            seeds=16,
            duration=120,
            records=96,
            metrics=("cooled:test_error", "test_error"),
            comparison_lr=(*spaced(1e-3, 3e-2, 6), 6e-2),
            comparison_seeds=8,
            comparison_steps=60_000,
            comparison_cycles=True,
            comparison_records=48,
        ),
    },
    "digits-mlp": {
        "quick": Recipe(
            "digits-mlp",
            lr=(0.005, 0.01, 0.02),
            scaled_mu=(0.12, 0.5),
            per_decade=12,
            seeds=2,
            duration=90,
            records=20,
            metrics=("cooled:test_error",),
        ),
        "full": Recipe(
            "digits-mlp",
            lr=spaced(2e-3, 2e-2, 5),
            scaled_mu=(0.08, 0.9),
            per_decade=9,
            seeds=6,
            duration=110,
            records=36,
            metrics=("cooled:test_error",),
            comparison_lr=(*spaced(2e-3, 2e-2, 5)[::2], 6e-2),
            comparison_seeds=4,
            comparison_steps=12_000,
            comparison_cycles=True,
            comparison_records=28,
        ),
    },
    "digits-resnet": {
        "quick": Recipe(
            "digits-resnet",
            lr=(0.005, 0.01, 0.02),
            scaled_mu=(0.06, 1.0),
            per_decade=5,
            seeds=2,
            duration=25,
            records=12,
            settings={"channels": 6, "examples": 100},
        ),
        "full": Recipe(
            "digits-resnet",
            lr=spaced(2e-3, 2e-2, 5),
            scaled_mu=(0.04, 1.5),
            per_decade=8,
            seeds=6,
            duration=35,
            records=32,
            metrics=("cooled:test_error",),
        ),
    },
    "fashion-mlp": {
        "quick": Recipe(
            "fashion-mlp",
            lr=(0.005, 0.01, 0.02),
            scaled_mu=(0.08, 0.6),
            per_decade=5,
            seeds=2,
            duration=60,
            records=16,
            settings={"examples": 500, "test_examples": 1000},
            metrics=("cooled:test_error",),
        ),
        "full": Recipe(
            "fashion-mlp",
            lr=spaced(2e-3, 2e-2, 5),
            scaled_mu=(0.05, 0.9),
            per_decade=8,
            seeds=6,
            duration=110,
            records=32,
            metrics=("cooled:test_error",),
        ),
    },
}

DEPARTURES: dict[str, dict[str, Recipe]] = {
    "matrix-sensing-iterate": _sizes(
        Recipe(
            "matrix-sensing",
            question="what if the test error is read at the iterate, not after cooling?",
            lr=spaced(6.25e-5, 4e-3, 7),
            scaled_mu=(0.02, 1.0),
            per_decade=12,
            seeds=24,
            duration=100,
            goal=Goal("test_error", 0.1),
        ),
        lr=spaced(2.5e-4, 4e-3, 5),
        scaled_mu=(0.03, 0.6),
        per_decade=8,
        seeds=8,
    ),
    "teacher-student-test-error": _sizes(
        Recipe(
            "teacher-student",
            question="what if the goal is the cooled test error, not the trace?",
            lr=spaced(1e-3, 3e-2, 6),
            scaled_mu=(0.03, 0.45),
            per_decade=10,
            seeds=16,
            duration=120,
            records=48,
            goal=Goal("cooled:test_error", 0.4),
        ),
        lr=spaced(3e-3, 3e-2, 4),
        scaled_mu=(0.03, 0.3),
        per_decade=6,
        seeds=6,
    ),
    "digits-mlp-small-lr": _sizes(
        Recipe(
            "digits-mlp",
            question="does the exponent come closer to 2/3 at smaller learning rates?",
            lr=spaced(2.5e-4, 2e-3, 4),
            scaled_mu=(0.07, 0.5),
            per_decade=10,
            seeds=4,
            duration=90,
            records=30,
        ),
        lr=spaced(1e-3, 4e-3, 3),
        scaled_mu=(0.12, 0.5),
        per_decade=12,
        seeds=2,
        records=20,
    ),
}

RECIPES = PROBLEM_RECIPES | DEPARTURES
"""Name to its ``quick`` and ``full`` recipe."""


def recipe_of(name: str, size: str) -> Recipe:
    """The recipe of a name, ``quick`` or ``full``.

    Raises:
        ValueError: If there is none; the message gives the nearest name.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no experiment {name!r}{hint} (there are {', '.join(RECIPES)})")
    return RECIPES[name][size]
