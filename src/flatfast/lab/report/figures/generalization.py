"""The test metric against momentum: does the fastest momentum cost test error?"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from flatfast.lab.estimation.generalization import Generalization, Reading
from flatfast.lab.report.axes import LR, log_axis, log_ticks, lr_colorbar, lr_colours, padded
from flatfast.lab.report.keys import line_entry, mark_entry
from flatfast.lab.report.study import Best, CannotDraw, Study, best_momenta
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.typography import metric_name
from flatfast.lab.report.values import tell

PANELS = ("when trained", "after as many steps\nas the best needs")
ASIDE = 1.02
"""Factor between the places of neighbouring learning rates: their intervals lie side by side."""


@themed
def generalization(study: Study, theme: Theme) -> Figure:
    """Median test metric against ``1 - momentum`` per learning rate, at both moments.

    Raises:
        CannotDraw: If no metric of a test set was recorded, or none could be read.
    """
    found = study.generalization
    if found is None:
        raise CannotDraw(
            "No metric of a test set was recorded. Record one, such as cooled:test_error."
        )
    readings = (found.trained, found.equal_steps)
    if not any(np.isfinite(reading.median).any() for reading in readings):
        raise CannotDraw(
            f"No momentum has a median {metric_name(found.metric)} of trained runs. Make the runs "
            "longer."
        )
    best = best_momenta(study)
    figure = new_figure(height=4.6)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, reading, title in zip(panels, readings, PANELS, strict=True):
        moment = title.replace("\n", " ")
        _panel(axes, found, reading, best, theme, moment, study.convention.mu)
        axes.set_title(title, fontsize=10.5)
        axes.set_xlabel(study.convention.mu)
    _momentum_axis(panels[0], *padded(found.mu, 0.05))
    panels[0].set_ylabel(metric_name(found.metric))
    if found.share:
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    if len(found.lr) > 1:
        lr_colorbar(figure, list(panels), found.lr, theme)
    entries = [
        line_entry("median of the seeds, interval", color=theme.ink, marker="o", ms=2.8, lw=1.2)
    ]
    if best.located.any():
        look = {"marker": "D", "ms": 6, "mfc": theme.accent, "mec": theme.surface}
        entries.append(mark_entry("fitted optimum", **look))
    figure.legend(handles=entries, loc="outside lower center", ncols=2, columnspacing=1.4)
    return figure


def _momentum_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic axis with few labels: a panel has half the width of a figure."""
    log_axis(axes, "x", low, high)
    marks = log_ticks(low, high)
    tens = [mark for mark in marks if math.isclose(math.log10(mark) % 1, 0, abs_tol=1e-9)]
    axes.xaxis.set_major_locator(FixedLocator(tens if len(tens) > 1 else marks[::2]))


def _panel(
    axes: Axes,
    found: Generalization,
    reading: Reading,
    best: Best,
    theme: Theme,
    moment: str,
    distance: str,
) -> None:
    """A curve a learning rate; values are told of the moment, in percent where the axis is.

    ``distance`` is the name of ``1 - momentum``.
    """
    scale, unit = (100, " (%)") if found.share else (1, "")
    for e, colour in enumerate(lr_colours(found.lr, theme)):
        known = np.isfinite(reading.median[e])
        mu, value = found.mu[known], reading.median[e, known]
        low, high = reading.low[e, known], reading.high[e, known]
        place = mu * ASIDE ** (e - (len(found.lr) - 1) / 2)
        axes.vlines(place, low, high, color=colour, lw=1.0, alpha=0.6)
        axes.plot(place, value, color=colour, marker="o", ms=2.8, lw=1.2)
        tell(
            axes,
            place,
            value,
            {
                "moment": moment,
                LR: found.lr[e],
                distance: mu,
                metric_name(found.metric) + unit: scale * value,
                "interval from": scale * low,
                "interval to": scale * high,
            },
        )
        if best.located[e] and len(mu) and mu[0] <= best.mu[e].estimate <= mu[-1]:
            there = np.interp(np.log(best.mu[e].estimate), np.log(mu), value)
            axes.plot(
                best.mu[e].estimate,
                there,
                "D",
                ms=6.5,
                mfc=theme.accent,
                mec=theme.surface,
                zorder=6,
            )
