"""Convergence time against momentum, one curve per learning rate."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.report.axes import (
    FORECAST,
    FORETOLD,
    LR,
    TIME,
    forecast_line,
    log_axis,
    lr_colorbar,
    lr_colours,
    padded,
)
from flatfast.lab.report.keys import line_entry, mark_entry
from flatfast.lab.report.study import (
    CannotDraw,
    Study,
    best_momenta,
    median_time,
    mostly_diverged,
    outcomes,
    quantile_time,
    require_times,
)
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.values import tell

SPREAD = (0.25, 0.75)
"""Quantiles over seeds between which the band lies."""

QUARTER = "a quarter of the seeds by (steps)"
THREE_QUARTERS = "three quarters by (steps)"

MOMENTA = (0.9, 0.99, 0.999, 0.9999, 0.99999, 0.0, 0.5, 0.95, 0.995, 0.9995, 0.8, 0.98, 0.998)
"""Labels of the axis of momentum; earlier ones go first where there is no room for all."""

APART = 0.15
"""Least distance between two of them, as a share of the axis."""

LONGER: dict[str, Any] = {"marker": r"$\uparrow$", "ms": 9}
DIVERGED: dict[str, Any] = {"marker": "x", "ms": 5, "mew": 1.3}


@themed
def time_curves(study: Study, theme: Theme) -> Figure:
    """Median T_c against ``1 - momentum`` per learning rate, with the spread over seeds.

    Raises:
        CannotDraw: If the sweep has a single momentum, or no median time.
    """
    require_times(study)
    grid = study.grid
    if len(grid.mu) < 2:
        raise CannotDraw("A curve needs two or more momenta. Run the sweep with more.")
    times = median_time(grid)
    low, high = quantile_time(grid, SPREAD[0]), quantile_time(grid, SPREAD[1])
    diverged = mostly_diverged(grid)
    best = best_momenta(study)
    figure = new_figure(height=4.9)
    axes = figure.add_subplot()
    colours = lr_colours(grid.lr, theme)
    seen = np.concatenate([times[np.isfinite(times)], grid.limit])
    for e, colour in enumerate(colours):
        here = ~np.isnan(times[e])
        mu, limit = grid.mu[here], grid.limit[e]
        value = np.where(np.isfinite(times[e, here]), times[e, here], np.nan)
        axes.fill_between(
            mu,
            np.where(np.isfinite(value), low[e, here], np.nan),
            np.minimum(high[e, here], limit),
            where=np.isfinite(value),
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
        axes.plot(mu, value, color=colour, marker="o", ms=2.8, lw=1.6)
        beyond = np.isnan(value)
        _beyond(axes, mu[beyond & ~diverged[e, here]], limit, colour, LONGER)
        _beyond(axes, mu[beyond & diverged[e, here]], limit, colour, DIVERGED)
        tell(
            axes,
            mu,
            np.where(beyond, limit, value),
            {
                LR: grid.lr[e],
                study.convention.mu: mu,
                study.convention.momentum: 1 - mu,
                TIME: value,
                QUARTER: low[e, here],
                THREE_QUARTERS: high[e, here],
                "outcome": outcomes(times[e, here], diverged[e, here]),
            },
        )
        if best.located[e]:
            _optimum(axes, best.mu[e], best.time[e].estimate, theme)
            tell(
                axes,
                best.mu[e].estimate,
                best.time[e].estimate,
                {
                    LR: grid.lr[e],
                    study.convention.mu: best.mu[e].estimate,
                    study.convention.momentum: 1 - best.mu[e].estimate,
                    TIME: best.time[e].estimate,
                    QUARTER: None,
                    THREE_QUARTERS: None,
                    "outcome": "fitted optimum",
                },
            )
        if study.forecast is not None:
            C, time = forecast_line(study.forecast)
            scale = grid.lr[e] ** LAW
            seen = np.append(seen, study.forecast.answer_time / scale)
            axes.plot(C * scale, time / scale, color=theme.ink, ls=FORETOLD, lw=1.1, zorder=4)
    log_axis(axes, "x", *padded(grid.mu, 0.03))
    bottom, top = padded(seen, 0.06)
    log_axis(axes, "y", bottom, 1.15 * top)
    axes.set_xlabel(study.convention.mu)
    axes.set_ylabel(TIME)
    _momentum_above(axes, theme, study.convention.momentum)
    if len(grid.lr) > 1:
        lr_colorbar(figure, axes, grid.lr, theme)
    entries = [
        line_entry("median of the seeds", color=theme.ink, marker="o", ms=2.8, lw=1.6),
        line_entry("middle half of the seeds", color=theme.ink, alpha=0.25, lw=7),
    ]
    if best.located.any():
        look = {"marker": "D", "ms": 6, "mfc": theme.accent, "mec": theme.surface}
        entries.append(mark_entry("fitted optimum, interval", **look))
    if study.forecast is not None:
        entries.append(line_entry(FORECAST, color=theme.ink, ls=FORETOLD, lw=1.1))
    if (np.isposinf(times) & ~diverged).any():
        entries.append(mark_entry("longer than the run", color=theme.ink, **LONGER))
    if diverged.any():
        entries.append(mark_entry("diverged", color=theme.ink, **DIVERGED))
    figure.legend(handles=entries, loc="outside lower center", ncols=2, columnspacing=1.6)
    return figure


def _optimum(axes: Axes, mu: Interval, time: float, theme: Theme) -> None:
    axes.plot([mu.low, mu.high], [time, time], color=theme.accent, lw=2.2, zorder=5)
    axes.plot(mu.estimate, time, "D", ms=6.5, mfc=theme.accent, mec=theme.surface, zorder=6)


def _beyond(
    axes: Axes, mu: np.ndarray, limit: float, colour: tuple[float, ...], sign: dict[str, Any]
) -> None:
    """Cells without a median time, at the run's length."""
    axes.plot(mu, np.full(len(mu), limit), ls="", color=colour, **sign)


def _momentum_above(axes: Axes, theme: Theme, name: str) -> None:
    """The momentum itself on a second axis: the number that people set."""
    above = axes.secondary_xaxis("top")
    low, high = axes.get_xlim()
    span = np.log(high / low)
    marks: list[float] = []
    for mark in MOMENTA:
        inside = low <= 1 - mark <= high
        if inside and all(abs(np.log((1 - mark) / (1 - m))) > APART * span for m in marks):
            marks.append(mark)
    above.xaxis.set_major_locator(FixedLocator([1 - m for m in marks]))
    above.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{1 - value:.6g}"))
    above.xaxis.set_minor_locator(NullLocator())
    above.set_xlabel(name)
    above.tick_params(colors=theme.muted, labelcolor=theme.ink)
