"""Sweeps of studies: of what, runs kept in a store that goes on where it stopped, and the best C.

A store is what a part works with; the part itself is what is read off it, when it is whole.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flatfast.lab.engines.job import Job
from flatfast.lab.engines.simulator import MOST_RUNS
from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.times import TimeGrid
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from flatfast.lab.reproduce import identity
from flatfast.lab.runs import Runs
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from flatfast.law import GAMMA
from studies.engines import engine_of

RESAMPLES = 500
"""Of the seeds, for the interval of a best C."""


@dataclass(frozen=True)
class Subject:
    """A problem of the lab with settings of its own, under a name in results and in parts.

    Attributes:
        problem: Its name.
        settings: Those that differ from its defaults.
    """

    problem: str
    settings: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name in results: ``digits-mlp {"depth": 4}``."""
        return f"{self.problem} {json.dumps(dict(self.settings))}"

    @property
    def name(self) -> str:
        """Its name in those of parts and stores: ``digits-mlp,depth=4``."""
        return ",".join([self.problem, *(f"{name}={v}" for name, v in self.settings.items())])

    def load(self) -> Problem:
        """The problem."""
        return load(self.problem, self.settings)


def swept(
    folder: Path, problem: Problem, runs: Runs, *, most_runs: int = MOST_RUNS, **options: Any
) -> pa.Table:
    """The rows of runs; those that the store in a folder lacks are made.

    Args:
        folder: The store's.
        problem: What is run.
        runs: The runs wanted.
        most_runs: Most runs in a chunk.
        **options: Of :class:`flatfast.lab.engines.job.Job`, among those that identify runs.
    """
    with Store(folder, identity(problem, **options)) as store:
        return sweep(runs, store, engine_of(Job(problem, **options), most_runs))


def best_of(grid: TimeGrid) -> dict[str, Any]:
    """The best C of a sweep at one learning rate, with its 95% interval, and the scaled time there.

    Returns:
        ``swept`` and ``swept_time``, and ``reason``, which is empty; where the best C could not be
        located, ``reason`` alone.
    """
    optima = locate(median_times(grid, n_boot=RESAMPLES, seed=0))
    found: dict[str, Any] = {"reason": optima.reason[0]}
    if optima.located[0]:
        scale = float(grid.lr[0]) ** -GAMMA
        drawn = np.exp(optima.boot_log_mu[:, 0]) * scale
        low, high = np.nanquantile(drawn, (0.025, 0.975))
        estimate = float(np.exp(optima.log_mu[0]) * scale)
        found["swept"] = {"estimate": estimate, "low": float(low), "high": float(high)}
        found["swept_time"] = float(np.exp(optima.log_time[0]) / scale)
    return found


def same_seeds(grids: Iterable[TimeGrid]) -> list[TimeGrid]:
    """Sweeps cut to the seeds that all of them have, so that one resampling serves all."""
    grids = list(grids)
    kept = min(len(grid.seed) for grid in grids)
    return [
        replace(
            grid,
            seed=grid.seed[:kept],
            log_time=grid.log_time[..., :kept],
            diverged=grid.diverged[..., :kept],
        )
        for grid in grids
    ]
