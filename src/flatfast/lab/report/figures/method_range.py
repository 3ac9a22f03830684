"""The fairest picture: every rule over learning rates up to its own stability limit, and above."""

import numpy as np
from matplotlib.figure import Figure

from flatfast.lab.estimation.comparison import MethodTime
from flatfast.lab.estimation.methods import BEST_AT_EACH_LR, BEST_CONSTANT
from flatfast.lab.report import method_lines
from flatfast.lab.report.axes import LR, TIME, log_axis
from flatfast.lab.report.keys import mark_entry
from flatfast.lab.report.study import CannotDraw, Study
from flatfast.lab.report.theme import Theme, new_figure, themed

BELOW = 16.0
"""How far below the greatest stability limit the figure begins at most, as a factor."""

SLOWEST = 12.0
"""How many times the fastest time up to the limits is still shown."""

SOONEST = 5.0
"""How far below it times with catapults are shown."""


@themed
def method_range(study: Study, theme: Theme) -> Figure:
    """Steps to the goal over learning rate near the stability limits, which are marked.

    A line with intervals per method up to its limit, its best time ringed; above its limit its
    times with catapults as hollow marks.

    Raises:
        CannotDraw: If no methods were compared, their limits are not known, or none has a time.
    """
    found, every = method_lines.compared(study)
    limits = {m.name: m.stable_below for m in found.methods if np.isfinite(m.stable_below)}
    if not limits:
        raise CannotDraw("The methods' stability limits are not known.")
    least = max(max(limits.values()) / BELOW, min(time.lr for time in every))
    shown = [t for t in every if t.lr >= least and t.outcome == "measured"]
    beyond = [t for t in found.beyond if t.outcome == "measured"]
    if not shown:
        raise CannotDraw("No compared method has a median time near its stability limit.")
    fastest = min(t.time.estimate for t in shown)
    figure = new_figure(height=5.6)
    axes = figure.add_subplot()
    look = method_lines.looks(found, theme)
    entries = []
    for name in (method.name for method in found.methods):
        own = [time for time in every if time.method == name and time.lr >= least]
        if not any(_within(time, fastest) for time in own):
            continue
        method_lines.draw_line(axes, own, look[name], theme)
        method_lines.tell_times(axes, [t for t in own if t.outcome == "measured"])
        entries.append(method_lines.entry(name, look[name]))
        if name in limits and name not in (BEST_AT_EACH_LR, BEST_CONSTANT):
            axes.axvline(limits[name], 0, 0.045, color=look[name]["color"], lw=2.2)
        catapulted = [time for time in beyond if time.method == name]
        method_lines.tell_times(axes, catapulted, measured_as="above its stability limit")
        for time in catapulted:
            axes.plot(
                time.lr,
                time.time.estimate,
                ls="",
                marker=look[name].get("marker", "o"),
                ms=5,
                mfc="none",
                mec=look[name]["color"],
            )
    inside = [t for t in found.best if t.lr >= least and _within(t, fastest)]
    method_lines.ring(axes, inside, theme)
    entries += [
        mark_entry("its stability limit", marker="|", ms=11, mew=2.2, color=theme.ink),
        mark_entry("above it: with catapults", marker="o", ms=5, mfc="none", mec=theme.ink),
        *method_lines.ring_entries(inside, theme),
    ]
    steps = [end for t in shown if _within(t, fastest) for end in method_lines.ends(t)]
    log_axis(axes, "x", least / 1.05, 1.1 * max([*limits.values(), *(t.lr for t in beyond)]))
    lowest = max(min([fastest, *(t.time.estimate for t in beyond)]), fastest / SOONEST)
    log_axis(axes, "y", lowest / 1.6, min(1.2 * max(steps), SLOWEST * fastest))
    axes.set_xlabel(LR)
    axes.set_ylabel(TIME)
    figure.legend(handles=entries, loc="outside lower center", ncols=2, columnspacing=0.9)
    return figure


def _within(time: MethodTime, fastest: float) -> bool:
    return time.outcome == "measured" and time.time.estimate <= SLOWEST * fastest
