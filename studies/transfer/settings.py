"""Where each rule goes: learning rate and momentum at other batches, and at other learning rates.

Nothing is measured for this picture: it shows :func:`flatfast.rescale`.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast import Setting, rescale
from flatfast.lab.report.axes import LR, MU, log_axis
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.study import Result

TUNED = Setting(lr=0.1, momentum=0.9)

BATCHES = (1 / 4, 1, 4, 8)
"""Batch after over batch before, of the marks; the lines go through all between."""

RATES = (1 / 4, 1, 4)
"""The same of the learning rate."""

BY_BATCH = ("path", "linear", "noise-scale", "law")
BY_RATE = ("effective-step", "law", "critical", "ema")
NAMES = {"ema": "momentum as it is"}
STYLES = {
    "path": ("o", "-"),
    "linear": ("s", "--"),
    "noise-scale": ("D", "-."),
    "law": ("^", "-"),
    "effective-step": ("v", "-."),
    "critical": ("P", "--"),
    "ema": ("X", ":"),
}
"""Marker and line of each rule."""


@themed
def settings(_: Result, theme: Theme) -> Figure:
    """The tuned pair, and where each rule carries it."""
    figure = new_figure(9.6, 4.8)
    left, right = figure.subplots(1, 2, sharey=True)
    for rule in BY_BATCH:
        _line(left, rule, BATCHES, theme, batch=True)
    for rule in BY_RATE:
        _line(right, rule, RATES, theme, batch=False)
    for axes, title in ((left, "batch ÷ 4, × 4, × 8"), (right, "learning rate ÷ 4, × 4")):
        axes.plot(
            TUNED.lr,
            TUNED.complement,
            "*",
            ms=15,
            color=theme.ink,
            mec=theme.surface,
            zorder=4,
            label="tuned",
        )
        axes.set_title(title)
        axes.set_xlabel(LR)
        log_axis(axes, "x", 0.004, 6)
        log_axis(axes, "y", 0.01, 1)
        axes.legend(fontsize=9, loc="lower right")
    left.set_ylabel(MU)
    return figure


def _line(axes: Axes, rule: str, marks: tuple[float, ...], theme: Theme, *, batch: bool) -> None:
    """A rule's curve, as far as it can keep its promise, and marks at the changes of the title."""
    dense = np.geomspace(min(marks), max(marks), 60)
    marker, dashes = STYLES[rule]
    curve = [point for k in dense if (point := _carried(rule, float(k), batch=batch))]
    points = [point for k in marks if k != 1 and (point := _carried(rule, k, batch=batch))]
    colour = theme.accent if rule == "law" else theme.categories[list(STYLES).index(rule) % 6]
    axes.plot(*np.array(curve).T, dashes, color=colour, lw=1.8)
    axes.plot(
        *np.array(points).T,
        marker,
        ms=7,
        color=colour,
        label=NAMES.get(rule, rule),
    )


def _carried(rule: str, k: float, *, batch: bool) -> tuple[float, float] | None:
    """Learning rate and 1 - momentum after a change, None outside of the rule's domain."""
    if batch:
        new = rescale(TUNED, batch=(1, k), rule=rule)
    else:
        new = rescale(TUNED, lr=k * TUNED.lr, rule=rule)
    return (new.lr, new.complement) if new.inside and new.complement < 1 else None
