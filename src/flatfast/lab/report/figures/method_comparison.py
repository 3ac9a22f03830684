"""The law beside other rules for the momentum: time to the goal at each learning rate."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from flatfast.lab.estimation.comparison import Comparison, MethodTime
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.methods import BEST_AT_EACH_LR, BEST_CONSTANT
from flatfast.lab.forecast import Forecast
from flatfast.lab.report.axes import LR, TIME, log_axis, padded
from flatfast.lab.report.study import CannotDraw, Study
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.typography import method_name, sentence

MARKERS = "sD^vPXhp"

STACKED = 11.0
"""Points between marks on top of each other."""

ROOM_PER_LEVEL = 0.045
"""Share of the height of the axes that one mark of a stack takes."""


@themed
def method_comparison(study: Study, theme: Theme) -> Figure:
    """Median T_c of every method against the nominal learning rate, its best one ringed.

    Raises:
        CannotDraw: If no methods were compared, or none of them has runs.
    """
    found = study.comparison
    if found is None:
        raise CannotDraw(
            sentence(
                study.missing.get(
                    "comparison",
                    "no other rules for the momentum were run, so there are no speed-ups",
                )
            )
        )
    shown = [t for t in found.at_lr if t.outcome != "no runs"]
    if not shown:
        raise CannotDraw("None of the compared methods has runs.")
    figure = new_figure(height=5.2)
    axes = figure.add_subplot()
    looks = _looks(found, theme)
    levels = _levels(shown)
    entries = []
    for name in (method.name for method in found.methods):
        own = [time for time in shown if time.method == name]
        if own:
            _draw(axes, own, looks[name], theme)
            unmeasured = [time for time in own if time.outcome != "measured"]
            _marks(axes, unmeasured, looks[name], [levels[name, t.lr] for t in unmeasured])
            _ring(axes, [t for t in found.best if t.method == name], theme)
            entries.append(Line2D([], [], label=method_name(name), **looks[name]))
    if any(time.outcome == "beyond limit" for time in shown):
        entries.append(
            Line2D(
                [],
                [],
                ls="",
                marker=r"$\uparrow$",
                ms=9,
                color=theme.ink,
                label="longer than the run",
            )
        )
    if any(time.outcome == "diverged" for time in shown):
        entries.append(Line2D([], [], ls="", marker="x", ms=6, color=theme.ink, label="diverged"))
    entries.append(
        Line2D(
            [],
            [],
            ls="",
            marker="o",
            ms=12,
            mfc="none",
            mec=theme.ink,
            label="own best learning rate",
        )
    )
    if study.forecast is not None:
        entries.insert(1, _forecast(axes, study.forecast, [t.lr for t in shown], theme))
    steps = [end for t in shown for end in _ends(t)]
    log_axis(axes, "x", *padded([t.lr for t in shown], 0.08))
    low, high = padded(steps, 0.06)
    headroom = (high / low) ** (ROOM_PER_LEVEL * max(levels.values(), default=0))
    log_axis(axes, "y", low, 1.2 * high * headroom)
    axes.set_xlabel(LR)
    axes.set_ylabel(TIME)
    figure.legend(handles=entries, loc="outside lower center", ncols=2, columnspacing=1.4)
    return figure


def _forecast(axes: Axes, forecast: Forecast, rates: list[float], theme: Theme) -> Line2D:
    """The law's time as the theory foretold it, with the C that it foretold."""
    lr = np.array([min(rates), max(rates)])
    look: dict[str, Any] = {"color": theme.accent, "lw": 7, "alpha": 0.3}
    axes.plot(lr, forecast.answer_time * lr**-LAW, solid_capstyle="butt", zorder=1.8, **look)
    return Line2D([], [], label="law, forecast", **look)


def _looks(found: Comparison, theme: Theme) -> dict[str, dict[str, Any]]:
    """Line style and colour of each method: the law stands out, the oracles stand back."""
    oracles = {BEST_AT_EACH_LR: (theme.ink, ":"), BEST_CONSTANT: (theme.muted, (0, (3, 1.3)))}
    looks: dict[str, dict[str, Any]] = {}
    plain = 0
    for method in found.methods:
        if method.name == found.reference:
            looks[method.name] = {
                "color": theme.accent,
                "marker": "o",
                "ms": 6,
                "lw": 2.6,
                "zorder": 5,
            }
        elif method.name in oracles:
            colour, dashes = oracles[method.name]
            looks[method.name] = {
                "color": colour,
                "ls": dashes,
                "marker": ".",
                "lw": 1.7,
                "zorder": 4,
            }
        else:
            looks[method.name] = {
                "color": theme.categories[plain % len(theme.categories)],
                "marker": MARKERS[plain % len(MARKERS)],
                "ms": 5,
                "lw": 1.3,
            }
            plain += 1
    return looks


def _draw(axes: Axes, times: list[MethodTime], look: dict[str, Any], theme: Theme) -> None:
    lr = np.array([time.lr for time in times])
    measured = np.array([time.outcome == "measured" for time in times])
    middle = np.array([t.time.estimate if t.outcome == "measured" else np.nan for t in times])
    ends = np.array([_ends(time) for time in times])
    axes.plot(lr, middle, mec=theme.surface, mew=0.5, **look)
    if measured.any():
        axes.vlines(
            lr[measured],
            ends[measured, 0],
            ends[measured, 1],
            color=look["color"],
            lw=1.3,
            zorder=look.get("zorder", 2),
        )


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


def _marks(axes: Axes, times: list[MethodTime], look: dict[str, Any], levels: list[int]) -> None:
    """Methods without a median time at a learning rate, from the runs' length upwards."""
    for time, level in zip(times, levels, strict=True):
        marker, size = (r"$\uparrow$", 9) if time.outcome == "beyond limit" else ("x", 6)
        up = ScaledTranslation(0, level * STACKED / 72, axes.figure.dpi_scale_trans)
        place = axes.transData + up
        axes.plot(
            time.lr, time.limit, ls="", marker=marker, ms=size, color=look["color"], transform=place
        )


def _ring(axes: Axes, best: list[MethodTime], theme: Theme) -> None:
    for time in best:
        if time.outcome == "measured":
            axes.plot(
                time.lr,
                time.time.estimate,
                "o",
                ms=12,
                mfc="none",
                mec=theme.ink,
                mew=1.1,
                zorder=7,
            )


def _ends(time: MethodTime) -> tuple[float, float]:
    """Ends of the interval, cut at the run's length; that length where there is no time."""
    if time.outcome != "measured":
        return time.limit, time.limit
    return time.time.low, min(time.time.high, time.limit)
