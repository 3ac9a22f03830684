"""A light engine whose rows depend on the run alone, for tests of store and sweep."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from flatfast.lab.rows import conform
from flatfast.lab.store import Store
from flatfast.lab.sweep import Runs, runs_of, sweep

SETTINGS = {"problem": {"name": "fake", "version": 1, "settings": {"size": 3}}, "records": 4}


def rows_of(runs: Runs) -> pa.Table:
    time_ = 10 / runs.lr + runs.seed
    converged = runs.seed % 3 > 0
    count = len(runs)
    return conform(
        pa.table(
            {
                "method": pa.array(runs.method.tolist()),
                "lr": runs.lr,
                "momentum": runs.momentum,
                "seed": runs.seed,
                "steps": runs.steps,
                "steps_run": runs.steps,
                "status": pa.array(np.where(converged, "converged", "not_converged").tolist()),
                "convergence_step": pa.array(time_, mask=~converged),
                "diverged_step": pa.nulls(count, pa.int64()),
                "metric_start": np.ones(count),
                "metric_end": np.full(count, 0.1),
                "threshold": np.full(count, 0.2),
                "record_step": pa.array([np.arange(4)] * count),
                "metric:error": pa.array([np.float32(lr) * np.arange(4) for lr in runs.lr]),
            }
        )
    )


class FakeEngine:
    """Takes ``pause`` seconds a chunk."""

    def __init__(self, width: int = 8, pause: float = 0.0) -> None:
        self.width = width
        self.pause = pause
        self.seen: list[Runs] = []

    def run(self, chunk: Runs) -> pa.Table:
        time.sleep(self.pause)
        self.seen.append(chunk)
        return rows_of(chunk)


def plan(seeds: int = 6) -> Runs:
    pairs = [(lr, momentum) for lr in (0.1, 0.03, 1 / 3) for momentum in (0.9, 0.99, 1 - 1e-7)]
    return runs_of(pairs, seeds, lambda lr: round(100 / lr))


def sweep_into(folder: Path) -> None:
    """A sweep of 60 chunks, to be killed."""
    with Store(folder, SETTINGS) as store:
        sweep(plan(40), store, FakeEngine(width=6, pause=0.01))
