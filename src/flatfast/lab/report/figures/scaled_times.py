"""The data collapse: rescaled by the law, all learning rates lie on one curve."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.estimation.collapse import Collapse
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.report.axes import (
    FORETOLD,
    LR,
    TIME,
    forecast_line,
    log_axis,
    lr_colorbar,
    lr_colours,
    padded,
)
from flatfast.lab.report.study import CannotDraw, Study
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.typography import exponent_name, fixed, number, sentence
from flatfast.lab.report.values import tell

MARKERS = "osD^vP*X"
"""Repeat what the colour says: which learning rate."""


@themed
def scaled_times(study: Study, theme: Theme) -> Figure:
    """``T_c lr^gamma`` against ``mu / lr^gamma`` for every learning rate.

    Raises:
        CannotDraw: If the sweep could not be rescaled.
    """
    collapse = study.collapse
    if collapse is None:
        raise CannotDraw(
            sentence(study.missing.get("collapse", "the times were not rescaled"))
            + " Sweep two or more learning rates over the same momenta."
        )
    figure = new_figure(height=4.5)
    axes = figure.add_subplot()
    power = f"lr$^{{{exponent_name(collapse.gamma)}}}$"
    plain = f"lr^({exponent_name(collapse.gamma)})"
    constant = study.fit.prefactor if study.fit is not None else None
    convention = study.convention
    held = np.isclose(collapse.gamma, convention.law)
    if not held or constant is None or not np.isfinite(constant.low):
        constant = None
    if constant is not None:
        low, at, high = (
            value**convention.power for value in (constant.low, constant.estimate, constant.high)
        )
        axes.axvspan(low, high, color=theme.accent, alpha=0.2, lw=0)
        axes.axvline(at, color=theme.accent, lw=1.6, zorder=1.9)
    for e, colour in enumerate(lr_colours(collapse.lr, theme)):
        own = collapse.lr_index == e
        axes.plot(
            collapse.x[own],
            collapse.y[own],
            color=colour,
            marker=MARKERS[e % len(MARKERS)],
            ms=4.5,
            lw=1.1,
            mec=theme.surface,
            mew=0.4,
        )
        scale = collapse.lr[e] ** collapse.gamma
        tell(
            axes,
            collapse.x[own],
            collapse.y[own],
            {
                LR: collapse.lr[e],
                convention.mu: collapse.x[own] * scale,
                TIME: collapse.y[own] / scale,
                f"({convention.mu}) / {plain}": collapse.x[own],
                f"convergence time × {plain} (steps)": collapse.y[own],
            },
        )
    told: list[float] = []
    if study.forecast is not None and np.isclose(collapse.gamma, LAW):
        _forecast(axes, study.forecast, theme)
        told = [study.forecast.answer_time]
    log_axis(axes, "x", *padded(collapse.x, 0.04))
    log_axis(axes, "y", *padded(np.append(collapse.y, told), 0.06))
    axes.set_xlabel(f"({convention.mu}) / {power}")
    axes.set_ylabel(f"convergence time × {power} (steps)")
    lr_colorbar(figure, axes, collapse.lr, theme)
    axes.set_title(_findings(collapse, constant), loc="left", fontsize=11, linespacing=1.4)
    return figure


def _forecast(axes: Axes, forecast: Forecast, theme: Theme) -> None:
    C, time = forecast_line(forecast)
    axes.plot(
        C,
        time,
        color=theme.ink,
        ls=FORETOLD,
        lw=1.8,
        label=f"forecast, from {forecast.way}",
        zorder=4,
    )
    # Framed, since the line of the best C may pass behind it.
    axes.legend(loc="upper center", frameon=True, edgecolor="none", framealpha=1)


def _findings(collapse: Collapse, constant: Interval | None) -> str:
    """What the collapse gives, in up to two lines."""
    first, second = [], ""
    if np.isfinite(collapse.quality):
        first.append(f"curves {number(100 * collapse.quality, 2)}% apart")
    if constant is not None:
        ends = f"{number(constant.low)} to {number(constant.high)}"
        first.append(f"best C {number(constant.estimate)} ({ends})")
    gamma = collapse.best_gamma
    if np.isfinite(gamma.low):
        ends = f"{fixed(gamma.low)} to {fixed(gamma.high)}"
        second = f"closest at exponent {fixed(gamma.estimate)} ({ends})"
    return "\n".join(line for line in (", ".join(first), second) if line)
