"""Whether the fastest momentum costs test error.

Two readings of every run: when it is trained (at its own ``T_c``), and after as many steps as the
best momentum of its learning rate needs. The first asks whether a run that gets there sooner gets
to a worse place, the second what a budget of steps buys. The metric is smoothed as the goal is:
``T_c`` is where the smoothed goal crosses, and at high momentum the goal at that very step is not
the threshold.

A cell of the grid (learning rate, momentum) has the median over its seeds, if at least half of its
runs could be read: those that arrived early are no fair sample of those that hardly arrive. The one
number is the mean over the learning rates of the cell nearest to the fitted optimum less the mean
of the other cells.

Seeds are resampled jointly, and in every resample the optimum is located anew and its nearest cell
chosen anew; the number of steps of the second reading is held. From fewer than five seeds the
intervals are too narrow, as a bootstrap's of so few are; nor do they show what is lost where few
records precede ``T_c``, between which the metric bends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.estimation.arrays import Floats, Indices
from flatfast.lab.estimation.comparison import Comparison, MethodTime
from flatfast.lab.estimation.cycles import with_shortest_cycles
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.methods import GRID, ONE_CYCLE
from flatfast.lab.estimation.optimum import Optima
from flatfast.lab.estimation.readings import read_at, recorded_first
from flatfast.lab.estimation.resampling import (
    median,
    percentile_interval,
    resampled_medians,
    resamples,
)
from flatfast.lab.estimation.times import (
    COLUMNS,
    TimeGrid,
    columns_of,
    distinct,
    outcomes,
    same,
)

METRICS = ("cooled:test_error", "test_error", "cooled:test_loss", "test_loss")
"""Metrics of a test set; the first that was recorded is used."""

NOWHERE = Interval(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class Reading:
    """The test metric of all cells, read at one moment of each run.

    Attributes:
        median: Median over seeds of each cell, (E, M); NaN where it could not be read.
        low: Lower ends of the intervals, (E, M).
        high: Upper ends, (E, M).
        fastest: Mean over the learning rates of the median at the cell nearest to the optimum.
        difference: The same less the mean of the other cells' medians: below 0 the fastest momentum
            is better.
        rates: How many learning rates have both.
    """

    median: Floats
    low: Floats
    high: Floats
    fastest: float
    difference: Interval
    rates: int


@dataclass(frozen=True)
class MethodReading:
    """A compared method at its own best learning rate.

    Attributes:
        method: Its name.
        lr: Its best learning rate.
        momentum: Its momentum there.
        trained: The metric when trained, median over seeds.
        equal_steps: The metric after as many steps as the reference's best median time.
        trained_over_reference: The first less the reference's: below 0 the method is better.
        equal_steps_over_reference: The second less the reference's.
    """

    method: str
    lr: float
    momentum: float
    trained: Interval
    equal_steps: Interval
    trained_over_reference: Interval
    equal_steps_over_reference: Interval


@dataclass(frozen=True, eq=False)
class Generalization:
    """Test metric over momentum, at E learning rates and M momenta.

    Attributes:
        metric: Its name.
        lr: Learning rates, ascending, (E,).
        mu: ``1 - momentum``, ascending, (M,).
        steps: Steps of the second reading, (E,): the best median time on the fitted curve; NaN
            where no optimum is located.
        trained: Every run when it is trained.
        equal_steps: Every run of a learning rate after ``steps``.
        methods: The compared methods whose runs have the metric, the reference among them.
        level: Level of the intervals.
        n_boot: Number of resamples of the seeds.
        seed: Seed of the resampling.
    """

    metric: str
    lr: Floats
    mu: Floats
    steps: Floats
    trained: Reading
    equal_steps: Reading
    methods: tuple[MethodReading, ...]
    level: float
    n_boot: int
    seed: int

    @property
    def share(self) -> bool:
        """Whether the metric is an error that is a share of one in all cells."""
        seen = np.concatenate([self.trained.median.ravel(), self.equal_steps.median.ravel()])
        return self.metric.endswith("error") and not (np.abs(seen) > 1).any()


def generalization(
    runs: pa.Table,
    grid: TimeGrid,
    optima: Optima,
    comparison: Comparison | None = None,
    *,
    smoothing: float = 0.0,
    level: float = 0.95,
    seed: int = 0,
) -> Generalization | None:
    """Read the test metric of a sweep's runs, and of the compared methods'.

    Args:
        runs: Rows with their trajectories, those that ``grid`` was made of among them.
        grid: The sweep's times.
        optima: Best momenta of ``grid``, with resamples of its seeds that were drawn with ``seed``.
        comparison: The compared methods; None if there are none.
        smoothing: Width of the goal's moving average, in memories ``1 / (1 - momentum)``.
        level: Level of the intervals, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        The readings; None if no metric of a test set was recorded.

    Raises:
        ValueError: If ``level`` is out of (0, 1), ``smoothing`` is negative or not finite, a column
            is missing, or ``grid`` is of other runs.
    """
    if not 0.0 <= smoothing < float("inf"):
        raise ValueError(f"smoothing must be finite and at least 0, got {smoothing}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), got {level}")
    table = columns_of(runs, COLUMNS)
    named = table["method"].astype(np.str_) == GRID if "method" in table else np.True_
    own = np.flatnonzero(np.broadcast_to(named, len(runs)))
    metric = recorded_first(runs, METRICS, own)
    if metric is None:
        return None
    rows = {name: column[own] for name, column in table.items()}
    lr, e = distinct(rows["lr"].astype(np.float64))
    mu, m = distinct(1.0 - rows["momentum"].astype(np.float64))
    seeds, s = np.unique(rows["seed"].astype(np.int64), return_inverse=True)
    shape = (len(lr), len(mu), len(seeds))
    if shape != grid.log_time.shape:
        raise ValueError(f"runs must be those of the grid, {grid.log_time.shape}, got {shape}")

    steps = np.exp(optima.log_time)
    moments = np.stack([np.exp(outcomes(rows)[0]), steps[e]])
    momentum = rows["momentum"].astype(np.float64)
    indices = resamples(len(seeds), len(optima.boot_log_mu), seed)
    present = np.sum(~np.isnan(grid.log_time), axis=-1)
    readings = []
    for read in read_at(runs, metric, own, moments, momentum, smoothing):
        values = np.full(shape, np.nan)
        values[e, m, s] = read
        readings.append(_reading(_if_half(values, present), mu, optima, indices, level))
    return Generalization(
        metric=metric,
        lr=lr,
        mu=mu,
        steps=steps,
        trained=readings[0],
        equal_steps=readings[1],
        methods=() if comparison is None else _methods(runs, metric, comparison, smoothing, level),
        level=level,
        n_boot=len(indices),
        seed=seed,
    )


def _if_half(values: Floats, present: NDArray[np.int64]) -> Floats:
    """``values`` (..., S) where at least half of the ``present`` (...) runs have one, else NaN."""
    known = np.sum(~np.isnan(values), axis=-1)
    return np.asarray(np.where((2 * known >= present)[..., None], values, np.nan))


def _reading(values: Floats, mu: Floats, optima: Optima, indices: Indices, level: float) -> Reading:
    centre, boot = median(values), resampled_medians(values, indices)
    low, high = np.full(centre.shape, np.nan), np.full(centre.shape, np.nan)
    for cell in np.ndindex(centre.shape):
        found = percentile_interval(float(centre[cell]), boot[(slice(None), *cell)], level)
        low[cell], high[cell] = found.low, found.high
    place = np.where(optima.located, optima.log_mu, np.nan)
    best, others = _best_and_others(centre[None], place[None], np.log(mu))
    used = ~np.isnan(best[0] - others[0])
    # A resample without an optimum at a learning rate looks where the data have theirs.
    places = np.where(np.isnan(optima.boot_log_mu), place, optima.boot_log_mu)
    places = np.where(used, places, np.nan)
    drawn = np.subtract(*_best_and_others(boot, places, np.log(mu)))
    difference = float(_mean(best[0] - others[0]))
    return Reading(
        centre,
        low,
        high,
        float(_mean(np.where(used, best[0], np.nan))),
        percentile_interval(difference, _mean(drawn), level),
        int(used.sum()),
    )


def _best_and_others(medians: Floats, place: Floats, log_mu: Floats) -> tuple[Floats, Floats]:
    """Median at the cell nearest to ``place`` (B, E), and mean of the others': (B, E) each.

    Cells without a median, NaN in ``medians`` (B, E, M), are neither.
    """
    away = np.where(np.isnan(medians), np.inf, np.abs(log_mu - place[..., None]))
    nearest = np.argmin(away, axis=-1)[..., None]
    best = np.take_along_axis(medians, nearest, axis=-1)[..., 0]
    others = medians.copy()
    np.put_along_axis(others, nearest, np.nan, axis=-1)
    return np.where(np.isnan(place), np.nan, best), _mean(others)


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    known = np.sum(~np.isnan(values), axis=-1)
    total = np.nansum(values, axis=-1)
    return np.asarray(np.where(known > 0, total / np.maximum(known, 1), np.nan))


def _methods(
    runs: pa.Table, metric: str, comparison: Comparison, smoothing: float, level: float
) -> tuple[MethodReading, ...]:
    """The methods at their own best learning rates, which are held in the resamples."""
    table = with_shortest_cycles(
        {**columns_of(runs, (*COLUMNS, "method")), "row": np.arange(len(runs))}
    )
    best = {time.method: time for time in comparison.best}
    reference = best[comparison.reference]
    budget = reference.time.estimate if reference.outcome == "measured" else float("nan")
    seeds = np.unique(table["seed"].astype(np.int64))
    values = {}
    for name, time in best.items():
        read = _of_method(runs, metric, table, time, budget, seeds, smoothing)
        if not np.isnan(read).all():
            values[name] = read
    indices = resamples(len(seeds), comparison.n_boot, comparison.seed)
    centre = {name: median(read) for name, read in values.items()}
    boot = {name: resampled_medians(read, indices) for name, read in values.items()}
    nothing = np.full(2, np.nan)
    own, drawn = centre.get(reference.method, nothing), boot.get(reference.method, nothing[None])
    return tuple(
        MethodReading(
            name,
            best[name].lr,
            best[name].momentum,
            *(percentile_interval(float(centre[name][k]), boot[name][:, k], level) for k in (0, 1)),
            *(
                NOWHERE
                if name == reference.method
                else percentile_interval(
                    float(centre[name][k] - own[k]), boot[name][:, k] - drawn[:, k], level
                )
                for k in (0, 1)
            ),
        )
        for name in values
    )


def _of_method(
    runs: pa.Table,
    metric: str,
    table: Mapping[str, NDArray[np.generic]],
    time: MethodTime,
    budget: float,
    seeds: NDArray[np.int64],
    smoothing: float,
) -> Floats:
    """Both readings of a method's runs at its best setting, (2, S)."""
    mine = (
        (table["method"].astype(np.str_) == time.method)
        & same(table["lr"].astype(np.float64), time.lr)
        & same(1.0 - table["momentum"].astype(np.float64), 1.0 - time.momentum)
    )
    rows = {name: column[mine] for name, column in table.items()}
    where, layer = rows["row"].astype(np.intp), np.searchsorted(seeds, rows["seed"].astype(int))
    values = np.full((2, len(seeds)), np.nan)
    if time.method == ONE_CYCLE:  # a cycle that is cut short is none
        budget = float("nan")
    moments = np.stack([np.exp(outcomes(rows)[0]), np.full(len(where), budget)])
    momentum = rows["momentum"].astype(np.float64)
    values[:, layer] = read_at(runs, metric, where, moments, momentum, smoothing)
    return _if_half(values, np.full(2, len(where)))
