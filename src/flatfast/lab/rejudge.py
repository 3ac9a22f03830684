"""The same runs held to another goal: is a result a matter of the threshold, or of the smoothing?

Stored runs carry their trajectories, so a sweep can be judged again without running it again, as
far as the runs went: a run ends once it has settled on the goal it was run for, so a looser
threshold on the same metric can be judged, a stricter one or another metric cannot.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.estimation.convergence import Status, convergence
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.goal import Goal
from flatfast.lab.judge import verdict
from flatfast.lab.rows import METRIC, conform


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
    grid = runs.filter(np.asarray(runs["method"].to_pylist()) == GRID)
    parts = []
    for steps in np.unique(grid["steps"].to_numpy()):
        parts.append(_judge(grid.filter(grid["steps"].to_numpy() == steps), goal))
    return conform(pa.concat_tables(parts)) if parts else grid


def _told(goal: Goal) -> str:
    return f"{goal.metric} {'relative to the start' if goal.relative else 'in its own units'}"


def _judge(rows: pa.Table, goal: Goal) -> pa.Table:
    """Judge rows whose records, as far as each of them goes, were made at the same steps."""
    marks = [np.asarray(row, dtype=np.int64) for row in rows["record_step"].to_pylist()]
    longest = max(marks, key=len)
    recorded = np.array([len(row) for row in marks])
    values: NDArray[np.float64] = np.full((len(marks), len(longest)), np.nan)
    for run, metric in enumerate(rows[f"{METRIC}{goal.metric}"].to_pylist()):
        values[run, : recorded[run]] = metric
    result = convergence(
        longest,
        values,
        rows["momentum"].to_numpy(),
        goal,
        recorded=recorded,
        diverged=np.asarray(rows["status"].to_pylist()) == Status.DIVERGED.value,
    )
    for name, column in verdict(result).items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows
