"""The same runs held to another goal: is a result a matter of the threshold, or of the smoothing?

Stored runs carry their trajectories, so a sweep can be judged again without running it again, as
far as the runs went: a run ends once it has settled on the goal it was run for, so a looser
threshold on the same metric can be judged, a stricter one or another metric cannot.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flatfast.lab.estimation.convergence import Status, convergence
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.goal import Goal
from flatfast.lab.judge import verdict
from flatfast.lab.rows import conform
from flatfast.lab.trajectories import METRIC

AT_ONCE = 8192
"""Runs that are judged at once, which bounds the memory of a million of them."""


def rejudge(runs: pa.Table, settings: Mapping[str, Any], goal: Goal) -> pa.Table:
    """Judge a sweep's grid by another threshold or smoothing.

    Runs of compared methods are left out: they were chosen with the original goal's constant.

    Args:
        runs: Rows as the store keeps them, with their trajectories.
        settings: The manifest's settings of these runs.
        goal: The other goal.

    Returns:
        The grid's rows with ``status``, ``convergence_step`` and ``threshold`` of that goal.

    Raises:
        ValueError: If the goal is of another metric or another kind, or its threshold is stricter
            than the one that the runs were run for.
    """
    original = Goal(**settings["problem"]["goal"])
    if (goal.metric, goal.relative) != (original.metric, original.relative):
        raise ValueError(
            f"these runs ended when they had settled on {_told(original)}, and cannot be judged by "
            f"{_told(goal)}; run them anew with that goal"
        )
    if goal.threshold < original.threshold:
        raise ValueError(
            f"threshold must be at least {original.threshold:g}, where these runs ended, "
            f"got {goal.threshold:g}; run them anew with that goal"
        )
    grid = runs.filter(pc.equal(runs["method"], GRID))
    parts = []
    for steps in sorted(pc.unique(grid["steps"]).to_pylist()):
        alike = grid.filter(pc.equal(grid["steps"], steps))
        parts += [_judge(alike.slice(k, AT_ONCE), goal) for k in range(0, len(alike), AT_ONCE)]
    return conform(pa.concat_tables(parts)) if parts else grid


def _told(goal: Goal) -> str:
    return f"{goal.metric} {'relative to the start' if goal.relative else 'in its own units'}"


def _judge(rows: pa.Table, goal: Goal) -> pa.Table:
    """Judge rows whose records, as far as each of them goes, were made at the same steps."""
    steps, ends = _flat(rows["record_step"])
    recorded = np.diff(ends)
    longest = int(np.argmax(recorded))
    marks = steps[ends[longest] : ends[longest + 1]].astype(np.int64)
    values: NDArray[np.float64] = np.full((len(rows), len(marks)), np.nan)
    values[np.arange(len(marks)) < recorded[:, None]] = _flat(rows[f"{METRIC}{goal.metric}"])[0]
    result = convergence(
        marks,
        values,
        rows["momentum"].to_numpy(),
        goal,
        recorded=recorded,
        diverged=np.asarray(rows["status"].to_pylist()) == Status.DIVERGED.value,
    )
    for name, column in verdict(result).items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows


def _flat(lists: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The numbers of all rows, one row after the other, and where each begins and ends."""
    whole = lists.combine_chunks()
    lengths = pc.list_value_length(whole).fill_null(0).to_numpy()
    numbers = whole.flatten().to_numpy(zero_copy_only=False)
    return numbers, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
