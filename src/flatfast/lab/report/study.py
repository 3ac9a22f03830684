"""What a report is about: stored runs, and what was estimated from them.

A :class:`Study` is plain data. Each part but the runs may be missing (one learning rate gives no
exponent, a sweep without comparison runs has no comparison); figures that need a missing part raise
:class:`CannotDraw`, which says what is missing and what to do, and the page prints that instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.estimation.collapse import Collapse
from flatfast.lab.estimation.comparison import Comparison
from flatfast.lab.estimation.conventions import Convention, convention_of
from flatfast.lab.estimation.exponent import ExponentFit
from flatfast.lab.estimation.generalization import Generalization
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.optimum import Optima
from flatfast.lab.estimation.resampling import median, percentile_interval
from flatfast.lab.estimation.times import TimeGrid
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.report.provenance import provenance

LEVEL = 0.95
"""Level of the intervals of optima where there is no exponent fit to say its own."""


class CannotDraw(ValueError):  # noqa: N818 - reads as a statement where it is raised
    """A figure's data are missing; the message says which, and what to do."""


@dataclass(frozen=True, eq=False)
class Study:
    """Runs and fits of one problem.

    Attributes:
        runs: One row per run, as the store keeps them (columns ``lr``, ``momentum``, ``seed``,
            ``status``, ``convergence_step``, ``steps``, ...); trajectories (``record_step`` and
            ``metric:<name>`` lists) where they were kept.
        manifest: Where the runs come from; see :func:`flatfast.lab.report.summary.summarise`.
        grid: Convergence times of the main sweep.
        optima: Best momentum at each learning rate; used where there is no ``fit``.
        fit: Best momentum at each learning rate, and the exponent.
        collapse: The scaled times.
        comparison: The law beside other rules for the momentum.
        forecast: What the theory said before the runs.
        missing: Part (``fit``, ``collapse``, ...) to the reason why it could not be estimated.
        generalization: Test metric over momentum, where one was recorded.
        sample: The rows whose trajectories are shown, and of which the test metric is read; None if
            they are all of ``runs``.
    """

    runs: pa.Table
    manifest: Mapping[str, Any]
    grid: TimeGrid
    optima: Optima | None = None
    fit: ExponentFit | None = None
    collapse: Collapse | None = None
    comparison: Comparison | None = None
    forecast: Forecast | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    generalization: Generalization | None = None
    sample: pa.Table | None = None

    @property
    def convention(self) -> Convention:
        """What momentum is to the optimizer of the runs."""
        return convention_of(self.manifest)

    @property
    def recorded(self) -> pa.Table:
        """Rows with their trajectories, where they were kept."""
        return self.runs if self.sample is None else self.sample


@dataclass(frozen=True, eq=False)
class Best:
    """The best momentum at each of E learning rates, wherever it comes from.

    Attributes:
        lr: (E,).
        mu: Best ``1 - momentum``; NaN where not located.
        time: T_c there, steps.
        located: (E,).
        reason: Why not located, "" where it was.
        level: Level of the intervals.
    """

    lr: NDArray[np.float64]
    mu: tuple[Interval, ...]
    time: tuple[Interval, ...]
    located: NDArray[np.bool_]
    reason: tuple[str, ...]
    level: float


def best_momenta(study: Study) -> Best:
    """The best momenta of the fit, else of the optima alone, else none at all."""
    if study.fit is not None:
        fit = study.fit
        return Best(fit.lr, fit.best_mu, fit.best_time, fit.located, fit.reason, fit.level)
    lr = study.grid.lr
    if study.optima is None:
        nowhere = tuple(Interval(np.nan, np.nan, np.nan) for _ in lr)
        why = study.missing.get("optima", "no optimum was estimated")
        none = np.zeros(len(lr), dtype=np.bool_)
        return Best(lr, nowhere, nowhere, none, (why,) * len(lr), LEVEL)
    optima = study.optima
    return Best(
        lr,
        _intervals(optima.log_mu, optima.boot_log_mu),
        _intervals(optima.log_time, optima.boot_log_time),
        optima.located,
        optima.reason,
        LEVEL,
    )


def _intervals(log_value: NDArray[np.float64], boot: NDArray[np.float64]) -> tuple[Interval, ...]:
    intervals = []
    for value, draws in zip(log_value, boot.T, strict=True):
        if np.isnan(value):
            intervals.append(Interval(np.nan, np.nan, np.nan))
            continue
        intervals.append(percentile_interval(float(value), draws, LEVEL).exp())
    return tuple(intervals)


def require_times(study: Study) -> None:
    """Check that at least one cell of the sweep has a median time.

    Raises:
        CannotDraw: If none has; nothing but blank cells could be drawn.
    """
    if not np.isfinite(median_time(study.grid)).any():
        raise CannotDraw(
            "No momentum has a median time within the runs. Make the runs longer, or the "
            "threshold easier."
        )


def median_time(grid: TimeGrid) -> NDArray[np.float64]:
    """Median T_c over seeds in steps, (E, M): +inf where censored, NaN where there are no runs."""
    return np.asarray(np.exp(median(grid.log_time)))


def quantile_time(grid: TimeGrid, share: float) -> NDArray[np.float64]:
    """The ``share`` quantile of T_c over seeds, an observed value, (E, M); censored as +inf."""
    ascending = np.sort(grid.log_time, axis=-1)
    count = np.sum(~np.isnan(ascending), axis=-1, keepdims=True)
    index = np.clip(np.rint(share * (count - 1)).astype(np.int64), 0, None)
    return np.asarray(np.exp(np.take_along_axis(ascending, index, axis=-1)[..., 0]))


def mostly_diverged(grid: TimeGrid) -> NDArray[np.bool_]:
    """Where the median is censored and at least half of the runs without a T_c diverged, (E, M)."""
    without = np.sum(np.isposinf(grid.log_time), axis=-1)
    lost = np.sum(grid.diverged, axis=-1)
    return np.asarray(np.isposinf(median_time(grid)) & (2 * lost >= without) & (lost > 0))


def outcomes(times: NDArray[np.float64], diverged: NDArray[np.bool_]) -> list[str]:
    """In a word what became of most runs of cells with these median times, (N,)."""
    return [
        "" if np.isfinite(time) else "diverged" if lost else "longer than the run"
        for time, lost in zip(times, diverged, strict=True)
    ]


def goal_metric(study: Study) -> str:
    """Name of the metric that runs had to bring down; "" if the manifest does not say."""
    goal = provenance(study.manifest).goal
    return "" if goal is None else str(goal["metric"])
