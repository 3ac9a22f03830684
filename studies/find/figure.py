"""The study's figure: losses over that of the best pair of a sweep, by case and by way."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.drawing import light_and_dark
from studies.find.cases import MEDIAN, WORST
from studies.find.example import rebuilt
from studies.study import Result

Row = Mapping[str, Any]

CASE_WAYS = {
    "found": "pair found",
    "measured": "as measured, not carried on",
    "nine": "0.9 at the best rate for it",
    "0.9 at its step": "0.9 at the effective step found",
}
CHANGE_WAYS = {
    "found": "searched again",
    "law": "2/3 law",
    "effective step": "effective step kept",
    "linear": "linear rule",
    "nothing": "nothing changed",
}
MARKERS = ("o", "s", "^", "D", "v")

FURTHEST = 1.3
"""Ratio at which those beyond it, and runs that diverged, are drawn."""


@themed
def find(result: Result, theme: Theme) -> Figure:
    """Cases on the left, changes on the right."""
    figure = new_figure(12.0, 5.0)
    left, right = figure.subplots(1, 2)
    cases = [(f"{c['training']}, {c['state']}", {**c["ways"], "nine": c["nine"]})
             for c in result["cases"]]  # fmt: skip
    _rows(left, cases, CASE_WAYS, theme)
    for bar in (MEDIAN, WORST):
        left.axvline(bar, color=theme.muted, lw=1, ls="--")
    left.set_title("a search at 15% of a training; dashed: the bars")
    changes = [(f"{c['training']}, {c['change']}", c["ways"]) for c in result["changes"]]
    _rows(right, changes, CHANGE_WAYS, theme)
    right.set_title("from a tuned pair, one thing changed")
    return figure


def _rows(
    axes: Axes,
    rows: Sequence[tuple[str, Row]],
    ways: Mapping[str, str],
    theme: Theme,
) -> None:
    colours = (theme.accent, *theme.categories)
    for number, (way, label) in enumerate(ways.items()):
        known = label
        for place, (_, ratios) in enumerate(rows):
            if way not in ratios:
                continue
            told, y = ratios[way], place + 0.16 * (number - (len(ways) - 1) / 2)
            x = FURTHEST if told is None else min(told["estimate"], FURTHEST)
            beyond = x == FURTHEST
            if told is not None and not beyond:
                high = min(told["high"] or FURTHEST, FURTHEST)
                axes.plot([max(told["low"], 0.8), high], [y, y], color=colours[number], lw=1.2)
            axes.plot(
                x,
                y,
                ">" if beyond else MARKERS[number],
                ms=6,
                color=colours[number],
                label=known,
            )
            known = "_"
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.set_xlim(0.94, FURTHEST * 1.02)
    ticks = np.array([1.0, 1.05, 1.1, 1.15, 1.2, 1.25, FURTHEST])
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"≥ {x:g}" if x == FURTHEST else f"{x:g}")
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color=theme.ink, lw=1)
    axes.grid(False, axis="y")
    axes.set_xlabel("final test loss over that of the best pair of a sweep")
    if rows:
        axes.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.42, -0.14), ncols=2)


def draw(result: Result, folder: Path) -> None:
    """Write the figure in both themes, and the example's; of nothing there is none."""
    if result.get("example"):
        folder.mkdir(parents=True, exist_ok=True)
        rebuilt(result["example"]["found"]).figure(folder / "example.png")
    if result["cases"]:
        light_and_dark(find, "find")(result, folder)
