"""Sweeps by which engines are compared: their runs, and the seconds that they take."""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.processes import processor_seconds
from flatfast.lab.engines.choose import MakeEngine
from flatfast.lab.engines.job import Job
from flatfast.lab.goal import Goal
from flatfast.lab.problems import load
from flatfast.lab.runs import Runs, runs_of
from flatfast.lab.store import Store
from flatfast.lab.sweep import Failure, sweep


@dataclass(frozen=True)
class Case:
    """A sweep.

    Attributes:
        name: The problem's.
        runs: How many.
        steps: Of each.
        lr: Of each: so small that none ends early.
        settings: Of the problem, where they are not its defaults.
    """

    name: str
    runs: int
    steps: int
    lr: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def run_steps(self) -> int:
        """Of the whole sweep."""
        return self.runs * self.steps

    def job(self) -> Job:
        """What its runs are of."""
        problem = load(self.name, {"start": "init", **self.settings})
        return Job(replace(problem, goal=Goal("loss", 1e-6)), records=16)  # cheap to read

    def plan(self, first: int = 0, runs: int | None = None) -> Runs:
        """Runs whose seeds begin at ``first``."""
        all_runs = runs_of([(self.lr, 0.9)], first + (runs or self.runs), self.steps)
        return all_runs[all_runs.seed >= first]


CASES = (
    Case("scalar-product", 4096, 24_000, 1e-4),
    Case("matrix-sensing", 1024, 900, 1e-4),
    Case("teacher-student", 256, 800, 1e-4),
    Case("digits-mlp", 128, 200, 1e-4, {"examples": 200, "width": 20}),
)


def swept(case: Case, make: MakeEngine, job: Job, runs: Runs) -> dict[str, float]:
    """Seconds of a stored sweep, of the clock and of processors."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "runs", named(case)) as store,
    ):
        engine = make(job)
        before = processor_seconds()
        begin = time.perf_counter()
        table = sweep(runs, store, engine)
        clock = time.perf_counter() - begin
        if len(table) != len(runs) or table["steps_run"].to_numpy().min() < case.steps:
            raise RuntimeError(f"{case.name}: runs are missing, or ended early")
        return {"clock": clock, "processor": processor_seconds() - before}


def rows(made: Iterable[pa.Table | Failure]) -> Iterator[pa.Table]:
    """What an engine has made, all of it."""
    for part in made:
        if isinstance(part, Failure):
            raise part.error
        yield part


def named(case: Case) -> dict[str, Any]:
    """What a store is told that its runs are of."""
    return {"problem": {"name": case.name, "version": 1, "settings": {}}, "records": 16}
