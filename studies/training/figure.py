"""Pictures of the result: what each method reaches, and how fast, at each learning rate."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from flatfast.lab.report.axes import LR, log_axis, plain_label
from flatfast.lab.report.theme import THEMES, Theme, new_figure, save, themed
from studies.training.methods import CYCLED, HALF, LAW, SAME_STEP, SCHEDULES

MARKERS = {
    "momentum 0.9": "s",
    "momentum 0.99": "^",
    CYCLED: "D",
    HALF: "v",
    SAME_STEP: "P",
    LAW: "o",
}
FLOOR, CEILING = -0.06, 0.03
"""Gains in final accuracy that the axis shows; lower ones are drawn at its lower edge."""


def draw(result: dict[str, Any], folder: Path) -> None:
    """Write ``TASK-final`` and ``TASK-steps`` of every task, light and dark, as SVG."""
    for task in dict.fromkeys(kind["task"] for kind in result["kinds"]):
        own = {"kinds": [kind for kind in result["kinds"] if kind["task"] == task]}
        for theme in THEMES:
            for name, picture in (("final", final_accuracies), ("steps", steps_to_accuracy)):
                written = save(picture(own, theme), theme, folder, f"{task}-{name}")
                written["png"].unlink()


@themed
def final_accuracies(result: dict[str, Any], theme: Theme) -> Figure:
    """Final test accuracy above the tuned reference's, by schedule and kind of run."""
    return _grid(result, theme, _final)


@themed
def steps_to_accuracy(result: dict[str, Any], theme: Theme) -> Figure:
    """Steps to the accuracy against the learning rate, by schedule and kind of run."""
    return _grid(result, theme, _steps)


def _grid(result: dict[str, Any], theme: Theme, draw: Any) -> Figure:
    kinds = result["kinds"]
    figure = new_figure(3.7 * len(kinds), 3.0 * len(SCHEDULES))
    panels = figure.subplots(len(SCHEDULES), len(kinds), squeeze=False, sharex=True, sharey="col")
    for number, (row, schedule) in enumerate(zip(panels, SCHEDULES, strict=True)):
        for axes, kind in zip(row, kinds, strict=True):
            for method in kind["methods"]:
                if method["schedule"] == schedule:
                    draw(axes, kind, method["method"], method["at"], theme)
            rates = [entry["lr"] for entry in kind["methods"][0]["at"]]
            log_axis(axes, "x", min(rates) / 1.25, max(rates) * 1.25)
            axes.set_title(f"{kind['kind']}\n{schedule}" if number == 0 else schedule)
    for axes in panels[-1]:
        axes.set_xlabel(LR)
    label = (
        "final accuracy − the tuned\nreference's (percentage points)"
        if draw is _final
        else "steps to the accuracy\nof the tuned reference"
    )
    for row in panels:
        row[0].set_ylabel(label)
    shown: dict[str, Any] = {}
    for axes in panels.flat:
        shown.update(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    names, handles = list(shown), list(shown.values())
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def _final(
    axes: Axes, kind: dict[str, Any], name: str, at: list[dict[str, Any]], theme: Theme
) -> None:
    lr = [entry["lr"] for entry in at]
    low, y, high = (
        [max(entry["gain"][end], FLOOR) for entry in at] for end in ("low", "estimate", "high")
    )
    _line(axes, name, lr, low, y, high, theme)
    axes.axhline(0, color=theme.muted, ls=":", lw=1.2, zorder=1)
    axes.set_ylim(FLOOR, CEILING)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:+.0f}" if v else "0"))


def _steps(
    axes: Axes, kind: dict[str, Any], name: str, at: list[dict[str, Any]], theme: Theme
) -> None:
    ceiling = 1.3 * kind["steps"]
    found = [entry["steps"] or {"estimate": None, "low": None, "high": None} for entry in at]
    lr = [entry["lr"] for entry in at]
    y, low, high = (
        [min(value[end] or ceiling, ceiling) for value in found]
        for end in ("estimate", "low", "high")
    )
    _line(axes, name, lr, low, y, high, theme)
    axes.axhline(kind["steps"], color=theme.muted, ls=":", lw=1.2, zorder=1)
    log_axis(axes, "y", kind["steps"] / 100, ceiling)
    ticks = [kind["steps"] / 30, kind["steps"] / 10, kind["steps"] / 3]
    axes.set_yticks([*ticks, ceiling])
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda v, _: "never" if v >= ceiling else plain_label(round(v)))
    )


def _line(
    axes: Axes,
    name: str,
    lr: list[float],
    low: list[float],
    y: list[float],
    high: list[float],
    theme: Theme,
) -> None:
    """A method's line with its interval."""
    colour = {
        LAW: theme.accent,
        "momentum 0.9": theme.second,
        "momentum 0.99": theme.categories[1],
        CYCLED: theme.categories[2],
        HALF: theme.categories[3],
        SAME_STEP: theme.categories[5],
    }[name]
    axes.fill_between(lr, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(lr, y, color=colour, marker=MARKERS[name], ms=5, label=name, clip_on=False)
