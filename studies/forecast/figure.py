"""The forecasts beside the sweeps, drawn."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.forecast.record import read_forecast
from flatfast.lab.report.axes import forecast_line, log_axis, lr_colours, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.law import GAMMA
from studies.drawing import MARKERS, colour_of, light_and_dark, one_to_one, with_interval
from studies.forecast.cases import COMMITTED, SMOOTH
from studies.study import RESULTS


@themed
def forecasts(result: dict[str, Any], theme: Theme) -> Figure:
    """Times over C for two problems, and forecast against swept C for all cases."""
    figure = new_figure(11.5, 4.1)
    panels = figure.subplots(1, 3)
    for axes, name in zip(panels, SMOOTH, strict=False):
        if name in result["committed"]:
            _curve(axes, result["committed"][name], name, theme)
        else:
            axes.set_axis_off()
    _all_prefactors(panels[-1], result, theme)
    return figure


draw = light_and_dark(forecasts, "forecast")


def _curve(axes: Axes, entry: dict[str, Any], name: str, theme: Theme) -> None:
    grid = time_grid(pq.read_table(RESULTS / name / "runs.parquet"))
    measured = np.exp(median(grid.log_time[None])[0]) * grid.lr[:, None] ** GAMMA
    shown = np.isfinite(measured)
    C = grid.mu / grid.lr[:, None] ** GAMMA
    for e, colour in enumerate(lr_colours(grid.lr, theme)):
        at = shown[e]
        axes.plot(C[e, at], measured[e, at], "o", ms=4, color=colour, mec=theme.surface, mew=0.3)
    found = entry["forecast"]
    x, y = forecast_line(read_forecast(RESULTS / name / "forecast.json"))
    axes.plot(x, y, color=theme.accent, lw=2, label="forecast: limit", zorder=5)
    axes.plot(
        found["flow_prefactor"],
        found["flow_time"],
        "*",
        ms=13,
        color=theme.accent,
        mec=theme.surface,
        label="forecast: flow",
        zorder=6,
    )
    rates = f"{grid.lr[0]:.1g} to {grid.lr[-1]:.1g}"
    axes.plot([], [], "o", ms=4, color=theme.ink, label=f"SGD, lr {rates}")
    log_axis(axes, "x", *padded(C[shown], 0.04))
    log_axis(axes, "y", *padded(np.append(measured[shown], found["flow_time"]), 0.06))
    axes.set_title(name)
    axes.set_xlabel("C = (1 − momentum) / lr$^{2/3}$")
    axes.set_ylabel("convergence time × lr$^{2/3}$ (steps)")
    axes.legend(fontsize=9.5)


def _all_prefactors(axes: Axes, result: dict[str, Any], theme: Theme) -> None:
    entries = [*result["committed"].values(), *result["varied"].values()]
    ends = []
    for entry in entries:
        if "swept" not in entry:
            continue
        swept, found = entry["swept"], entry["forecast"]
        limit = found["best_prefactor"] is not None
        C = found["best_prefactor"] if limit else found["flow_prefactor"]
        if "batch_size" in entry.get("settings", {}):
            text = f"batches of {entry['settings']['batch_size']}"
            axes.annotate(
                text, (C, swept["estimate"]), (-8, 0), textcoords="offset points", ha="right"
            )
        ends += [C, swept["estimate"]]
        with_interval(axes, C, swept, entry["problem"], theme, hollow=not limit)
    for name in COMMITTED:
        colour = colour_of(name, theme)
        hollow = name not in SMOOTH
        label = f"{name} (flow)" if hollow else name
        fill = theme.surface if hollow else colour
        axes.plot([], [], MARKERS[name], color=colour, mfc=fill, label=label)
    one_to_one(axes, ends, theme)
    axes.set_title("best C of every case")
    axes.set_xlabel("forecast")
    axes.set_ylabel("swept, 95% interval")
    axes.legend(fontsize=9.5, loc="lower right")
