"""The comparison: every way to carry the tuned setting, beside the setting tuned again."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from studies.missing import or_infinite
from studies.study import Result
from studies.transfer.optimizers import Hyper, Optimizer
from studies.transfer.tasks import Schedule, Task
from studies.transfer.tuning import hyper_of, many, plain
from studies.transfer.ways import TUNED, Change, carried, ways

Row = dict[str, Any]
"""A way at a change: its setting, and the runs of every seed."""

BASE = "none"
"""Name of the change that is none: the tuned setting where it was tuned."""


def compare(
    task: Task,
    optimizer: Optimizer,
    schedule: Schedule,
    base: Result,
    again: Sequence[tuple[Change, Result]],
) -> list[Row]:
    """Train every way at changes that have one batch in common.

    Args:
        task: What is trained.
        optimizer: By what.
        schedule: Of the learning rate.
        base: What was tuned.
        again: The changes, with what was tuned again after each.
    """
    batch = again[0][0].batch(task.batch)
    rows = [row for change, tuned in again for row in _rows(optimizer, base, change, tuned)]
    if batch == task.batch:
        rows.append({"change": BASE, "way": TUNED, "setting": base["setting"], "doubts": []})
    settings: list[Hyper] = []
    for row in rows:
        if hyper_of(row["setting"]) not in settings:  # two ways may come to the same
            settings.append(hyper_of(row["setting"]))
    found = [
        many(task, optimizer, schedule, batch, settings, seed)
        for seed in range(task.effort.compared)
    ]
    for row in rows:
        place = settings.index(hyper_of(row["setting"]))
        row |= {"task": task.name, "optimizer": optimizer, "schedule": schedule, "batch": batch}
        row["losses"] = [_rounded(losses[place]) for losses, _ in found]
        row["accuracy"] = [round(float(right[place, -1]), 5) for _, right in found]
    return rows


def _rows(optimizer: Optimizer, base: Result, change: Change, tuned: Result) -> list[Row]:
    rows = [
        {"change": change.name, "way": TUNED, "setting": tuned["setting"], "doubts": []},
    ]
    for way in ways(optimizer, change):
        hyper, doubts = carried(optimizer, hyper_of(base["setting"]), change, way)
        told = {"way": way.name, "setting": plain(hyper), "doubts": list(doubts)}
        rows.append({"change": change.name, **told})
    return rows


def _rounded(losses: np.ndarray[Any, Any]) -> list[float | None]:
    """Five digits each; None for infinite."""
    return [float(f"{x:.5g}") if np.isfinite(x) else None for x in losses]


def losses_of(row: Row) -> np.ndarray[Any, Any]:
    """Losses of a row, (seeds, evaluations)."""
    return np.array([or_infinite(run) for run in row["losses"]])
