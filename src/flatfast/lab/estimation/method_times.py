"""Median times of methods with their resamples, and what follows from two of them.

The bookkeeping behind :mod:`flatfast.lab.estimation.comparison`: where a method's runs are, what a
median beyond the run length says, and how bounds go through a minimum and a ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.methods import BEST_AT_EACH_LR, BEST_CONSTANT, Method, Setting
from flatfast.lab.estimation.resampling import median, percentile_interval, resampled_medians
from flatfast.lab.estimation.times import TimeGrid, outcomes, same

Outcome: TypeAlias = Literal["measured", "beyond limit", "diverged", "no runs"]
"""What is known of a method's time: the median; that it is longer than the runs; that it has none,
because at least half of the runs diverged; nothing."""

Relation: TypeAlias = Literal["=", ">", "<", "unknown"]
"""How a true value stands to the estimate given for it."""


@dataclass(frozen=True, eq=False)
class Series:
    """A median time with its resamples.

    Attributes:
        log_time: Log of the median T_c; +inf unless measured, NaN without runs.
        boot: The same of each resample, (B,).
        limit: Steps beyond which an infinite time lies.
        outcome: What is known.
    """

    log_time: float
    boot: NDArray[np.float64]
    limit: float
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class MethodTable:
    """Median times of a method at E learning rates.

    Attributes:
        name: The method's name.
        source: Where it comes from.
        lr: Nominal learning rates, ascending, E of them.
        settings: What the method uses at each.
        log_time: Log of the median T_c, (E,).
        boot: The same of each resample, (B, E).
        limit: Run length in steps, (E,); NaN without runs.
        runs: Number of runs, (E,).
        converged: How many converged, (E,).
        diverged: How many diverged, (E,).
    """

    name: str
    source: str
    lr: tuple[float, ...]
    settings: tuple[Setting, ...]
    log_time: NDArray[np.float64]
    boot: NDArray[np.float64]
    limit: NDArray[np.float64]
    runs: NDArray[np.int64]
    converged: NDArray[np.int64]
    diverged: NDArray[np.int64]

    def at(self, e: int) -> Series:
        """The time at the e-th learning rate."""
        outcome: Outcome = "measured"
        if not self.runs[e]:
            outcome = "no runs"
        elif np.isposinf(self.log_time[e]):
            outcome = "diverged" if 2 * self.diverged[e] >= self.runs[e] else "beyond limit"
        return Series(float(self.log_time[e]), self.boot[:, e], float(self.limit[e]), outcome)

    def best(self) -> tuple[int, Series, str]:
        """The time at the best learning rate, chosen anew in each resample.

        Returns:
            Index of the best learning rate, the time, and a note where the choice is not final.
        """
        each = [self.at(e) for e in range(len(self.lr))]
        measured = [e for e, series in enumerate(each) if series.outcome == "measured"]
        open_ended = [e for e, series in enumerate(each) if series.outcome == "beyond limit"]
        boot = np.min(np.where(np.isnan(self.boot), np.inf, self.boot), axis=1)
        # The least of several times, each beyond its own limit, is beyond the least limit.
        bounds = [self.limit[e] for e in open_ended or measured]
        limit = float(np.min(bounds)) if bounds else float("nan")
        if measured:
            chosen = min(measured, key=lambda e: self.log_time[e])
            least = float(self.log_time[chosen])
            return chosen, Series(least, boot, limit, "measured"), self._caveat(chosen, open_ended)
        if open_ended:
            chosen = min(open_ended, key=lambda e: self.limit[e])
            note = "not arrived within the runs at any learning rate"
            return chosen, Series(np.inf, boot, limit, "beyond limit"), note
        lost = [e for e, series in enumerate(each) if series.outcome == "diverged"]
        if lost:
            return lost[0], Series(np.inf, boot, np.nan, "diverged"), "diverged everywhere"
        return 0, Series(np.nan, np.full(len(boot), np.nan), np.nan, "no runs"), "no runs"

    def _caveat(self, chosen: int, open_ended: list[int]) -> str:
        shorter = [e for e in open_ended if np.log(self.limit[e]) < self.log_time[chosen]]
        if shorter:
            return f"runs at lr {self.lr[shorter[0]]:g} were too short to rule out a better one"
        end = {0: "least", len(self.lr) - 1: "greatest"}.get(chosen)
        if end and len(self.lr) > 1:
            return f"the best is the {end} learning rate compared: a better one may lie beyond"
        return ""


def measured_table(
    method: Method,
    lr: list[float],
    rows: Mapping[str, NDArray[np.generic]],
    seeds: NDArray[np.int64],
    indices: NDArray[np.intp],
) -> MethodTable:
    """The times of a method from its runs.

    Args:
        method: The method.
        lr: Nominal learning rates, ascending.
        rows: Columns of the runs, as :func:`flatfast.lab.estimation.times.columns_of` gives them.
        seeds: All seeds of the comparison, ascending, (S,).
        indices: Joint resamples of the seeds, (B, S).

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
        mine = named & same(rate, setting.lr) & same(1.0 - momentum, 1.0 - setting.momentum)
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
    )


