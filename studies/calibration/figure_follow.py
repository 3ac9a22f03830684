"""C over a run against the fall of the sharpness, and steps by each method, drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.calibration.naming import name
from studies.calibration.rows import USUAL, rate_at
from studies.calibration.tables_follow import DEVELOPED, METHODS, ratios_of

Row = dict[str, Any]

HIGHEST = 2.05
"""Top of the axis of steps; what is above is drawn there, as a triangle."""


@themed
def following(result: Row, theme: Theme) -> Figure:
    """C of the first run of some cases, and the cases' steps over the best constant.

    Those with data drawn anew, which say the same, are in the table alone.
    """
    every = (label for label in result["sweeps"] if label not in USUAL)
    labels = [label for label in every if ratios_of(result, label)]
    figure = new_figure(11.5, 1.6 + 0.24 * len(labels))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    _paths(left, result, theme)
    _steps(right, result, labels, theme)
    return figure


def _paths(axes: Axes, result: Row, theme: Theme) -> None:
    """C in units of the best constant, against the sharpness."""
    known = result["follow"].keys() & result["sweeps"].keys()
    shown = [label for label in DEVELOPED if label in known]
    for index, label in enumerate(shown):
        rate = rate_at(result["sweeps"][label], 1.0)
        if rate is None or rate["best_C"] is None:
            continue
        path = np.array(result["follow"][label]["path"])
        within = path[:, 0] <= 2 * rate["best_time"]
        colour = (*theme.categories, theme.accent, theme.muted)[index]
        place = path[within, 1], path[within, 2] / rate["best_C"]
        axes.step(*place, where="post", color=colour, lw=1.6, label=_short(result, label))
    axes.axhline(1.0, color=theme.muted, lw=1, zorder=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1.05, 0.12)
    axes.set_xticks([1, 0.7, 0.5, 0.35, 0.25, 0.15], ["1", "0.7", "0.5", "0.35", "0.25", "0.15"])
    axes.set_yticks([0.5, 0.7, 1, 1.5, 2, 3], ["0.5", "0.7", "1", "1.5", "2", "3"])
    axes.minorticks_off()
    axes.set_xlabel("sharpness, as a share of the start's, least so far")
    axes.set_ylabel("C in use / best constant C")
    axes.set_title("one run of each, to twice the best constant's steps")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8.5)


def _steps(axes: Axes, result: Row, labels: list[str], theme: Theme) -> None:
    marks = {"start": "o", "fall": "D", "follow": "s"}
    for place, label in enumerate(reversed(labels)):
        told = ratios_of(result, label)
        for index, method in enumerate(METHODS):
            if method not in told:
                continue
            beyond = told[method] > HIGHEST
            x = HIGHEST if beyond else told[method]
            colour = (theme.muted, theme.categories[0], theme.accent)[index]
            mark = ">" if beyond else marks[method]
            axes.plot(x, place, mark, color=colour, ms=6)
            if method == "follow" and not beyond:
                axes.plot(_span(result, label), [place, place], color=colour, lw=1.2)
    axes.axvline(1.0, color=theme.muted, lw=1, zorder=1)
    axes.set_yticks(range(len(labels)), [_short(result, label) for label in reversed(labels)])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlim(0.8, HIGHEST + 0.05)
    axes.set_ylim(-0.8, len(labels) + 2.2)  # the key's room
    axes.set_xlabel("steps to the goal / steps of the best constant")
    axes.set_title("bar: 95% over seeds; triangle: beyond, or not settled")
    for index, (method, text) in enumerate(METHODS.items()):
        colour = (theme.muted, theme.categories[0], theme.accent)[index]
        axes.plot([], [], marks[method], color=colour, ms=6, label=text)
    axes.legend(fontsize=9, loc="upper right")


def _span(result: Row, label: str) -> list[float]:
    """Interval of the following runs' median."""
    rate = rate_at(result["sweeps"][label], 1.0)
    assert rate is not None
    steps = [s if s is not None else np.inf for s in result["follow"][label]["steps"]]
    drawn = np.random.default_rng(0).integers(len(steps), size=(1000, len(steps)))
    medians = np.median(np.array(steps)[drawn], axis=1) / rate["best_time"]
    low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
    return [max(float(low), 0.8), min(float(high), HIGHEST)]


def _short(result: Row, label: str) -> str:
    return name(result["sweeps"][label]).replace("digits-", "").replace("cross-entropy, ", "")
