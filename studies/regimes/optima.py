"""The best momenta of a sweep of the regime map, with their errors."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.optimum import (
    DEFAULT_FIT,
    every_other,
    locate,
    median_times,
)
from flatfast.lab.estimation.power_law import replicate_variance
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.lab.estimation.times import TimeGrid

LEVEL = 0.95
N_BOOT = 1000

EDGE = 2
"""Momenta at either end of a row among which no optimum is located: it needs two beyond it."""

Array = NDArray[np.float64]


class Optimum(NamedTuple):
    """The best momenta of a case over E learning rates, in logs.

    Attributes:
        lr: Learning rates, (E,).
        log_mu: Log of the best ``1 - momentum``, (E,); NaN where not located.
        log_time: Log of the time there, (E,).
        boot: The same as ``log_mu`` in each resample of the seeds, (B, E).
        grid_variance: Variance of ``log_mu`` by the position of the grid of momenta.
        seeds: Number of seeds.
        reason: Why not located, E strings.
    """

    lr: Array
    log_mu: Array
    log_time: Array
    boot: Array
    grid_variance: float
    seeds: int
    reason: tuple[str, ...]


def optimum_of(grid: TimeGrid, n_boot: int = N_BOOT) -> Optimum:
    """Locate the best momenta of a sweep.

    The seeds' part of the error is a bootstrap's. The grid's part is what the fits to every other
    momentum, from the first and from the second on, differ by: the variance of a fit to a grid of
    twice the step, so rather too large.

    Raises:
        ValueError: If there are too few seeds or momenta.
    """
    times = median_times(grid, n_boot=n_boot, seed=0)
    found = locate(times)
    halves = [locate(times, every_other(DEFAULT_FIT, first)).log_mu for first in (0, 1)]
    apart = (halves[0] - halves[1])[found.located]
    known = apart[np.isfinite(apart)]
    grid_variance = float(np.mean(known**2) / 2) if len(known) else float("nan")
    return Optimum(
        grid.lr,
        found.log_mu,
        found.log_time,
        found.boot_log_mu,
        grid_variance,
        times.n_seeds,
        found.reason,
    )


def error_interval(
    value: float, seed_variance: float, grid_variance: float, case: Optimum
) -> Interval:
    """Student's interval on the sum of both variances; the grid's comes from E comparisons."""
    parts = [(seed_variance, case.seeds - 1.0), (grid_variance, float(len(case.lr)))]
    reach = np.sqrt(seed_variance + grid_variance) * t_quantile(LEVEL, parts)
    return Interval(value, float(value - reach), float(value + reach))


def local_slopes(case: Optimum) -> list[Interval]:
    """The exponent between neighbouring learning rates: E - 1 slopes, NaN where not located."""
    step = np.diff(np.log(case.lr))
    slopes = np.diff(case.log_mu) / step
    seeds = replicate_variance(np.diff(case.boot, axis=1) / step)
    return [
        error_interval(float(slope), float(own), 2 * case.grid_variance / float(d) ** 2, case)
        for slope, own, d in zip(slopes, seeds, step, strict=True)
    ]


def best_c(case: Optimum) -> list[Interval]:
    """The best ``(1 - momentum) / sqrt(lr)`` at each learning rate."""
    own = replicate_variance(case.boot)
    logs = [
        error_interval(float(value), float(variance), case.grid_variance, case)
        for value, variance in zip(case.log_mu - np.log(case.lr) / 2, own, strict=True)
    ]
    return [Interval(*(float(np.exp(e)) for e in (i.estimate, i.low, i.high))) for i in logs]


def fastest_cells(grid: TimeGrid) -> list[float | None]:
    """The c of the least median time: coarse, but no cliff pulls at it as at a fit."""
    found: list[float | None] = []
    for lr, times in zip(grid.lr, np.median(grid.log_time, axis=-1), strict=True):
        reached = np.isfinite(times)
        best = np.argmin(np.where(reached, times, np.inf))
        found.append(float(grid.mu[best] / np.sqrt(lr)) if reached.any() else None)
    return found


def settling_window(grid: TimeGrid) -> list[list[float] | None]:
    """Least and greatest ``mu / lr`` at which half of the runs meet the goal, per learning rate."""
    found: list[list[float] | None] = []
    for lr, times in zip(grid.lr, np.median(grid.log_time, axis=-1), strict=True):
        mu = grid.mu[np.isfinite(times)]
        found.append([float(mu[0] / lr), float(mu[-1] / lr)] if len(mu) else None)
    return found


def edge_bounds(grid: TimeGrid, located: Optimum) -> list[dict[str, Any] | None]:
    """Bounds on the best c where it is not located and the fastest cell is at the row's end.

    Returns:
        For each learning rate ``side``, ``at least`` or ``at most``, and ``c`` of the last cell but
        one, within which an optimum would have been located; None where there is no such bound.
    """
    found: list[dict[str, Any] | None] = []
    medians = np.median(grid.log_time, axis=-1)
    for lr, times, place in zip(grid.lr, medians, located.log_mu, strict=True):
        run = np.flatnonzero(~np.isnan(times))
        fastest = int(np.argmin(times[run])) if len(run) else 0
        bound = None
        if not np.isfinite(place) and len(run) > EDGE and np.isfinite(times[run[fastest]]):
            c = grid.mu[run] / np.sqrt(lr)
            if fastest >= len(run) - EDGE:
                bound = {"side": "at least", "c": float(c[-EDGE])}
            elif fastest < EDGE:
                bound = {"side": "at most", "c": float(c[EDGE - 1])}
        found.append(bound)
    return found
