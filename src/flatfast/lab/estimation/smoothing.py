"""Moving average of recorded metrics, over a window that is set by the momentum's memory."""

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.arrays import Floats


def smooth(
    steps: NDArray[np.int64],
    values: Floats,
    momentum: Floats,
    smoothing: float,
    recorded: NDArray[np.int64],
) -> Floats:
    """Centred moving average over the records within ``smoothing / mu / 2`` steps either side.

    The window is cut at the last valid record. Towards the start it narrows, and stays centred: a
    window that reached further ahead than back would see the run arrive before it has. Every
    record counts for the steps around it, so that unevenly spaced records are averaged over time.
    Where the neighbouring records lie outside the window there is nothing to average and the value
    stays as it is; so does the first record, the common start, which carries no noise.

    Sums are accumulated from the end of the run. A run that has converged has small values after
    its last crossing and large ones before it; summed from the start, the large ones would leave
    their rounding error in the small.

    Args:
        steps: Steps of the records, ascending, (R,).
        values: The metric, (N, R).
        momentum: (N,).
        smoothing: Width of the window, in memories ``1 / (1 - momentum)``.
        recorded: Number of valid records of each run, (N,).

    Returns:
        (N, R); +inf where a non-finite value lies in the window, and beyond the valid records.
    """
    runs, records = values.shape
    position = np.arange(records)
    valid = position < recorded[:, None]
    bad = valid & ~np.isfinite(values)
    clean = np.where(valid & ~bad, values, 0.0)
    if records > 1:
        gaps = np.diff(steps).astype(np.float64)
        span = np.concatenate([gaps[:1], gaps[:-1] + gaps[1:], gaps[-1:]])
    else:
        span = np.ones(records)

    momenta, group = np.unique(momentum, return_inverse=True)
    # A record at the very edge of the window must not depend on how 1 - momentum was rounded.
    widest = smoothing / (2.0 * (1.0 - momenta)) * (1.0 + 1e-9)
    half = np.minimum(widest[:, None], (steps - steps[0]).astype(np.float64))
    first = np.stack([np.searchsorted(steps, steps - h, side="left") for h in half])[group]
    after = np.stack([np.searchsorted(steps, steps + h, side="right") for h in half])[group]
    after = np.minimum(after, recorded[:, None])
    first = np.minimum(first, after)

    def window_sum(terms: Floats) -> Floats:
        from_end = np.zeros((runs, records + 1))
        from_end[:, :-1] = np.cumsum(terms[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(
            np.take_along_axis(from_end, first, 1) - np.take_along_axis(from_end, after, 1)
        )

    weight = window_sum(np.where(valid, span, 0.0))
    average = window_sum(clean * span) / np.where(weight > 0, weight, 1.0)
    alone = after - first <= 1
    average = np.where(window_sum(bad.astype(np.float64)) > 0.5, np.inf, average)
    average = np.where(alone, np.where(bad, np.inf, values), average)
    return np.where(valid, average, np.inf)
