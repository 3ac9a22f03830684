"""The study's parts: settings tuned at each batch and learning rate, then the ways compared."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from studies.study import (
    RESULTS,
    Part,
    Result,
    Study,
    json_part,
    kept_json,
    kept_parts,
    read_json,
)
from studies.transfer import promises
from studies.transfer.analysis import comparisons, finals, matrix
from studies.transfer.cases import (
    Case,
    cases,
    changes,
    compared,
    compared_runs,
    ready,
    tuning_runs,
)
from studies.transfer.compare import BASE, Row, compare
from studies.transfer.figure import draw
from studies.transfer.measured import write_measured
from studies.transfer.optimizers import Optimizer
from studies.transfer.runs import joined, kept, load, save
from studies.transfer.tasks import Schedule, shortened, tasks, text_checksum
from studies.transfer.tuning import tune, tune_first
from studies.transfer.ways import CHANGES, Change

PROMISES = "promises"
NAME = "transfer"


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Promises, then by case what is tuned first, what is tuned again, and what is compared."""
    yield json_part(
        folder,
        PROMISES,
        partial(promises.checked, quick),
        seconds=60,
        takes="moments of SGD, and Adam's by chance",
    )
    tuned = {} if quick else read_json(RESULTS / NAME / f"{NAME}.json", {}).get("tuned", {})
    tuned = tuned | _kept_tuned(folder)
    for case in cases(quick):
        yield from _case(folder, case, quick, tuned)


def _kept_tuned(folder: Path) -> Result:
    return {name: kept for name, kept in kept_parts(folder, "").items() if ".tuned." in name}


def _case(folder: Path, case: Case, quick: bool, tuned: Mapping[str, Result]) -> Iterator[Part]:
    needs, own = case.task.needs(), (case.task.name, case.optimizer, case.schedule, quick)
    names = [BASE, *(change.name for change in changes(quick))]
    base = tuned.get(case.tuned_name(BASE))
    for name in names if base else names[:1]:
        runs = tuning_runs(case, name)
        yield json_part(
            folder,
            case.tuned_name(name),
            partial(_tuned, *own, name, base),
            seconds=case.task.run_seconds * runs,
            takes=f"{runs} runs",
            needs=needs,
        )
    for name, together in compared(case, quick).items():
        if base and ready(case, together, tuned):
            again = [(change, tuned[case.tuned_name(change.name)]) for change in together]
            runs = compared_runs(case, together)
            yield json_part(
                folder,
                name,
                partial(_compared, *own, base, again),
                seconds=case.task.run_seconds * runs,
                takes=f"{runs} runs",
                needs=needs,
            )


def _tuned(
    task: str,
    optimizer: Optimizer,
    schedule: Schedule,
    quick: bool,
    change: str,
    base: Result | None,
) -> Result:
    """What a part of tuning computes; by names, so that it can be sent to a process."""
    own = shortened(tasks()[task]) if quick else tasks()[task]
    if change == BASE or base is None:
        return tune(own, optimizer, schedule, None, 1.0)
    found = next(c for c in CHANGES if c.name == change)
    again = tune if found.what == "batch" else tune_first
    return again(own, optimizer, schedule, base, found.factor)


def _compared(
    task: str,
    optimizer: Optimizer,
    schedule: Schedule,
    quick: bool,
    base: Result,
    again: list[tuple[Change, Result]],
) -> list[Row]:
    own = shortened(tasks()[task]) if quick else tasks()[task]
    return compare(own, optimizer, schedule, base, again)


def collect(folder: Path, before: Result) -> Result:
    """What all rows say, those that are new and those of before."""
    tuned = before.get("tuned", {}) | _kept_tuned(folder)
    rows = joined(before.get("rows", []), kept(folder))
    entries = comparisons(rows, tuned)
    return {
        "text": text_checksum(),
        "promises": kept_json(folder, PROMISES) or before.get("promises"),
        "bases": finals(rows),
        "matrix": matrix(entries),
        "comparisons": entries,
        "tuned": tuned,
        "rows": rows,
    }


def _save(path: Path, result: Result) -> None:
    save(path, result)
    if path.parent == RESULTS / NAME:
        write_measured(result)


def prepare() -> None:
    """One core for each process: two of them beat one that shares both (``--workers 2``)."""
    os.environ.setdefault("NPROC", "1")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")


STUDY = Study(
    parts=parts,
    collect=collect,
    draw=draw,
    load=load,
    save=_save,
    prepare=prepare,
    side_by_side="processes",
)
