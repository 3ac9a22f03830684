"""A trajectory becomes a row of the store: how the run ended, and when it had arrived."""

import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.convergence import Convergence, convergence
from flatfast.lab.goal import Goal
from flatfast.lab.rows import conform
from flatfast.lab.runs import Runs
from flatfast.lab.trajectories import METRIC, Trajectories

LARGEST = float(np.finfo(np.float32).max)
"""Bound of the metrics in the store, which keeps them in single precision."""


def judge(paths: Trajectories, runs: Runs, goal: Goal) -> pa.Table:
    """Rows of the store for runs that an engine has made.

    Args:
        paths: What was recorded of the runs.
        runs: Which they are; of one planned length.
        goal: What had to be reached.

    Raises:
        ValueError: If the start meets the goal.
    """
    recorded, diverged_step = paths.recorded, paths.diverged_step
    diverged = diverged_step >= 0
    result = convergence(
        paths.steps,
        paths.values[goal.metric],
        runs.momentum,
        goal,
        recorded=recorded,
        diverged=diverged,
    )
    last = paths.steps[recorded - 1]
    columns = {
        "method": pa.array(runs.method.tolist()),
        "lr": runs.lr,
        "momentum": runs.momentum,
        "seed": runs.seed,
        "steps": runs.steps,
        "steps_run": np.where(diverged, diverged_step, last),
        "diverged_step": pa.array(diverged_step, mask=~diverged),
        "metric_start": result.start,
        "metric_end": pa.array(result.end, mask=~np.isfinite(result.end)),
        **verdict(result),
        "record_step": pa.array([paths.steps[:end] for end in recorded]),
    }
    for name, values in paths.values.items():
        # A float64 run on its way to divergence can be finite and beyond float32.
        narrow = np.clip(values, -LARGEST, LARGEST).astype(np.float32)
        kept = [row[:end] for row, end in zip(narrow, recorded, strict=True)]
        columns[f"{METRIC}{name}"] = pa.array(kept)
    return conform(pa.table(columns))


def verdict(result: Convergence) -> dict[str, pa.Array]:
    """The columns of a row that depend on the goal's threshold and smoothing."""
    return {
        "status": pa.array(result.status.tolist()),
        "convergence_step": pa.array(result.step, mask=np.isnan(result.step)),
        "threshold": pa.array(result.threshold),
    }
