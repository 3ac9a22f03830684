"""The study's figure: plateaus and edges of beta1, and times over beta2, beside what is told."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.theory import settling_time
from studies.adam.cases import DIGITS, SCALAR, SENSING, SMOOTH, Swept
from studies.drawing import light_and_dark
from studies.study import Result

MARKS = ("o", "s", "^", "D", "v")
LINES = ("-", "--", ":")
SHOWN = (SENSING, SMOOTH, DIGITS)


@themed
def adam(result: Result, theme: Theme) -> Figure:
    """The scalar product's curves, those of the other problems, and beta2."""
    figure = new_figure(13.0, 4.6)
    left, middle, right = figure.subplots(1, 3)
    for axes, shown, title in (
        (left, (SCALAR,), "scalar product"),
        (middle, SHOWN, "three problems of many weights"),
    ):
        own = [(case, result["swept"][case.key]) for case in shown if case.key in result["swept"]]
        if own:
            _curves(axes, own, theme)
            axes.set_title(title)
    if result["beta2"]:
        _beta2(right, result["beta2"], theme)
    return figure


def _curves(axes: Axes, swept: list[tuple[Swept, Any]], theme: Theme) -> None:
    """Times over the plateau's, against ``1 - beta1`` times the plateau's steps."""
    ends: list[float] = []
    shades = theme.ordered()
    for number, (case, found) in enumerate(swept):
        for k, place in enumerate(found["places"]):
            x = np.array(place["mu"]) * place["plateau"]
            y = np.array([m or np.nan for m in place["median"]], float) / place["plateau"]
            colour = shades(k / max(len(found["places"]) - 1, 1))
            label = f"{case.key.replace('-', ' ')}, " if len(swept) > 1 else ""
            axes.plot(
                x, y, MARKS[number if len(swept) > 1 else k], color=colour, ms=5,
                label=f"{label}lr {place['lr']:g}",
            )  # fmt: skip
            ends += x.tolist()
        q = np.geomspace(0.4, 6, 60)
        creep = 2 * np.log(1 / case.fraction)
        over = settling_time(q, case.fraction) / q**2 / creep
        axes.plot(
            q**3 * creep, over, LINES[number], color=theme.accent, lw=1.6,
            label=f"told, {label.rstrip(', ')}" if label else "told: an oscillator", zorder=1,
        )  # fmt: skip
    axes.axhline(1, color=theme.muted, lw=1, zorder=0)
    log_axis(axes, "x", *padded(np.array(ends), 0.04))
    log_axis(axes, "y", 0.6, 6.0)
    axes.set_xlabel("(1 − beta 1) × steps of the plateau")
    axes.set_ylabel("steps to the goal / plateau's")
    small = 7.5 if len(swept) > 1 else 8.5
    axes.legend(frameon=False, fontsize=small, labelspacing=0.3, loc="upper right")


def _beta2(axes: Axes, rows: list[Any], theme: Theme) -> None:
    shown: list[float] = []
    for k, beta1 in enumerate(sorted({row["beta1"] for row in rows})):
        own = [row for row in rows if row["beta1"] == beta1]
        alpha = np.array([1 - row["beta2"] for row in own])
        told = np.array([row["told"] for row in own])
        median = np.array([row["median"] or np.nan for row in own], float)
        axes.plot(alpha, told, color=theme.categories[k], lw=1.5)
        axes.plot(alpha, median, MARKS[k], color=theme.categories[k], ms=6, label=f"{beta1:g}")
        shown += [*told, *median[np.isfinite(median)]]
    log_axis(axes, "x", *padded(np.array([1 - row["beta2"] for row in rows]), 0.04))
    log_axis(axes, "y", *padded(np.array(shown), 0.06))
    axes.set_xlabel("1 − beta 2")
    axes.set_ylabel("steps to the goal")
    axes.set_title("scalar product: points measured, lines told")
    axes.legend(title="beta 1", frameon=False, fontsize=9, loc="upper left")


def draw(result: Result, folder: Path) -> None:
    """Write the figure in both themes; without sweeps there is none."""
    if result["swept"]:
        light_and_dark(adam, "adam")(result, folder)
