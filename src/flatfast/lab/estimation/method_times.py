"""Median times of methods with their resamples, and what follows from two of them.

The bookkeeping behind :mod:`flatfast.lab.estimation.comparison`: where a method's runs are, what a
median beyond the run length says, and how bounds go through a minimum and a ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.arrays import Floats, Indices
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.methods import Method, Setting
from flatfast.lab.estimation.resampling import median, percentile_interval, resampled_medians
from flatfast.lab.estimation.times import distinct, outcomes, same

Outcome: TypeAlias = Literal["measured", "beyond limit", "diverged", "no runs"]
"""What is known of a method's time: the median; that it is longer than the runs; that it has none,
because at least half of the runs diverged; nothing."""

Relation: TypeAlias = Literal["=", ">", "<", "~", "unknown"]
"""How a true value stands to the estimate given for it; ``~`` says that it may be either more or
less, since both times of a ratio may be."""

End: TypeAlias = Literal["", "least", "greatest", "short"]
"""Why a method may be faster than its best time says: its best learning rate is the least or the
greatest that was compared, or runs at another were too short to rule it out."""


@dataclass(frozen=True, eq=False)
class Series:
    """A median time with its resamples.

    Attributes:
        log_time: Log of the median T_c; +inf unless measured, NaN without runs.
        boot: The same of each resample, (B,).
        limit: Steps beyond which an infinite time lies.
        outcome: What is known.
        end: For a best time, why a better one may not have been seen.
    """

    log_time: float
    boot: Floats
    limit: float
    outcome: Outcome
    end: End = ""


@dataclass(frozen=True, eq=False)
class MethodTable:
    """Median times of a method at E learning rates.

    Attributes:
        name: The method's name.
        source: Where it comes from.
        lr: Its learning rates, ascending, E of them.
        settings: What the method uses at each.
        log_time: Log of the median T_c, (E,).
        boot: The same of each resample, (B, E).
        limit: Run length in steps, (E,); NaN without runs.
        runs: Number of runs, (E,).
        converged: How many converged, (E,).
        diverged: How many diverged, (E,).
        stable_below: The method's stability limit where the runs start; NaN if not known.
    """

    name: str
    source: str
    lr: tuple[float, ...]
    settings: tuple[Setting, ...]
    log_time: Floats
    boot: Floats
    limit: Floats
    runs: NDArray[np.int64]
    converged: NDArray[np.int64]
    diverged: NDArray[np.int64]
    stable_below: float = float("nan")

    def at(self, e: int) -> Series:
        """The time at the e-th learning rate."""
        outcome: Outcome = "measured"
        if not self.runs[e]:
            outcome = "no runs"
        elif np.isposinf(self.log_time[e]):
            outcome = "diverged" if 2 * self.diverged[e] >= self.runs[e] else "beyond limit"
        return Series(float(self.log_time[e]), self.boot[:, e], float(self.limit[e]), outcome)

    def index(self, lr: float) -> int | None:
        """Where a learning rate stands among the method's; None if it is not one."""
        found = np.flatnonzero(same(np.array(self.lr), lr))
        return int(found[0]) if len(found) else None

    def best(self) -> tuple[int, Series]:
        """The time at the best learning rate, chosen anew in each resample.

        Returns:
            Index of the best learning rate, and the time.
        """
        each = [self.at(e) for e in range(len(self.lr))]
        measured = [e for e, series in enumerate(each) if series.outcome == "measured"]
        open_ended = [e for e, series in enumerate(each) if series.outcome == "beyond limit"]
        boot = np.min(np.where(np.isnan(self.boot), np.inf, self.boot), axis=1, initial=np.inf)
        # The least of several times, each beyond its own limit, is beyond the least limit.
        bounds = [self.limit[e] for e in open_ended or measured]
        limit = float(np.min(bounds)) if bounds else float("nan")
        if measured:
            chosen = min(measured, key=lambda e: self.log_time[e])
            least = float(self.log_time[chosen])
            return chosen, Series(least, boot, limit, "measured", self._end(chosen, open_ended))
        if open_ended:
            chosen = min(open_ended, key=lambda e: self.limit[e])
            return chosen, Series(np.inf, boot, limit, "beyond limit")
        lost = [e for e, series in enumerate(each) if series.outcome == "diverged"]
        if lost:
            return lost[0], Series(np.inf, boot, np.nan, "diverged")
        return 0, Series(np.nan, np.full(len(boot), np.nan), np.nan, "no runs")

    def _end(self, chosen: int, open_ended: list[int]) -> End:
        with_runs = np.flatnonzero(self.runs)
        if chosen == with_runs[-1]:
            return "greatest"
        if chosen == with_runs[0]:
            return "least"
        short = any(np.log(self.limit[e]) < self.log_time[chosen] for e in open_ended)
        return "short" if short else ""


