"""The parts of the prefactor's study: a sweep of each case, and the flow along each manifold."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from flatfast.lab.estimation.times import time_grid
from flatfast.lab.runs import runs_of
from studies.prefactor.analysis import SWEPT_HERE, analyse, curve
from studies.prefactor.cases import (
    CASES,
    FACTORS,
    FLOWS,
    QUICK_CASES,
    QUICK_FLOWS,
    QUICK_RECORDS,
    QUICK_SEEDS,
    Case,
)
from studies.prefactor.figure import draw
from studies.prefactor.flow import geometry
from studies.prefactor.slopes import Row
from studies.study import Part, Result, Study, json_part, kept_json
from studies.sweeps import best_of, swept

MOST_RUNS = 1024
"""A case is one batch: on an accelerator a step costs the same for one run and for many."""

OF_A_SWEEP = ("problem", "settings", "lr", "C", "time", "source", "reason", "swept", "swept_time")
"""What a result's row has from the sweep itself."""


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Sweeps, then flows: two on one machine side by side, one compiles while the other runs."""
    for case in QUICK_CASES if quick else CASES:
        seeds = QUICK_SEEDS if quick else case.family.seeds
        records = QUICK_RECORDS if quick else case.family.records
        yield json_part(
            folder,
            f"sweep.{case.name}",
            partial(sweep_case, case, folder / "sweeps" / case.name, seeds, records),
            seconds=None if quick else case.seconds,
            takes=f"{len(FACTORS) * seeds} runs of {case.steps:,} steps, {records} coolings",
        )
    for case in QUICK_FLOWS if quick else FLOWS:
        yield json_part(folder, f"flow.{case.name}", partial(geometry, case))


def sweep_case(case: Case, store: Path, seeds: int, records: int) -> Row:
    """Sweep the momentum of a case: the curve of its times, and the best C."""
    pairs = [(case.family.lr, momentum) for momentum in case.momenta()]
    runs = runs_of(pairs, seeds, case.steps)
    options = {"records": records, "dtype": "float32"}
    grid = time_grid(swept(store, case.load(), runs, most_runs=MOST_RUNS, **options))
    row = curve(case.problem, dict(case.settings), case.family.lr, grid)
    return row | {"source": SWEPT_HERE, **best_of(grid)}


def collect(folder: Path, before: Result) -> Result:
    """Everything that is said of the sweeps and flows there are, here or in the result before.

    Without new ones all stays as it is, although the results of other studies may be newer.
    """
    rows = {case.key: kept_json(folder, f"sweep.{case.name}") for case in (*CASES, *QUICK_CASES)}
    flows = {case.key: kept_json(folder, f"flow.{case.name}") for case in (*FLOWS, *QUICK_FLOWS)}
    if not any([*rows.values(), *flows.values()]):
        return {name: value for name, value in before.items() if name != "machines"}
    for row in before.get("cases", []):
        key = Case(row["problem"], row["settings"]).key
        if row["source"] == SWEPT_HERE and not rows.get(key):
            rows[key] = of_a_sweep(row)
    known = before.get("geometry", {}) | {key: flow for key, flow in flows.items() if flow}
    return analyse([row for row in rows.values() if row], known)


def of_a_sweep(row: Row) -> Row:
    """A result's row without what is said of it."""
    return {name: row[name] for name in OF_A_SWEEP if name in row}


STUDY = Study(parts, collect, draw)
