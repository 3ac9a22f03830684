"""Minibatches on one axis, drawn: ordinary training on FashionMNIST beside matrix sensing."""

import math
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed

MARKERS = ("o", "s", "^", "D")


class Panel(NamedTuple):
    """One problem: its title, its sweeps in batches, and the one without noise."""

    title: str
    batches: tuple[str, ...]
    whole: str


PANELS = (
    Panel(
        "FashionMNIST, cross-entropy, from Kaiming",
        ("fashion-batch-16", "fashion-batch-64", "fashion-batch-256"),
        "fashion-batch-all",
    ),
    Panel(
        "matrix sensing, from its initial point",
        ("batch-12-loss", "batch-60-loss"),
        "deterministic-loss",
    ),
)


@themed
def batches(result: dict[str, Any], theme: Theme) -> Figure:
    """The best c over ``lr^(1/2) / B`` on both problems, bounds as arrows."""
    figure = new_figure(11.0, 4.6)
    known = {case["name"]: case for case in result["cases"]}
    for axes, panel in zip(figure.subplots(1, 2), PANELS, strict=True):
        _panel(axes, panel, known, theme)
    return figure


def has_batches(result: dict[str, Any]) -> bool:
    """Whether there is a best c in batches to draw on each problem."""
    known = {case["name"]: case for case in result["cases"]}
    return all(any(_points(known[n]) for n in p.batches if n in known) for p in PANELS)


def _points(case: dict[str, Any]) -> list[tuple[float, float, float, float]]:
    """``lr^(1/2) / B``, the best c and the ends of its interval, where it is located."""
    return [
        (math.sqrt(lr) / case["batch_size"], c["estimate"], c["low"], c["high"])
        for lr, c in zip(case["lr"], case["best_c"], strict=True)
        if c is not None
    ]


def _panel(axes: Axes, panel: Panel, known: dict[str, Any], theme: Theme) -> None:
    shown_x: list[float] = []
    shown_y: list[float] = []
    steepest = 0.0, 0.0
    sweeps = [known[name] for name in panel.batches if name in known]
    for case, marker, colour in zip(sweeps, MARKERS, theme.categories, strict=False):
        label = f"batches of {case['batch_size']}"
        if points := _points(case):
            x, y, low, high = np.array(points).T
            axes.errorbar(
                x,
                y,
                yerr=[y - low, high - y],
                fmt=marker,
                ms=5.5,
                color=colour,
                mec=theme.surface,
                mew=0.3,
                capsize=2,
                lw=1.2,
                label=label,
            )
            shown_x += [*x]
            shown_y += [*low, *high]
            if x.max() > steepest[0]:
                steepest = float(x.max()), float(y[np.argmax(x)])
        for lr, bound in zip(case["lr"], case.get("bound", []), strict=False):
            if bound is not None:
                at = math.sqrt(lr) / case["batch_size"]
                up = 1 if bound["side"] == "at least" else -1
                axes.annotate(
                    "",
                    (at, bound["c"] * 1.35**up),
                    (at, bound["c"]),
                    arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.4},
                )
                axes.plot([at], [bound["c"]], marker, ms=5.5, color=colour, mfc=theme.surface)
                shown_x.append(at)
                shown_y += [bound["c"], bound["c"] * 1.35**up]
    if not steepest[0]:
        return
    ends = np.array(padded(np.array(shown_x), 0.08))
    if panel.whole in known:
        level = [c["estimate"] for c in known[panel.whole]["best_c"] if c is not None]
        if level:
            middle = float(np.median(level))
            told = "level: all examples, exponent 1/2"
            axes.axhline(middle, color=theme.muted, lw=1.2, zorder=1.5, label=told)
            shown_y.append(middle)
    axes.plot(ends, steepest[1] / steepest[0] * ends, color=theme.muted, lw=1.0, ls="--")
    log_axis(axes, "x", *ends)
    log_axis(axes, "y", *padded(np.array(shown_y), 0.12))
    axes.set_xlabel("lr$^{1/2}$ / batch")
    axes.set_ylabel("best (1 − momentum) / lr$^{1/2}$")
    axes.set_title(panel.title)
    axes.plot([], [], color=theme.muted, lw=1.0, ls="--", label="rising as this: exponent 1")
    axes.legend(fontsize=9, loc="upper left")