def rates_of(method: Method, rows: Mapping[str, NDArray[np.generic]]) -> list[float]:
    """The learning rates at which a method has runs with the momentum that it asks for there."""
    named = rows["method"].astype(np.str_) == method.name
    rate, mu = rows["lr"][named].astype(np.float64), 1.0 - rows["momentum"][named].astype(float)
    lr, index = distinct(rate)
    return [
        float(value)
        for e, value in enumerate(lr)
        if same(mu[index == e], 1.0 - method.setting(float(value)).momentum).any()
    ]


def measured_table(
    method: Method,
    lr: list[float],
    rows: Mapping[str, NDArray[np.generic]],
    seeds: NDArray[np.int64],
    indices: Indices,
    stable_below: float = float("nan"),
) -> MethodTable:
    """The times of a method from its runs.

    Args:
        method: The method.
        lr: Learning rates, ascending.
        rows: Columns of the runs, as :func:`flatfast.lab.estimation.times.columns_of` gives them.
        seeds: All seeds of the comparison, ascending, (S,).
        indices: Joint resamples of the seeds, (B, S).
        stable_below: The method's stability limit.

    Raises:
        ValueError: If a run appears twice, or runs at one setting differ in length.
    """
    log_time, lost = outcomes(rows)
    rate, momentum = rows["lr"].astype(np.float64), rows["momentum"].astype(np.float64)
    steps = rows["steps"].astype(np.float64)
    settings = tuple(method.setting(value) for value in lr)
    times = np.full((len(lr), len(seeds)), np.nan)
    limit, diverged = np.full(len(lr), np.nan), np.zeros(len(lr), dtype=np.int64)
    named = rows["method"].astype(np.str_) == method.name
    for e, setting in enumerate(settings):
        mine = named & same(rate, lr[e]) & same(1.0 - momentum, 1.0 - setting.momentum)
        if not mine.any():
            continue
        layer = np.searchsorted(seeds, rows["seed"][mine].astype(np.int64))
        if len(np.unique(layer)) < len(layer):
            raise ValueError(
                f"each run must appear once, got a seed of {method.name!r} at lr {lr[e]:g} twice"
            )
        if len(np.unique(steps[mine])) > 1:
            raise ValueError(
                f"runs at one setting must have one length, got {np.unique(steps[mine]).tolist()} "
                f"for {method.name!r} at lr {lr[e]:g}"
            )
        times[e, layer] = log_time[mine]
        limit[e] = steps[mine][0]
        diverged[e] = lost[mine].sum()
    return MethodTable(
        method.name,
        method.source,
        tuple(lr),
        settings,
        median(times),
        resampled_medians(times, indices),
        limit,
        np.sum(~np.isnan(times), axis=1),
        np.sum(np.isfinite(times), axis=1),
        diverged,
        stable_below,
    )


def ratio_of(method: Series, reference: Series, level: float) -> tuple[Interval, Relation]:
    """Time of a method over that of the reference, with its interval.

    Where one of the two is beyond its limit the ratio is a bound; the resamples in which one is
    give the interval an end from the bound and the other end open. It is a bound too where a best
    time lies at an end of what was compared and may be beaten beyond it: an upper bound if the
    method's does, a lower bound if the reference's does, neither (``~``) if both do.
    """
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    if any(series.outcome in ("diverged", "no runs") for series in (method, reference)):
        return nothing, "unknown"
    above, below = method.boot, reference.boot
    top, bottom = np.log(method.limit), np.log(reference.limit)
    late, unknown = np.isposinf(above), np.isposinf(below)
    with np.errstate(invalid="ignore"):
        least = np.where(unknown, -np.inf, np.where(late, top, above) - below)
        most = np.where(late, np.inf, above - np.where(unknown, bottom, below))
    low = float(np.exp(percentile_interval(0.0, least, level).low))
    high = float(np.exp(percentile_interval(0.0, most, level).high))
    if method.outcome == "measured" and reference.outcome == "measured":
        ratio = float(np.exp(method.log_time - reference.log_time))
        if method.end and reference.end:
            return Interval(ratio, low, high), "~"
        if method.end:
            return Interval(ratio, 0.0, high), "<"
        if reference.end:
            return Interval(ratio, low, float("inf")), ">"
        return Interval(ratio, low, high), "="
    if reference.outcome == "measured":
        return Interval(float(np.exp(top - reference.log_time)), low, float("inf")), ">"
    if method.outcome == "measured":
        return Interval(float(np.exp(method.log_time - bottom)), 0.0, high), "<"
    return nothing, "unknown"
