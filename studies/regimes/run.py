"""The parts of the regime map: a sweep of each case, and what moves on the manifold.

A sweep is a part as a whole, kept as a table with one row per run, without the trajectories. The
tables are committed beside the result: what several sweeps say together starts from their runs.
"""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import jax
import pyarrow.parquet as pq

from flatfast.lab.atomic import atomically
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.runs import runs_of
from studies.regimes.analysis import POOLED, judged, pooled, strength
from studies.regimes.cases import CASES, QUICK_CASES, Case
from studies.regimes.fashion import FASHION_CASES
from studies.regimes.figure import draw
from studies.regimes.manifold import on_manifold
from studies.regimes.optima import LEVEL
from studies.study import Part, Result, Study, json_part, kept_json, read_json, write_json
from studies.sweeps import swept

MOST_RUNS = 1024
"""All runs at one learning rate in one batch: on an accelerator a wide batch costs what a narrow
one does, and steps are what takes time."""

COLUMNS = ("lr", "momentum", "seed", "steps", "status", "convergence_step")
"""What is kept of a run."""

STEP_SECONDS = 5e-5
"""What a step of a batch is taken to last, for the plan; compiling comes on top."""

ON_MANIFOLD = "on-manifold"
STEPS, QUICK_STEPS = 4000, 400
"""Of the runs on the manifold."""

TABLES = "tables"


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """A part for each case, and the runs on the manifold."""
    for case in QUICK_CASES if quick else (*CASES, *FASHION_CASES):
        steps = sum(case.steps(lr) for lr in case.lr)
        width = max(len(case.momenta(lr)) for lr in case.lr) * case.seeds
        yield Part(
            case.name,
            partial(sweep_case, case, folder),
            table_of(folder, case).exists,
            seconds=steps * STEP_SECONDS,
            takes=f"{len(case.lr)} lr, {width:,} runs at once, {steps:,} steps",
            needs=case.needs(),
        )
    steps = QUICK_STEPS if quick else STEPS
    yield json_part(folder, ON_MANIFOLD, partial(on_manifold, steps), takes=f"{2 * steps:,} steps")


def table_of(folder: Path, case: Case) -> Path:
    """Where the runs of a case lie."""
    return folder / TABLES / f"{case.name}.parquet"


def sweep_case(case: Case, folder: Path) -> None:
    """Sweep a case, one learning rate after the other, and keep its table."""
    pairs = [(lr, momentum) for lr in case.lr for momentum in case.momenta(lr)]
    runs = runs_of(pairs, case.seeds, case.steps)
    # Accelerators round the factors of single-precision products to ten bits unless told not to:
    # too coarse for a descent to a loss of 1e-9.
    with jax.default_matmul_precision("highest"):
        rows = swept(
            folder / "sweeps" / case.name,
            case.make(),
            runs,
            most_runs=MOST_RUNS,
            records=case.records,
        )
    path = table_of(folder, case)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomically(path) as unfinished:
        pq.write_table(rows.select(COLUMNS), unfinished, compression="zstd")


def collect(folder: Path, before: Result) -> Result:
    """What new sweeps say, alone and with others; the rest as it was."""
    known = {case["name"]: case for case in before.get("cases", [])}
    every = (*CASES, *FASHION_CASES, *QUICK_CASES)
    tables = dict(before.get(TABLES, {}))
    cases, fresh = [], set()
    for case in every:
        path = table_of(folder, case)
        if path.exists():
            tables[case.name] = path
            fresh.add(case.part)
            cases.append(judged(case, time_grid(pq.read_table(path))))
        elif case.name in known:
            cases.append(known[case.name])
    together = {}
    for part in POOLED:
        if part in fresh:
            levels = {
                strength(case): time_grid(pq.read_table(tables[case.name]))
                for case in every
                if case.part == part and strength(case) > 0 and case.name in tables
            }
            together[part] = pooled(levels)
        elif part in before.get("pooled", {}):
            together[part] = before["pooled"][part]
    return {
        "level": LEVEL,
        "cases": cases,
        "pooled": together,
        "on_manifold": kept_json(folder, ON_MANIFOLD) or before.get("on_manifold"),
        TABLES: tables,
    }


def load(path: Path) -> Result:
    """The result before, and by case the table of its runs beside it."""
    found: Result = read_json(path, {})
    tables = {table.stem: table for table in sorted((path.parent / TABLES).glob("*.parquet"))}
    return found and {**found, TABLES: tables}


def save(path: Path, result: Result) -> None:
    """Write the result, and beside it the tables that are new."""
    for name, table in result[TABLES].items():
        own = path.parent / TABLES / f"{name}.parquet"
        if table != own:
            own.parent.mkdir(parents=True, exist_ok=True)
            with atomically(own) as unfinished:
                shutil.copyfile(table, unfinished)
    write_json(path, {name: value for name, value in result.items() if name != TABLES})


STUDY = Study(parts, collect, draw, load, save)
