"""The study's parts: a sweep of each problem, kept as a table of runs and read when it is whole."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.estimation.times import time_grid
from flatfast.lab.rows import export_runs
from flatfast.lab.simulation.optimizers import NormalizedSGD
from studies.normalized.analysis import told
from studies.normalized.cases import CASES, QUICK, Case
from studies.normalized.figure import draw
from studies.study import RESULTS, Part, Result, Study, read_json
from studies.sweeps import swept


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """A sweep a problem."""
    for case in (QUICK,) if quick else CASES:
        runs = case.runs()
        yield Part(
            case.problem,
            partial(sweep_case, case, folder),
            table_of(folder, case).exists,
            takes=f"{len(runs):,} runs, {int(runs.steps.max()):,} steps at most",
        )


def table_of(folder: Path, case: Case) -> Path:
    """Where the runs of a case lie."""
    return folder / "tables" / f"{case.problem}.parquet"


def sweep_case(case: Case, folder: Path) -> None:
    """Make the runs of a case, and keep them without their trajectories."""
    rows: pa.Table = swept(
        folder / "sweeps" / case.problem,
        case.load(),
        case.runs(),
        records=case.records,
        optimizer=NormalizedSGD(),
    )
    path = table_of(folder, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    export_runs(rows, path)


def collect(folder: Path, before: Result) -> Result:
    """What the sweeps of the folder say, over what was there before."""
    cases = dict(before.get("cases", {}))
    for case in (*CASES, QUICK):
        path = table_of(folder, case)
        runs = pq.read_table(path) if path.exists() else None
        if runs is not None and set(runs["lr"].to_pylist()) == set(case.lr):
            cases[case.problem] = told(case, time_grid(runs), _heavy_ball(case.problem))
    return {"cases": cases}


def _heavy_ball(problem: str) -> float | None:
    """The best C of heavy ball's law in the committed sweep of a problem."""
    found = read_json(RESULTS / problem / "summary.json", {}).get("best_C")
    return None if found is None else float(found["estimate"])


STUDY = Study(parts, collect, draw)
