"""The study's figure: the best friction beside what two bounds say, and the bounds themselves."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import LR, MU, log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.drawing import light_and_dark
from studies.ordinary.analysis import bounds, chosen, kind_of
from studies.ordinary.cases import FITTED_ON
from studies.study import Result

MARKERS = ("o", "s", "^", "D", "v")

SHOWN = "fashion-batch-64"
"""The sweep whose bounds are drawn over the learning rate."""


@themed
def ordinary(result: Result, theme: Theme) -> Figure:
    """All pairs of learning rate and batch, and one sweep."""
    figure = new_figure(11.0, 4.6)
    left, right = figure.subplots(1, 2)
    _pairs(left, result, theme)
    if SHOWN in result["looks"]:
        _sweep(right, result, theme)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9.5)
    return figure


def _pairs(axes: Axes, result: Result, theme: Theme) -> None:
    point = chosen(result)
    kinds = list(dict.fromkeys(kind_of(name) for name in result["looks"]))
    ends: list[float] = []
    for name, rows in result["looks"].items():
        kind = kind_of(name)
        place = kinds.index(kind)
        fitted = name.startswith(FITTED_ON)
        for row, told in zip(rows, point["ratios"][name], strict=True):
            x, y = told["ratio"] * row["best_mu"], row["best_mu"]
            known = kind if kind not in axes.get_legend_handles_labels()[1] else None
            axes.errorbar(
                x,
                y,
                yerr=[[max(y - row["low"], 0)], [max(row["high"] - y, 0)]],
                fmt=MARKERS[place],
                ms=6,
                color=theme.categories[place],
                mfc=theme.surface if fitted else theme.categories[place],
                lw=1.2,
                capsize=2,
                label=known,
            )
            ends += [x, row["low"], row["high"]]
    low, high = padded(np.array(ends), 0.06)
    axes.plot([low, high], [low, high], color=theme.muted, lw=1.2, zorder=1)
    log_axis(axes, "x", low, high)
    log_axis(axes, "y", low, high)
    axes.set_xlabel("1 − momentum by both bounds, a S + b D")
    axes.set_ylabel("best 1 − momentum of a sweep, 95%")
    axes.set_title("hollow: a and b were fitted on these")


def _sweep(axes: Axes, result: Result, theme: Theme) -> None:
    point = chosen(result)
    lr, best, settles, damps = bounds(result["looks"][SHOWN], point["share"]).T
    a, b = point["a"]["estimate"], point["b"]["estimate"]
    lines: list[tuple[Any, str, str, str]] = [
        (a * settles, theme.categories[1], "--", "a S: batches let it settle"),
        (b * damps, theme.categories[2], ":", "b D: the slowest mode is damped"),
        (a * settles + b * damps, theme.accent, "-", "both"),
    ]
    for y, colour, style, label in lines:
        # Where the gradient was too noisy for the slowest mode there is no point of its line.
        axes.plot(lr[y > 0], y[y > 0], style, color=colour, lw=1.8, label=label)
    axes.plot(lr, best, "o", color=theme.categories[0], ms=7, label="best of the sweep")
    axes.axhline(0.1, color=theme.muted, lw=1)
    axes.annotate("momentum 0.9", (lr[0], 0.1), (0, 4), textcoords="offset points",
                  color=theme.muted, fontsize=9)  # fmt: skip
    log_axis(axes, "x", *padded(lr, 0.08))
    shown = np.concatenate([best, a * settles, (b * damps)[damps > 0], best * 1.4])
    log_axis(axes, "y", *padded(shown, 0.08))
    axes.set_xlabel(LR)
    axes.set_ylabel(MU)
    axes.set_title("FashionMNIST, batches of 64")
    axes.legend(frameon=False, fontsize=9)


def draw(result: Result, folder: Path) -> None:
    """Write the figure in both themes; without looks to fit on there is none."""
    if result["looks"] and chosen(result)["a"]:
        light_and_dark(ordinary, "ordinary")(result, folder)
