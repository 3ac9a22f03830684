"""Times of the compared methods: at each learning rate, and at each method's own best one.

Medians over seeds with bootstrap intervals. Seeds are resampled jointly over all methods (a seed
shares its random numbers between them), and whatever is chosen with the data is chosen anew in each
resample: the best learning rate, and the oracles' momentum.

Every method is compared up to its own stability limit (:mod:`flatfast.lab.estimation.ranges`); what
its runs do above it, with catapults, is kept apart.

Runs that did not arrive are bounds. A median beyond the run length is a time longer than it, a
ratio with it is a bound too, and both are labelled so. A best learning rate at an end of those
compared is a bound of the other direction: beyond it the method may be faster. Where at least half
of a method's runs diverged it has no time and no ratio, and is reported as diverged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from flatfast.lab.estimation.cycles import with_shortest_cycles
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.method_times import (
    End,
    MethodTable,
    Outcome,
    Relation,
    Series,
    measured_table,
    rates_of,
    ratio_of,
)
from flatfast.lab.estimation.methods import REFERENCE, Method
from flatfast.lab.estimation.oracles import oracle_tables
from flatfast.lab.estimation.ranges import SAFE, stability_limit
from flatfast.lab.estimation.resampling import percentile_interval, resamples
from flatfast.lab.estimation.times import COLUMNS, TimeGrid, columns_of

Verdict = Literal["law", "method", "open"]


@dataclass(frozen=True)
class MethodName:
    """A method's name, source and stability limit where the runs start, NaN if not known."""

    name: str
    source: str
    stable_below: float


@dataclass(frozen=True)
class MethodTime:
    """Median time of a method at a learning rate.

    Attributes:
        method: Its name.
        lr: Learning rate.
        momentum: Momentum of the runs.
        outcome: What is known; ``time`` is a time only if "measured".
        time: Median T_c in steps with its interval; +inf where beyond the limit.
        limit: Length of the runs in steps: the time is longer if the outcome is "beyond limit".
        runs: Number of runs.
        converged: How many converged.
        diverged: How many diverged.
        end: For a best time, why the method may be faster than it.
        note: Where the method's setting had to be changed, why there is no time, or ``end`` in
            words.
    """

    method: str
    lr: float
    momentum: float
    outcome: Outcome
    time: Interval
    limit: float
    runs: int
    converged: int
    diverged: int
    end: End = ""
    note: str = ""


@dataclass(frozen=True)
class SpeedUp:
    """Time of a method over the reference's: above 1, the reference is faster.

    Attributes:
        method: The other method.
        lr: Learning rate of both; NaN where each uses its own best.
        ratio: The ratio with its interval. With relation ">" the estimate and ``low`` are lower
            bounds and ``high`` is +inf; with "<" they are upper bounds and ``low`` is 0; with "~"
            both times may be less, and the ratio is that of those seen; NaN if unknown.
        relation: How the true ratio stands to ``ratio.estimate``.
        text: The same in words.
    """

    method: str
    lr: float
    ratio: Interval
    relation: Relation
    text: str

    @property
    def faster(self) -> Verdict:
        """Who is faster, by a rule fixed before the runs: the interval decides, and its label.

        The reference ("law") if the interval of the ratio lies above 1 and its lower end is one
        (relation "=" or ">"); the method if the interval lies below 1 and its upper end is one ("="
        or "<"); "open" otherwise.
        """
        if self.relation in ("=", ">") and self.ratio.low > 1:
            return "law"
        if self.relation in ("=", "<") and self.ratio.high < 1:
            return "method"
        return "open"


@dataclass(frozen=True)
class Comparison:
    """The methods side by side; every part is a tuple of plain values.

    Attributes:
        reference: Name of the method that the others are compared with.
        methods: The methods, in order.
        lr: Learning rates at which most methods have runs, ascending.
        at_lr: Times of every method at its own learning rates, up to its limit, method by method.
        best: Time of every method at its own best learning rate.
        beyond: Times at learning rates above the methods' limits, method by method.
        speedup_at_lr: Of the reference over every other method, where both have runs.
        speedup_best: The same, each at its own best learning rate.
        curvature: Largest Hessian eigenvalue where the runs start; NaN if not known.
        level: Level of the intervals.
        n_boot: Number of resamples of the seeds.
        seed: Seed of the resampling.
    """

    reference: str
    methods: tuple[MethodName, ...]
    lr: tuple[float, ...]
    at_lr: tuple[MethodTime, ...]
    best: tuple[MethodTime, ...]
    beyond: tuple[MethodTime, ...]
    speedup_at_lr: tuple[SpeedUp, ...]
    speedup_best: tuple[SpeedUp, ...]
    curvature: float
    level: float
    n_boot: int
    seed: int


