"""What a momentum chosen with the answer in hand would reach: bounds on any rule.

The oracles choose among the runs of the scan, over the same range of learning rates as the rules
do: each momentum up to its own stability limit. They are judged by the runs on which they are
chosen, which flatters them.
"""

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.arrays import Floats, Indices
from flatfast.lab.estimation.method_times import MethodTable
from flatfast.lab.estimation.methods import (
    BEST_AT_EACH_LR,
    BEST_CONSTANT,
    Setting,
    constant_momentum,
)
from flatfast.lab.estimation.ranges import SAFE, stability_limit
from flatfast.lab.estimation.resampling import median, resampled_medians
from flatfast.lab.estimation.times import TimeGrid


def oracle_tables(
    scan: TimeGrid, seeds: NDArray[np.int64], indices: Indices, curvature: float | None = None
) -> list[MethodTable]:
    """The two oracles.

    The first takes the momentum with the least median at each learning rate that has several. The
    second takes the momentum of the best pair of the scan, at every learning rate at which it was
    run. Both choose anew in each resample.

    Args:
        scan: Runs over momenta and learning rates.
        seeds: All seeds of the comparison, ascending, (S,).
        indices: Joint resamples of the seeds, (B, S).
        curvature: Largest Hessian eigenvalue where the runs start; None if it is not known, and
            then all of the scan counts as stable.
    """
    limits = [
        float("nan")
        if curvature is None
        else stability_limit(constant_momentum(float(1 - mu)), curvature)
        for mu in scan.mu
    ]
    times = np.full((len(scan.lr), len(scan.mu), len(seeds)), np.nan)
    times[:, :, np.searchsorted(seeds, scan.seed)] = scan.log_time
    if curvature is not None:
        # Half a rounding of three digits more, as the rates themselves are rounded.
        times[scan.lr[:, None] > 1.005 * SAFE * np.array(limits)] = np.nan
    both = np.concatenate([median(times)[None], resampled_medians(times, indices)])
    either = np.where(np.isnan(both), np.inf, both)

    several = np.flatnonzero(np.sum(~np.isnan(both[0]), axis=1) > 1)
    own = np.argmin(either[:, several], axis=2)
    first = _table(
        BEST_AT_EACH_LR,
        "oracle: the scan's best momentum at each learning rate",
        scan,
        times,
        several,
        own[0],
        np.take_along_axis(either[:, several], own[..., None], axis=2)[..., 0],
        max(limits, default=float("nan")),
    )
    pair = np.argmin(either.min(axis=1, initial=np.inf), axis=1)
    m = int(pair[0])
    second = _table(
        BEST_CONSTANT,
        "oracle: the momentum of the scan's best pair",
        scan,
        times,
        np.arange(len(scan.lr)),
        np.full(len(scan.lr), m),
        np.take_along_axis(both, pair[:, None, None], axis=2)[..., 0],
        limits[m],
    )
    return [first, second]


def _table(
    name: str,
    source: str,
    scan: TimeGrid,
    times: Floats,
    rows: Indices,
    cell: Indices,
    log_time: Floats,
    limit: float,
) -> MethodTable:
    """An oracle's table at some ``rows`` of the scan, with the ``cell`` chosen in each."""
    chosen = times[rows, cell]
    arrived = np.isfinite(log_time[0])
    settings = tuple(
        Setting(float(1.0 - scan.mu[m]))
        if name == BEST_CONSTANT or known
        else Setting(np.nan, "no momentum of the scan has a median time")
        for m, known in zip(cell, arrived, strict=True)
    )
    runs = np.sum(~np.isnan(chosen), axis=1)
    return MethodTable(
        name,
        source,
        tuple(float(lr) for lr in scan.lr[rows]),
        settings,
        log_time[0],
        log_time[1:],
        scan.limit[rows],
        runs,
        np.sum(np.isfinite(chosen), axis=1),
        np.where(runs > 0, np.sum(scan.diverged[rows, cell], axis=1), 0),
        limit,
    )
