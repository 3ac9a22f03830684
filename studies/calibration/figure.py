"""Calibrated prefactors beside swept ones, and what they cost in steps, drawn."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.calibration.figure_follow import following
from studies.calibration.rows import cases_of
from studies.drawing import light_and_dark

MARKERS = ("o", "s", "D", "^", "v", "P", "X")
WANTED, WORST = 1.15, 1.5


def groups(result: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Cases by the kind of model, in the order of their first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for case in cases_of(result):
        settings = case["settings"]
        kind = case["problem"]
        if kind == "digits-mlp":
            kind = {"cross-entropy": "digits-mlp, label flips"}.get(
                str(settings.get("loss")), f"digits-mlp, {settings.get('activation', 'tanh')}"
            )
        found.setdefault(kind, []).append(case)
    return found


@themed
def calibrated(result: dict[str, Any], theme: Theme) -> Figure:
    """C against C, and steps over the best, at every learning rate."""
    figure = new_figure(11.5, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    kinds = groups(result)
    _prefactors(left, kinds, theme)
    _steps(right, kinds, theme)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9.5)
    return figure


def _look(index: int, theme: Theme) -> dict[str, Any]:
    return {
        "color": (*theme.categories, theme.accent)[index],
        "marker": MARKERS[index],
    }


def _prefactors(axes: Axes, kinds: dict[str, list[dict[str, Any]]], theme: Theme) -> None:
    ends = []
    for index, (kind, cases) in enumerate(kinds.items()):
        label: str | None = kind
        for case in cases:
            for row in case["rates"]:
                if row["best_C"] is None:
                    continue
                low, high = row["best_C_interval"]
                x, y = case["C"][0], row["best_C"]
                own = abs(row["lr"] / case["lr"] - 1) < 0.01
                axes.errorbar(
                    x,
                    y,
                    yerr=[[max(y - low, 0)], [max(high - y, 0)]],
                    ls="",
                    ms=7 if own else 4,
                    lw=1.2,
                    capsize=2 if own else 0,
                    alpha=1.0 if own else 0.6,
                    label=label,
                    **_look(index, theme),
                )
                label = None
                ends += [x, y]
    low, high = padded(np.array(ends), 0.06)
    axes.plot([low, high], [low, high], color=theme.muted, lw=1.2, zorder=1)
    log_axis(axes, "x", low, high)
    log_axis(axes, "y", low, high)
    axes.set_xlabel("C calibrated at one learning rate")
    axes.set_ylabel("C swept, 95% interval")
    axes.set_title("small: at a tenth and ten times that learning rate")


def _steps(axes: Axes, kinds: dict[str, list[dict[str, Any]]], theme: Theme) -> None:
    for index, cases in enumerate(kinds.values()):
        for case in cases:
            rows = sorted(case["rates"], key=lambda row: float(row["lr"]))
            told = [row for row in rows if row["over_best"]["estimate"] is not None]
            if not told:
                continue
            x = np.array([row["lr"] / case["lr"] for row in told])
            x = x * 10 ** (0.09 * (index - (len(kinds) - 1) / 2))
            y = np.array([row["over_best"]["estimate"] for row in told])
            low = np.array([row["over_best"]["low"] for row in told])
            # Of the calibrations one may not settle: no upper end.
            high = np.array([row["over_best"]["high"] or np.inf for row in told])
            axes.errorbar(
                x,
                y,
                yerr=[y - np.minimum(low, y), np.clip(high - y, 0, 9.0)],
                ls="",
                ms=5,
                lw=1,
                **_look(index, theme),
            )
    for level, text in ((WANTED, "1.15"), (WORST, "1.5")):
        axes.axhline(level, color=theme.muted, lw=1, ls="--", zorder=1)
        axes.annotate(text, (1, level), (2, 2), xycoords=("axes fraction", "data"),
                      textcoords="offset points", color=theme.muted)  # fmt: skip
    axes.axhline(1.0, color=theme.muted, lw=1.2, zorder=1)
    axes.set_ylim(0.85, 2.7)
    axes.set_xscale("log")
    axes.set_xticks([0.1, 1.0, 10.0], ["lr / 10", "lr of the\ncalibration", "10 lr"])
    axes.minorticks_off()
    axes.set_ylabel("steps to the goal / steps of the best")
    axes.set_title("with the calibrated C: median and range of three calibrations")


def draw(result: dict[str, Any], folder: Path) -> None:
    """Write the figure, light and dark; without a sweep there is none."""
    if cases_of(result):
        light_and_dark(calibrated, "calibration")(result, folder)
    if result.get("follow"):
        light_and_dark(following, "following")(result, folder)