def compare(
    runs: pa.Table | Mapping[str, ArrayLike],
    methods: Sequence[Method],
    *,
    curvature: float | None = None,
    scan: TimeGrid | None = None,
    reference: str = REFERENCE,
    level: float = 0.95,
    n_boot: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare methods by their times to the goal.

    Args:
        runs: One row per run, columns as for :func:`flatfast.lab.estimation.times.time_grid`, and
            ``method``. A method's runs are those of its name with the momentum that it asks for at
            their learning rate.
        methods: The methods.
        curvature: Largest Hessian eigenvalue where the runs start: learning rates above a method's
            stability limit are kept apart. None if it is not known; then none is.
        scan: Runs over momenta and learning rates, for the two oracles; None leaves them out.
        reference: Name of the method that the others are compared with.
        level: Level of the intervals, in (0, 1).
        n_boot: Number of resamples of the seeds.
        seed: Seed of the resampling.

    Returns:
        The comparison.

    Raises:
        ValueError: If names are not distinct or lack the reference, ``level`` is out of (0, 1), a
            column is missing, or there are no rows.
    """
    names = [method.name for method in methods]
    if len(set(names)) < len(names):
        raise ValueError(f"methods must have distinct names, got {', '.join(names)}")
    if reference not in names:
        raise ValueError(f"reference must be one of {', '.join(names)}, got {reference!r}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), got {level}")
    rows = with_shortest_cycles(columns_of(runs, (*COLUMNS, "method")))
    own_seeds = rows["seed"].astype(np.int64)
    seeds = np.unique(np.concatenate([own_seeds, *([scan.seed] if scan is not None else [])]))
    if not len(seeds):
        raise ValueError("runs must have at least one row, got none")
    indices = resamples(len(seeds), n_boot, seed)

    tables: list[MethodTable] = []
    beyond: list[MethodTable] = []
    for method in methods:
        limit = float("nan") if curvature is None else stability_limit(method, curvature)
        # Half a rounding of three digits more, as the rates themselves are rounded.
        highest = float("inf") if curvature is None else 1.005 * SAFE * limit
        rates = rates_of(method, rows)
        for lr, kept in (
            ([lr for lr in rates if lr <= highest], tables),
            ([lr for lr in rates if lr > highest], beyond),
        ):
            kept.append(measured_table(method, lr, rows, seeds, indices, limit))
    common = _common_rates(tables, names.index(reference))
    if scan is not None:
        tables += oracle_tables(scan, seeds, indices, curvature)
    best = [table.best() for table in tables]
    own = names.index(reference)
    others = [k for k in range(len(tables)) if k != own]
    return Comparison(
        reference=reference,
        methods=tuple(MethodName(t.name, t.source, t.stable_below) for t in tables),
        lr=tuple(common),
        at_lr=tuple(time for table in tables for time in _times(table, level)),
        best=tuple(
            _time(table, chosen, series, level)
            for table, (chosen, series) in zip(tables, best, strict=True)
        ),
        beyond=tuple(time for table in beyond for time in _times(table, level)),
        speedup_at_lr=tuple(
            speedup for k in others for speedup in _speed_ups(tables[k], tables[own], level)
        ),
        speedup_best=tuple(
            _speed_up(tables[k].name, float("nan"), best[k][1], best[own][1], level) for k in others
        ),
        curvature=float("nan") if curvature is None else curvature,
        level=level,
        n_boot=n_boot,
        seed=seed,
    )


def _common_rates(tables: Sequence[MethodTable], own: int) -> list[float]:
    """The reference's learning rates that at least half of the methods share."""
    return [
        lr
        for lr in tables[own].lr
        if 2 * sum(table.index(lr) is not None for table in tables) >= len(tables)
    ]


def _times(table: MethodTable, level: float) -> list[MethodTime]:
    """The times at all learning rates at which there are runs."""
    return [_time(table, e, table.at(e), level) for e in np.flatnonzero(table.runs).tolist()]


def _speed_ups(table: MethodTable, reference: MethodTable, level: float) -> list[SpeedUp]:
    """The ratios at the learning rates that both have."""
    found = []
    for e, lr in enumerate(table.lr):
        r = reference.index(lr)
        if r is not None and table.runs[e]:
            found.append(_speed_up(table.name, lr, table.at(e), reference.at(r), level))
    return found


def _time(table: MethodTable, e: int, series: Series, level: float) -> MethodTime:
    if not len(table.lr):
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        lost = float("nan")
        return MethodTime(table.name, lost, lost, "no runs", nothing, lost, 0, 0, 0, note="no runs")
    interval = percentile_interval(series.log_time, series.boot, level)
    steps = (float(np.exp(end)) for end in (interval.estimate, interval.low, interval.high))
    setting = table.settings[e]
    notes = (setting.note, _caveat(table, e, series))
    return MethodTime(
        method=table.name,
        lr=table.lr[e],
        momentum=setting.momentum,
        outcome=series.outcome,
        time=Interval(*steps),
        limit=series.limit,
        runs=int(table.runs[e]),
        converged=int(table.converged[e]),
        diverged=int(table.diverged[e]),
        end=series.end,
        note="; ".join(note for note in notes if note),
    )


def _caveat(table: MethodTable, e: int, series: Series) -> str:
    """What to know of a best time, in words."""
    if series.end == "greatest":
        near = table.lr[e] > 0.99 * SAFE * table.stable_below
        within = f" ({SAFE:g} of its stability limit)" if near else ""
        return f"best at the end of its range{within}: may be faster beyond"
    if series.end == "least":
        return "best at the least learning rate compared: may be faster below"
    if series.end == "short":
        return "runs at other learning rates were too short to rule out a better one"
    return ""


def _speed_up(name: str, lr: float, method: Series, reference: Series, level: float) -> SpeedUp:
    ratio, relation = ratio_of(method, reference, level)
    if relation in ("=", "~"):
        text = f"{ratio.estimate:.3g} times ({ratio.low:.3g} to {ratio.high:.3g})"
        if relation == "~":
            text += ", both at an end of what was compared"
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
