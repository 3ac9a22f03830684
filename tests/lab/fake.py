"""A light engine whose rows depend on the run alone, for tests of store and sweep."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from flatfast.lab.goal import Goal
from flatfast.lab.judge import judge
from flatfast.lab.runs import Runs, runs_of
from flatfast.lab.store import Store
from flatfast.lab.sweep import Failure, sweep
from flatfast.lab.trajectories import Trajectories

SETTINGS = {"problem": {"name": "fake", "version": 1, "settings": {"size": 3}}, "records": 4}


GOAL = Goal("error", 0.2, relative=False, smoothing=0.0)


def paths_of(runs: Runs) -> Trajectories:
    """Runs whose seed is divisible by three do not arrive; the others the later, the slower."""
    late = np.where(runs.seed % 3 > 0, 0.1 / (1 + runs.lr + runs.seed), 1.0)
    error = np.array([np.ones(len(runs)), 2 + runs.seed, 3 * runs.lr, late]).T
    count = np.full(len(runs), 4, np.int64)
    return Trajectories(
        np.array([0, 1, 2, 4]), {"error": error}, count, np.full(len(runs), -1, np.int64)
    )


def rows_of(runs: Runs) -> pa.Table:
    return judge(paths_of(runs), runs, GOAL)


class FakeEngine:
    """Takes ``pause`` seconds a chunk."""

    workers = 1

    def __init__(self, width: int = 8, pause: float = 0.0) -> None:
        self.width = width
        self.pause = pause
        self.seen: list[Runs] = []

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        for chunk in chunks:
            time.sleep(self.pause)
            self.seen.append(chunk)
            yield rows_of(chunk)


def plan(seeds: int = 6) -> Runs:
    pairs = [(lr, momentum) for lr in (0.1, 0.03, 1 / 3) for momentum in (0.9, 0.99, 1 - 1e-7)]
    return runs_of(pairs, seeds, lambda lr: round(100 / lr))


def sweep_into(folder: Path) -> None:
    """A sweep of 60 chunks, to be killed."""
    with Store(folder, SETTINGS) as store:
        sweep(plan(40), store, FakeEngine(width=6, pause=0.01))
