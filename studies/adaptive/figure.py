"""The study's figure: where a dense and an adaptive sweep of a problem spend their steps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import LR, MU, log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.adaptive.cases import PROBLEMS
from studies.drawing import light_and_dark
from studies.study import Result

LARGEST = 130.0
"""Area of the mark of the pair that takes most steps, in square points."""


def draw(result: Result, folder: Path) -> None:
    """Write the figure in both themes, of the first problem that is measured."""
    entries = {entry["name"]: entry for entry in result["sweeps"]}
    measured = [entries[name] for name in PROBLEMS if name in entries]
    if measured:
        light_and_dark(spending, "adaptive")(measured[0], folder)


@themed
def spending(entry: Result, theme: Theme) -> Figure:
    """Pairs of both sweeps, as large as the steps spent there, and the best momenta found."""
    figure = new_figure(9.6, 4.6)
    panels = figure.subplots(1, 2, sharey=True)
    pairs = np.array([pair for kind in ("dense", "adaptive") for pair in entry[kind]["pairs"]])
    most = float(pairs[:, 3].max())
    for axes, kind in zip(panels, ("dense", "adaptive"), strict=True):
        _panel(axes, entry[kind], most, theme)
        log_axis(axes, "x", *padded(pairs[:, 0], 0.08))
        log_axis(axes, "y", *padded(1 - pairs[:, 1], 0.05))
        steps, runs = entry[kind]["steps"], entry[kind]["runs"]
        axes.set_title(f"{kind}: {runs:,} runs, {steps / 1e6:.2g} million steps")
        axes.set_xlabel(LR)
    panels[0].set_ylabel(MU)
    figure.suptitle(f"{entry['name']}: the area of a mark is the steps spent there", fontsize=11.5)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2)
    return figure


def _panel(axes: Axes, sweep: Mapping[str, Any], most: float, theme: Theme) -> None:
    lr, momentum, _, steps = np.array(sweep["pairs"]).T
    axes.scatter(
        lr,
        1 - momentum,
        s=LARGEST * steps / most,
        color=theme.second,
        alpha=0.55,
        linewidths=0,
        label="runs at a pair",
    )
    best = [(one["lr"], 1 - one["momentum"]) for one in sweep["best_momentum"] if one["momentum"]]
    axes.plot(
        *np.array(best).reshape(-1, 2).T,
        "D",
        ms=6,
        mfc="none",
        mec=theme.accent,
        mew=1.6,
        label="best momentum",
    )
