"""The law beside other rules for the momentum: time to the goal at each learning rate."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from flatfast.lab.estimation.comparison import MethodTime
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.report import method_lines
from flatfast.lab.report.axes import LR, TIME, log_axis, padded
from flatfast.lab.report.keys import line_entry, mark_entry
from flatfast.lab.report.study import Study
from flatfast.lab.report.theme import Theme, new_figure, themed

STACKED = 11.0
"""Points between marks on top of each other."""

ROOM_PER_LEVEL = 0.045
"""Share of the height of the axes that one mark of a stack takes."""


@themed
def method_comparison(study: Study, theme: Theme) -> Figure:
    """Median T_c of every method against the learning rate, its best one ringed.

    Raises:
        CannotDraw: If no methods were compared, or none of them has runs.
    """
    found, shown = method_lines.compared(study)
    figure = new_figure(height=5.2)
    axes = figure.add_subplot()
    look = method_lines.looks(found, theme)
    levels = _levels(shown)
    entries = []
    for name in (method.name for method in found.methods):
        own = [time for time in shown if time.method == name]
        if own:
            method_lines.draw_line(axes, own, look[name], theme)
            above = [STACKED * levels.get((name, time.lr), 0) for time in own]
            method_lines.tell_times(axes, own, up=above)
            _marks(axes, own, look[name], above)
            entries.append(method_lines.entry(name, look[name]))
    method_lines.ring(axes, found.best, theme)
    if any(time.outcome == "beyond limit" for time in shown):
        arrow = r"$\uparrow$"
        entries.append(mark_entry("longer than the run", marker=arrow, ms=9, color=theme.ink))
    if any(time.outcome == "diverged" for time in shown):
        entries.append(mark_entry("diverged", marker="x", ms=6, color=theme.ink))
    entries += method_lines.ring_entries(found.best, theme)
    if study.forecast is not None:
        entries.insert(1, _forecast(axes, study.forecast, [t.lr for t in shown], theme))
    steps = [end for t in shown for end in method_lines.ends(t)]
    log_axis(axes, "x", *padded([t.lr for t in shown], 0.08))
    low, high = padded(steps, 0.06)
    headroom = (high / low) ** (ROOM_PER_LEVEL * max(levels.values(), default=0))
    log_axis(axes, "y", low, 1.2 * high * headroom)
    axes.set_xlabel(LR)
    axes.set_ylabel(TIME)
    figure.legend(handles=entries, loc="outside lower center", ncols=2, columnspacing=0.9)
    return figure


def _forecast(axes: Axes, forecast: Forecast, rates: list[float], theme: Theme) -> Line2D:
    """The law's time as the theory foretold it, with the C that it foretold."""
    lr = np.array([min(rates), max(rates)])
    look: dict[str, Any] = {"color": theme.accent, "lw": 7, "alpha": 0.3}
    axes.plot(lr, forecast.answer_time * lr**-LAW, solid_capstyle="butt", zorder=1.8, **look)
    return line_entry("law, forecast", **look)


def _levels(shown: list[MethodTime]) -> dict[tuple[str, float], int]:
    """How far up each mark without a time is stacked: many methods share the runs' length."""
    levels: dict[tuple[str, float], int] = {}
    below: dict[tuple[float, float], int] = {}
    for time in shown:
        if time.outcome != "measured":
            place = (time.lr, time.limit)
            levels[time.method, time.lr] = below.setdefault(place, 0)
            below[place] += 1
    return levels


def _marks(axes: Axes, times: list[MethodTime], look: dict[str, Any], above: list[float]) -> None:
    """Methods without a median time at a learning rate, from the runs' length upwards."""
    for time, points in zip(times, above, strict=True):
        if time.outcome == "measured":
            continue
        marker, size = (r"$\uparrow$", 9) if time.outcome == "beyond limit" else ("x", 6)
        up = ScaledTranslation(0, points / 72, axes.figure.dpi_scale_trans)
        place = axes.transData + up
        axes.plot(
            time.lr, time.limit, ls="", marker=marker, ms=size, color=look["color"], transform=place
        )
