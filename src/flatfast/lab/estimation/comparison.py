"""Times of the compared methods: at each learning rate, and at each method's own best one.

Medians over seeds with bootstrap intervals. Seeds are resampled jointly over all methods (a seed
shares its random numbers between them), and whatever is chosen with the data is chosen anew in each
resample: the best learning rate, and the oracles' momentum. The oracles are chosen on the same runs
by which they are judged, which flatters them: they bound what any rule could do.

Runs that did not arrive are bounds. A median beyond the run length is a time longer than it, a
ratio with it is a bound too, and both are labelled so. Where at least half of a method's runs
diverged it has no time and no ratio, and is reported as diverged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.method_times import (
    MethodTable,
    Outcome,
    Relation,
    Series,
    measured_table,
    oracle_tables,
    ratio_of,
)
from flatfast.lab.estimation.methods import REFERENCE, Method
from flatfast.lab.estimation.resampling import percentile_interval, resamples
from flatfast.lab.estimation.times import COLUMNS, TimeGrid, columns_of


@dataclass(frozen=True)
class MethodName:
    """A method's name and source."""

    name: str
    source: str


@dataclass(frozen=True)
class MethodTime:
    """Median time of a method at a learning rate.

    Attributes:
        method: Its name.
        lr: Nominal learning rate.
        lr_used: Learning rate of the runs.
        momentum: Momentum of the runs.
        outcome: What is known; ``time`` is a time only if "measured".
        time: Median T_c in steps with its interval; +inf where beyond the limit.
        limit: Length of the runs in steps: the time is longer if the outcome is "beyond limit".
        runs: Number of runs.
        converged: How many converged.
        diverged: How many diverged.
        note: Where the method's setting had to be changed, or why there is no time.
    """

    method: str
    lr: float
    lr_used: float
    momentum: float
    outcome: Outcome
    time: Interval
    limit: float
    runs: int
    converged: int
    diverged: int
    note: str = ""


@dataclass(frozen=True)
class SpeedUp:
    """Time of a method over the reference's: above 1, the reference is faster.

    Attributes:
        method: The other method.
        lr: Nominal learning rate; NaN where each uses its own best.
        ratio: The ratio with its interval. With relation ">" the estimate and ``low`` are lower
            bounds and ``high`` is +inf; with "<" they are upper bounds and ``low`` is 0; NaN if
            unknown.
        relation: How the true ratio stands to ``ratio.estimate``.
        text: The same in words.
    """

    method: str
    lr: float
    ratio: Interval
    relation: Relation
    text: str


@dataclass(frozen=True)
class Comparison:
    """The methods side by side; every part is a tuple of plain values.

    Attributes:
        reference: Name of the method that the others are compared with.
        methods: The methods, in order.
        lr: Nominal learning rates, ascending.
        at_lr: Times of every method at every learning rate, method by method.
        best: Time of every method at its own best learning rate.
        speedup_at_lr: Of the reference over every other method, at every learning rate.
        speedup_best: The same, each at its own best learning rate.
        level: Level of the intervals.
        n_boot: Number of resamples of the seeds.
        seed: Seed of the resampling.
    """

    reference: str
    methods: tuple[MethodName, ...]
    lr: tuple[float, ...]
    at_lr: tuple[MethodTime, ...]
    best: tuple[MethodTime, ...]
    speedup_at_lr: tuple[SpeedUp, ...]
    speedup_best: tuple[SpeedUp, ...]
    level: float
    n_boot: int
    seed: int


