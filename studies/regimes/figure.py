"""The regime map, drawn."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from flatfast.lab.report.axes import LR, log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.law import GAMMA
from studies.drawing import light_and_dark
from studies.regimes.batches import batches, has_batches

PARTS = {
    "deterministic": "no noise, goal: loss",
    "minibatch": "minibatches, no label noise",
    "init": "label noise, start at init",
    "init-strict": "label noise, start at init, stricter goal",
    "manifold": "label noise, start on Γ",
    "overdamped": "start on Γ, a slow mode",
    "student": "teacher-student",
    "fashion": "FashionMNIST, ordinary training",
}
"""Groups of rows, from the top."""

CURVES = {"manifold": "o", "init": "^", "init-strict": "D"}
WIDEST = 0.5
"""Intervals of the collapse wider than this are left out: they say nothing."""

CANDIDATES = ((0.5, "1/2"), (GAMMA, "2/3"), (1.0, "1"))


@themed
def regimes(result: dict[str, Any], theme: Theme) -> Figure:
    """Local exponents over learning rate, fitted exponents, and the best c over the noise."""
    figure = new_figure(13.0, 9.4)
    tiles, fits, curve = figure.subplots(1, 3, width_ratios=(1.5, 0.75, 1.15))
    rows = placed(result["cases"])
    _tiles(tiles, rows, theme)
    _fits(fits, rows, theme)
    _curve(curve, result["cases"], theme)
    return figure


def draw(result: dict[str, Any], folder: Path) -> None:
    """Write the map, and the minibatches on one axis if both problems have been swept."""
    light_and_dark(regimes, "regimes")(result, folder)
    if has_batches(result):
        light_and_dark(batches, "regimes-batches")(result, folder)


def placed(cases: list[dict[str, Any]]) -> list[tuple[float, dict[str, Any]]]:
    """Cases with their height on the page, from the top, noise descending, a gap before a part."""
    rows, height = [], 0.0
    for part in PARTS:
        members = [case for case in cases if case["part"] == part]
        members.sort(key=lambda case: (-case["noise"], case["batch_size"]))
        if members:
            height += 1.15
        for case in members:
            rows.append((height, case))
            height += 1.0
    return rows


def row_label(case: dict[str, Any]) -> str:
    """What tells a case from its neighbours."""
    if case["part"] == "fashion":
        return f"batches of {case['batch_size']}" if case["batch_size"] else "all images"
    if case["part"] == "student":
        if case["batch_size"]:
            return f"batches of {case['batch_size']}, init"
        return "noise 0.5, init" if case["name"].endswith("init") else "noise 0.5, on Γ"
    if case["slow"]:
        return f"λ {case['slow']:.2g}, noise {case['noise']:.2g}"
    if case["batch_size"]:
        goal = "test error" if case["name"].endswith("test") else "loss"
        if "manifold" in case["name"]:
            goal = "from Γ"
        return f"batches of {case['batch_size']}, {goal}"
    return f"noise {case['noise']:.2g}"


def _colours(theme: Theme) -> LinearSegmentedColormap:
    """From 1/2 by 2/3 to 1: the compared colour, the accent, and a third."""
    stops = [(0.0, theme.second), (1 / 3, theme.accent), (1.0, theme.categories[3])]
    return LinearSegmentedColormap.from_list(f"exponents-{theme.name}", stops)


def _tiles(axes: Axes, rows: list[tuple[float, dict[str, Any]]], theme: Theme) -> None:
    """One tile per pair of neighbouring learning rates, coloured and labelled by its exponent."""
    colours, scale = _colours(theme), Normalize(0.5, 1.0, clip=True)
    rates = [lr for _, case in rows for lr in case["lr"]]
    low, high = padded(rates, 0.02)
    for height, case in rows:
        for slope, left, right in zip(case["local"], case["lr"], case["lr"][1:], strict=False):
            if slope is None:
                axes.add_patch(
                    Rectangle(
                        (left, height - 0.42),
                        right - left,
                        0.84,
                        facecolor="none",
                        edgecolor=theme.hatch,
                        hatch="///",
                        lw=0,
                    )
                )
                continue
            error = (slope["high"] - slope["low"]) / 2
            axes.add_patch(
                Rectangle(
                    (left, height - 0.42),
                    right - left,
                    0.84,
                    facecolor=colours(scale(slope["estimate"])),
                    # What is not known to a tenth is pale.
                    alpha=0.75 if error < 0.1 else 0.3,
                    lw=0,
                )
            )
            axes.text(
                math.sqrt(left * right),
                height,
                f"{slope['estimate']:.2f}",
                ha="center",
                va="center",
                fontsize=9,
            )
    log_axis(axes, "x", low, high)
    axes.set_ylim(max(height for height, _ in rows) + 0.7, -0.1)
    axes.set_yticks([height for height, _ in rows], [row_label(case) for _, case in rows])
    axes.tick_params(axis="y", length=0, labelsize=9.5)
    axes.grid(visible=False)
    for part, text in PARTS.items():
        first = [height for height, case in rows if case["part"] == part]
        if first:
            axes.text(
                low, first[0] - 0.55, f" {text}", fontsize=9.5, color=theme.muted, va="bottom"
            )
    axes.set_xlabel(LR)
    axes.set_title("exponent between neighbouring learning rates")


def _fits(axes: Axes, rows: list[tuple[float, dict[str, Any]]], theme: Theme) -> None:
    """The exponent of each row, with its interval."""
    colours, scale = _colours(theme), Normalize(0.5, 1.0, clip=True)
    for value, name in CANDIDATES:
        axes.axvline(value, color=theme.muted, lw=1.0, zorder=1.5)
        axes.annotate(
            name,
            (value, 1.0),
            (0, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
            color=theme.muted,
        )
    for height, case in rows:
        for key, marker, shift in (("exponent", "o", -0.16), ("collapse", "s", 0.16)):
            found = case[key]
            if found is None or (key == "collapse" and found["high"] - found["low"] > WIDEST):
                continue
            colour = colours(scale(found["estimate"]))
            axes.errorbar(
                found["estimate"],
                height + shift,
                xerr=[[found["estimate"] - found["low"]], [found["high"] - found["estimate"]]],
                fmt=marker,
                ms=4.5,
                color=colour,
                mfc=colour if key == "exponent" else theme.surface,
                capsize=1.5,
                lw=1.3,
            )
    axes.plot([], [], "o", color=theme.ink, ms=4.5, label="best momenta")
    axes.plot([], [], "s", color=theme.ink, mfc=theme.surface, ms=4.5, label="best collapse")
    axes.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.03), ncols=2)
    axes.set_xticks([0.4, 0.6, 0.8, 1.0, 1.2])
    axes.set_xlim(0.3, 1.2)
    axes.set_ylim(max(height for height, _ in rows) + 0.7, -0.1)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_xlabel("fitted exponent, 95% interval")


def _curve(axes: Axes, cases: list[dict[str, Any]], theme: Theme) -> None:
    """The best c over ``noise^2 sqrt(lr)``: all noise levels and learning rates on one axis."""
    shown: list[tuple[float, float]] = []
    of_law: list[Any] = []
    for (part, marker), colour in zip(CURVES.items(), theme.categories, strict=False):
        points = []
        for case in cases:
            if case["part"] != part or case["noise"] == 0:
                continue
            for lr, c in zip(case["lr"], case["best_c"], strict=True):
                if c is not None:
                    points.append((case["noise"] ** 2 * math.sqrt(lr), *c.values()))
        if not points:
            continue
        if part == "manifold":
            of_law = points
        x, y, low, high = np.array(sorted(points)).T
        shown += list(zip(x, y, strict=True))
        axes.errorbar(
            x,
            y,
            yerr=[y - low, high - y],
            fmt=marker,
            ms=5,
            color=colour,
            mec=theme.surface,
            mew=0.3,
            capsize=1.5,
            lw=1.1,
            label=PARTS[part].removeprefix("label noise, "),
        )
    if not shown:
        return
    x, y = np.array(shown).T
    ends = np.array(padded(x, 0.04))
    reference = np.array(shown[: len(of_law)] or shown)
    anchor = np.median(np.log(reference[:, 1]) - np.log(reference[:, 0]) / 3)
    axes.plot(ends, np.exp(anchor) * ends ** (1 / 3), color=theme.muted, lw=1.2, zorder=1.5)
    axes.text(
        0.97,
        0.03,
        "rising as the line: exponent 2/3\nlevel: exponent 1/2",
        transform=axes.transAxes,
        ha="right",
        va="bottom",
        fontsize=9.5,
        color=theme.muted,
    )
    log_axis(axes, "x", *ends)
    log_axis(axes, "y", *padded(y, 0.1))
    axes.set_xlabel("noise² × lr$^{1/2}$")
    axes.set_ylabel("best (1 − momentum) / lr$^{1/2}$")
    axes.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.45, 1.01))
