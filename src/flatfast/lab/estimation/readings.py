"""What recorded metrics said at a given step of each run."""

import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.arrays import Floats, Indices
from flatfast.lab.estimation.smoothing import smooth
from flatfast.lab.trajectories import METRIC

STEPS = "record_step"
"""Column of the steps at which metrics were recorded."""


def read_at(
    runs: pa.Table,
    metric: str,
    rows: Indices,
    steps: Floats,
    momentum: Floats,
    smoothing: float,
) -> Floats:
    """Values of a metric at steps of each run, on straight lines between its smoothed records.

    Records that are not finite are passed over. Nothing is said beyond the first and the last that
    is, nor of a run whose records do not ascend.

    Args:
        runs: Rows with their trajectories.
        metric: Name of a recorded metric.
        rows: Which rows, (N,).
        steps: At which steps of each, (K, N); may be infinite or NaN, where there is no value.
        momentum: Momentum of each, (N,).
        smoothing: Width of the moving average, in memories of the momentum, as the goal's.

    Returns:
        The values, (K, N); NaN where there is none.
    """
    recorded, values = (runs[name].combine_chunks() for name in (STEPS, METRIC + metric))
    found = np.full(steps.shape, np.nan)
    for i, row in enumerate(rows.tolist()):
        at, value = recorded[row].values, values[row].values
        if at is None or value is None or not np.isfinite(steps[:, i]).any():
            continue
        count = min(len(at), len(value))
        x = at.to_numpy(zero_copy_only=False)[:count].astype(np.float64)
        y = value.to_numpy(zero_copy_only=False)[:count].astype(np.float64)
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
        if len(x) and (np.diff(x) > 0).all():
            one, all_of_it = momentum[i : i + 1], np.array([len(x)])
            y = smooth(x.astype(np.int64), y[None], one, smoothing, all_of_it)[0]
            found[:, i] = np.interp(steps[:, i], x, y, left=np.nan, right=np.nan)
    return found


def recorded_first(runs: pa.Table, names: tuple[str, ...], rows: Indices) -> str | None:
    """The first of ``names`` that at least one of the rows has a finite record of."""
    if STEPS not in runs.column_names:
        return None
    for name in names:
        if METRIC + name not in runs.column_names:
            continue
        values = runs[METRIC + name].take(pa.array(rows)).combine_chunks().flatten()
        if np.isfinite(values.to_numpy(zero_copy_only=False)).any():
            return name
    return None
