"""The study's parts: groups of runs that are trained together."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from studies.study import RESULTS, Part, Result, Study, json_part
from studies.training import changed
from studies.training.analysis import summarise, tuned_lr
from studies.training.cases import Groups, others, reference, tasks
from studies.training.curves import gather
from studies.training.ensemble import train_together
from studies.training.figure import draw
from studies.training.methods import REFERENCE
from studies.training.runs import Row, Rows, beside, identity, joined, kept, load, save
from studies.training.tasks import TASKS, Kind, Task, kind_of

SECONDS_A_STEP = 0.01
"""Of a group of sixteen runs, on one core."""


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """The reference's runs, then, of each kind whose reference is there, all others."""
    here = kept(folder)
    rows = here if quick else joined(beside(RESULTS / "training" / "training.json"), here)
    for task in tasks(quick):
        for kind in task.kinds:
            first = reference(task, kind, quick)
            yield from _parts(folder, first, task.needs())
            lr = _tuned(rows.get(task.name, []), task, kind, first)
            if lr is not None:
                yield from _parts(folder, others(task, kind, lr, quick), task.needs())
    yield from _parts(folder, changed.groups(quick))


def _parts(folder: Path, groups: Groups, needs: str = "") -> Iterator[Part]:
    for name, runs in groups.items():
        steps = runs[0].kind.steps
        yield json_part(
            folder,
            name,
            partial(train_together, runs),
            seconds=SECONDS_A_STEP * steps,
            takes=f"{len(runs)} runs of {steps:,} steps",
            needs=needs,
        )


def _tuned(rows: list[Row], task: Task, kind: Kind, groups: Groups) -> float | None:
    """The reference's best learning rate; None before all of its runs are there."""
    wanted = {identity(run.settings()) for runs in groups.values() for run in runs}
    there = [row for row in rows if identity(row) in wanted]
    if len(there) < len(wanted):
        return None
    return tuned_lr(gather(there, task, kind)[REFERENCE])


def collect(folder: Path, before: Result) -> Result:
    """What all runs say, those that are new and those of before."""
    rows: Rows = joined(before.get("rows", {}), kept(folder))
    return {
        "kinds": [
            summary
            for task in TASKS.values()
            for kind in task.kinds
            for summary in _summaries(rows.get(task.name, []), task, kind.name)
        ],
        "changed": changed.summarise(rows.get("changed", [])),
        "rows": rows,
    }


def _summaries(rows: list[Row], task: Task, name: str) -> list[Result]:
    """Of one kind of run, as its rows describe it; none before its reference has run."""
    same = [row for row in rows if row["kind"]["name"] == name]
    if not same:
        return []
    kind = kind_of(same[0])
    summary = summarise(same, replace(task, kinds=(kind,)), kind)
    return [summary] if summary else []


STUDY = Study(
    parts=parts,
    collect=collect,
    draw=draw,
    load=load,
    save=save,
    prepare=lambda: None,
    side_by_side="processes",
)
