"""Steps to the goal and share lost around the limit, a column a problem."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.catapults.analysis import label
from studies.catapults.cases import TITLES
from studies.drawing import light_and_dark

MARKERS = {"0": "v", "0.5": "P", "0.8": "D", "0.9": "s", "0.97": "^", "the law's": "o"}
WIDEST = 4
"""Columns."""

TICKS = (0.5, 1.0, 2.0, 3.0)


@themed
def around(result: dict[str, Any], theme: Theme) -> Figure:
    """Above, median steps to the goal; below, the share of runs lost."""
    cases = {name: case for name, case in result["cases"].items() if "noisy" in case}
    columns = min(max(len(cases), 2), WIDEST)
    blocks = max(-(-len(cases) // columns), 1)
    figure = new_figure(3.1 * columns, 5.0 * blocks + 0.5)
    panels = figure.subplots(2 * blocks, columns, squeeze=False)
    for number, (name, case) in enumerate(cases.items()):
        block, column = divmod(number, columns)
        upper, lower = panels[2 * block : 2 * block + 2, column]
        _steps(upper, case["noisy"]["cells"], theme)
        _lost(lower, case["noisy"]["cells"], theme)
        upper.set_title(TITLES.get(name, name), fontsize=10.5)
        lower.set_xlabel("learning rate / limit")
        if column == 0:
            upper.set_ylabel("steps to the goal (median)")
            lower.set_ylabel("share of runs lost")
    for number in range(len(cases), blocks * columns):
        block, column = divmod(number, columns)
        for axes in panels[2 * block : 2 * block + 2, column]:
            axes.set_axis_off()
    handles: dict[str, Artist] = {}
    for axes in panels.flat:
        own, labels = axes.get_legend_handles_labels()
        handles.update(zip(labels, own, strict=True))
    figure.legend(
        [handles[name] for name in MARKERS if name in handles],
        [f"momentum {name}" for name in MARKERS if name in handles],
        loc="outside lower center",
        ncols=3 if columns < WIDEST else 6,
        fontsize=9.5,
    )
    return figure


draw = light_and_dark(around, "catapults")


def _curves(cells: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    return {
        momentum: [cell for cell in cells if label(cell) == momentum]
        for momentum in dict.fromkeys(map(label, cells))
    }


def _look(momentum: str, theme: Theme) -> dict[str, Any]:
    law = momentum == "the law's"
    index = list(MARKERS).index(momentum)
    colour = theme.accent if law else theme.categories[index]
    return {"color": colour, "marker": MARKERS[momentum], "ms": 5, "lw": 2 if law else 1.2}


def _steps(axes: Axes, cells: list[dict[str, Any]], theme: Theme) -> None:
    shown = [cell["steps"] for cell in cells if cell["steps"]]
    for momentum, row in _curves(cells).items():
        steps = [cell["steps"] or np.nan for cell in row]
        axes.plot([c["share"] for c in row], steps, label=momentum, **_look(momentum, theme))
    _limit(axes, cells, theme)
    if shown:
        log_axis(axes, "y", min(shown) / 1.4, max(shown) * 1.4)


def _lost(axes: Axes, cells: list[dict[str, Any]], theme: Theme) -> None:
    for momentum, row in _curves(cells).items():
        share = np.array([cell["lost"] / cell["runs"] for cell in row])
        count = np.array([cell["runs"] for cell in row])
        # Wilson's interval of 95%.
        z = 1.96
        centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
        at = np.array([cell["share"] for cell in row]) * 1.012 ** (
            list(MARKERS).index(momentum) - 2
        )
        look = _look(momentum, theme)
        axes.vlines(at, np.maximum(centre - half, 0), centre + half, color=look["color"], lw=0.9)
        axes.plot(at, share, **look)
    _limit(axes, cells, theme)
    axes.set_ylim(-0.03, 1.03)


def _limit(axes: Axes, cells: list[dict[str, Any]], theme: Theme) -> None:
    shares = [cell["share"] for cell in cells]
    log_axis(axes, "x", min(shares) / 1.06, max(shares) * 1.06)
    axes.set_xticks(
        [tick for tick in TICKS if min(shares) <= tick <= max(shares)],
        [f"{tick:g}" for tick in TICKS if min(shares) <= tick <= max(shares)],
    )
    axes.axvline(1.0, color=theme.muted, lw=1, ls=":")
