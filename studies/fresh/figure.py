"""The study's figure: steps to the goal over C, each learning rate in the law's units."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.law import GAMMA
from studies.drawing import light_and_dark
from studies.fresh.words import TITLES
from studies.study import Result

LARGER = "480"
"""The budget whose calibrations are drawn."""


@themed
def fresh(result: Result, theme: Theme) -> Figure:
    """A panel a problem that is swept."""
    swept = {name: row for name, row in result["problems"].items() if "sweep" in row}
    figure = new_figure(10.5, 4.4)
    panels = figure.subplots(1, max(len(swept), 1), squeeze=False)[0]
    for axes, (name, row) in zip(panels, swept.items(), strict=False):
        _curves(axes, row, theme)
        axes.set_title(TITLES[name])
    return figure


def _curves(axes: Axes, row: dict[str, Any], theme: Theme) -> None:
    sweep = row["sweep"]
    shades = np.linspace(0.35, 1.0, len(sweep["lr"]))
    for lr, C, times, shade in zip(sweep["lr"], sweep["C"], sweep["time"], shades, strict=True):
        scaled = [np.nan if time is None else time * lr**GAMMA for time in times]
        axes.plot(
            C, scaled, "o-", ms=3.5, lw=1.3, color=theme.accent, alpha=shade, label=f"lr {lr:g}"
        )
    drawn = [told["C"] for told in row.get("calibrated", {}).get(LARGER, []) if told["ok"]]
    if drawn:
        axes.axvspan(min(drawn), max(drawn), color=theme.categories[0], alpha=0.25, lw=0)
        axes.axvline(
            float(np.median(drawn)), color=theme.categories[0], lw=1.4, label="calibrated C"
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("C = (1 - momentum) / lr^(2/3)")
    axes.set_ylabel("steps to half of the sharpness · lr^(2/3)")
    axes.legend(fontsize=8.5)


draw = light_and_dark(fresh, "fresh")