def oracle_tables(
    scan: TimeGrid, lr: list[float], seeds: NDArray[np.int64], indices: NDArray[np.intp]
) -> list[MethodTable]:
    """The two oracles, from the cells of the scan at the learning rates that it has.

    The first takes the cell with the least median at each learning rate. The second takes the one
    momentum with the least mean over learning rates of the log median; a censored cell counts as
    its run length, which favours it.
    """
    rates = [np.flatnonzero(same(scan.lr, value)) for value in lr]
    rows = [int(found[0]) for found in rates if len(found)]
    known = [e for e, found in enumerate(rates) if len(found)]
    times = np.full((len(rows), len(scan.mu), len(seeds)), np.nan)
    times[:, :, np.searchsorted(seeds, scan.seed)] = scan.log_time[rows]
    log_limit = np.log(scan.limit[rows])
    both = np.concatenate([median(times)[None], resampled_medians(times, indices)])
    either = np.where(np.isnan(both), np.inf, both)

    own = np.argmin(either, axis=2)
    cost = np.where(np.isposinf(both), log_limit[:, None], both)
    # A momentum that was not run at every learning rate is no candidate: NaN stays NaN.
    mean = cost.mean(axis=1) if rows else np.zeros((len(both), len(scan.mu)))
    everywhere = ~np.isnan(mean[0])
    common = np.argmin(np.where(np.isnan(mean), np.inf, mean), axis=1)
    shared = np.broadcast_to(common[:, None], own.shape)

    def table(name: str, source: str, cell: NDArray[np.intp], exists: bool) -> MethodTable:
        chosen = np.take_along_axis(either, cell[..., None], axis=2)[..., 0]
        settings = [Setting(value, np.nan, "not a learning rate of the scan") for value in lr]
        log_time, limit = np.full((len(both), len(lr)), np.nan), np.full(len(lr), np.nan)
        counts = np.zeros((3, len(lr)), dtype=np.int64)
        for k, e in enumerate(known if exists else []):
            m = int(cell[0, k])
            arrived = np.isfinite(chosen[0, k]) or name == BEST_CONSTANT
            settings[e] = (
                Setting(lr[e], float(1.0 - scan.mu[m]))
                if arrived
                else Setting(lr[e], np.nan, "no momentum of the scan has a median time")
            )
            log_time[:, e], limit[e] = chosen[:, k], scan.limit[rows[k]]
            runs = scan.log_time[rows[k], m]
            counts[:, e] = (
                np.sum(~np.isnan(runs)),
                np.sum(np.isfinite(runs)),
                np.sum(scan.diverged[rows[k], m]),
            )
        return MethodTable(
            name, source, tuple(lr), tuple(settings), log_time[0], log_time[1:], limit, *counts
        )

    return [
        table(BEST_AT_EACH_LR, "oracle: the scan's best cell at each learning rate", own, True),
        table(
            BEST_CONSTANT,
            "oracle: the scan's momentum with the least mean log time",
            shared,
            bool(everywhere.any()),
        ),
    ]


def ratio_of(method: Series, reference: Series, level: float) -> tuple[Interval, Relation]:
    """Time of a method over that of the reference, with its interval.

    Where one of the two is beyond its limit the ratio is a bound; the resamples in which one is
    give the interval an end from the bound and the other end open.
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
        return Interval(ratio, low, high), "="
    if reference.outcome == "measured":
        return Interval(float(np.exp(top - reference.log_time)), low, float("inf")), ">"
    if method.outcome == "measured":
        return Interval(float(np.exp(method.log_time - bottom)), 0.0, high), "<"
    return nothing, "unknown"