def compare(
    runs: pa.Table | Mapping[str, ArrayLike],
    methods: Sequence[Method],
    lr: Sequence[float],
    *,
    scan: TimeGrid | None = None,
    reference: str = REFERENCE,
    level: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare methods by their times to the goal.

    Args:
        runs: One row per run, columns as for :func:`flatfast.lab.estimation.times.time_grid`, and
            ``method``. A method's runs at a nominal learning rate are those of its name at the
            learning rate and momentum of its setting.
        methods: The methods.
        lr: Nominal learning rates.
        scan: Runs over momenta at the compared learning rates, for the two oracles; None leaves
            them out.
        reference: Name of the method that the others are compared with.
        level: Level of the intervals, in (0, 1).
        n_boot: Number of resamples of the seeds.
        seed: Seed of the resampling.

    Returns:
        The comparison.

    Raises:
        ValueError: If there is no learning rate, names are not distinct or lack the reference,
            ``level`` is out of (0, 1), or a column is missing.
    """
    names = [method.name for method in methods]
    if not lr:
        raise ValueError("lr must have at least one learning rate, got none")
    if len(set(names)) < len(names):
        raise ValueError(f"methods must have distinct names, got {', '.join(names)}")
    if reference not in names:
        raise ValueError(f"reference must be one of {', '.join(names)}, got {reference!r}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), got {level}")
    rates = sorted(lr)
    rows = columns_of(runs, (*COLUMNS, "method"))
    own_seeds = rows["seed"].astype(np.int64)
    seeds = np.unique(np.concatenate([own_seeds, *([scan.seed] if scan is not None else [])]))
    if not len(seeds):
        raise ValueError("runs must have at least one row, got none")
    indices = resamples(len(seeds), n_boot, seed)

    tables = [measured_table(method, rates, rows, seeds, indices) for method in methods]
    if scan is not None:
        tables += oracle_tables(scan, rates, seeds, indices)
    best = [table.best() for table in tables]
    own = names.index(reference)
    others = [k for k in range(len(tables)) if k != own]
    return Comparison(
        reference=reference,
        methods=tuple(MethodName(table.name, table.source) for table in tables),
        lr=tuple(rates),
        at_lr=tuple(
            _time(table, e, table.at(e), level, table.settings[e].note)
            for table in tables
            for e in range(len(rates))
        ),
        best=tuple(
            _time(table, chosen, series, level, note)
            for table, (chosen, series, note) in zip(tables, best, strict=True)
        ),
        speedup_at_lr=tuple(
            _speed_up(tables[k].name, rates[e], tables[k].at(e), tables[own].at(e), level)
            for k in others
            for e in range(len(rates))
        ),
        speedup_best=tuple(
            _speed_up(tables[k].name, float("nan"), best[k][1], best[own][1], level) for k in others
        ),
        level=level,
        n_boot=n_boot,
        seed=seed,
    )


def _time(table: MethodTable, e: int, series: Series, level: float, note: str) -> MethodTime:
    interval = percentile_interval(series.log_time, series.boot, level)
    steps = (float(np.exp(end)) for end in (interval.estimate, interval.low, interval.high))
    setting = table.settings[e]
    return MethodTime(
        method=table.name,
        lr=table.lr[e],
        lr_used=setting.lr,
        momentum=setting.momentum,
        outcome=series.outcome,
        time=Interval(*steps),
        limit=series.limit,
        runs=int(table.runs[e]),
        converged=int(table.converged[e]),
        diverged=int(table.diverged[e]),
        note=note,
    )


def _speed_up(name: str, lr: float, method: Series, reference: Series, level: float) -> SpeedUp:
    ratio, relation = ratio_of(method, reference, level)
    if relation == "=":
        text = f"{ratio.estimate:.3g} times ({ratio.low:.3g} to {ratio.high:.3g})"
    elif relation == ">":
        text = f"more than {ratio.estimate:.3g} times"
    elif relation == "<":
        text = f"less than {ratio.estimate:.3g} times"
    else:
        who = name if method.outcome != "measured" else "the reference"
        series = method if method.outcome != "measured" else reference
        text = {
            "diverged": f"unknown: {who} diverged",
            "no runs": f"unknown: {who} has no runs",
        }.get(series.outcome, "unknown: neither arrived within its runs")
    return SpeedUp(name, lr, ratio, relation, text)
