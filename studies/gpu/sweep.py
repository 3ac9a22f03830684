"""One learning rate of one stage of the sweep, chunk by chunk into the study's store."""

import time
from pathlib import Path
from typing import Any

from flatfast.lab.analysis import analyse
from flatfast.lab.engines.job import Job as SweepJob
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.report.summary import summarise
from flatfast.lab.reproduce import identity_of, problem_of
from flatfast.lab.store import Store, has_runs, read_store
from flatfast.lab.sweep import sweep
from studies.gpu.apart import Job
from studies.gpu.cases import recipe, runs_of_stage, stages
from studies.gpu.devices import device
from studies.study import Result, TimeIsUpError

READ = ("exponent", "best_C", "best_mu", "best_time", "counts", "missing", "problem")
"""What the study's result has of the sweep's own summary."""


def store_of(folder: Path) -> Path:
    """Where the runs are kept: ``flatfast report`` makes a page of it."""
    return folder / "sweep"


class InTime:
    """Ends a sweep after a chunk when the next would not end in time: runs of one length follow.

    The first chunk of a process also pays for compilation, which later ones find done.
    """

    def __init__(self, seconds: float) -> None:
        self.wanted = self.stored = self.run_steps = 0
        self.seconds = 0.0
        self._ends = time.monotonic() + seconds
        self._last = time.monotonic()

    def begin(self, runs: int, done: int, planned_steps: int, workers: int) -> None:
        """So many runs are wanted, and so many stored."""
        self.wanted, self.stored, self._last = runs, done, time.monotonic()

    def fail(self, runs: int, why: str) -> None:
        """Those that failed are told by the sweep's error."""

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """A chunk was stored.

        Raises:
            TimeIsUpError: If the next would end too late.
        """
        now = time.monotonic()
        took, self._last = now - self._last, now
        self.stored += runs
        self.run_steps += planned_steps
        self.seconds += took
        if self.stored < self.wanted and now + took > self._ends:
            raise TimeIsUpError(f"{self.stored} of {self.wanted} runs are kept")


def measure(job: Job) -> Result:
    """Make the runs that the store lacks.

    Raises:
        TimeIsUpError: If not all of them can be made in time; those that were are kept.
    """
    swept = recipe(job.quick)
    stage = next(stage for stage in stages(swept) if stage.name == job.options["stage"])
    runs = runs_of_stage(swept, stage, job.options["lr"])
    problem, told = problem_of(swept), InTime(job.seconds)
    options: dict[str, Any] = {"metrics": swept.metrics, "dtype": swept.dtype}
    with Store(store_of(job.folder), identity_of(swept, problem)) as store:
        # Chunks of one tile: what a kill costs is the least that can be run at once.
        engine = LocalEngine(SweepJob(problem, records=swept.records, **options), most_runs=1)
        rows = sweep(runs, store, engine, told)
    reached = rows["convergence_step"]
    return {
        "told": (
            f"{len(rows)} runs, {len(rows) - reached.null_count} of them reached the goal; "
            f"{told.run_steps:,} run-steps in {told.seconds:.0f} s"
        ),
        "runs": len(rows),
        "reached": len(rows) - reached.null_count,
        "run_steps": told.run_steps,
        "seconds": told.seconds,
        "device": device(),
    }


def summary(folder: Path) -> Result | None:
    """What the sweep's runs say so far, whole stages or not; None before the first chunk.

    Runs say of which settings they are, so that neither data nor problem is needed here.
    """
    if not has_runs(store_of(folder)):
        return None
    stored = read_store(store_of(folder))
    about = {name: stored.manifest.get(name) for name in ("machine", "versions", "created")}
    told = summarise(analyse(stored.rows, {**stored.manifest["settings"], **about}))
    return {"runs": len(stored.rows), **{name: told[name] for name in READ}}
