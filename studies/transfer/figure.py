"""The study's figures: of each task, every way beside the setting tuned again; and the promises."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from flatfast.lab.report.axes import log_axis
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.drawing import light_and_dark
from studies.study import Result
from studies.transfer.optimizers import OPTIMIZERS
from studies.transfer.settings import settings
from studies.transfer.tasks import SCHEDULES
from studies.transfer.verdict import DOES_NOT, TRANSFERS, WITHIN
from studies.transfer.ways import CHANGES, shown

LEAST, MOST = 0.85, 2.4
"""Ratios that the axis shows; others are drawn at its ends."""

BAND = 0.6
"""Opacity of the band of what counts as a transfer."""

TICKS = (1.0, 1.25, 1.5, 2.0)


def draw(result: Result, folder: Path) -> None:
    """Write ``transfer-TASK`` of every task, ``promises`` and ``settings``, in both themes."""
    light_and_dark(settings, "settings")(result, folder)
    for task in dict.fromkeys(entry["task"] for entry in result["comparisons"]):
        own = {"task": task, "entries": [e for e in result["comparisons"] if e["task"] == task]}
        light_and_dark(ratios, f"transfer-{task}")(own, folder)
    if result["promises"]:
        light_and_dark(promises, "promises")(result["promises"], folder)


@themed
def ratios(own: Result, theme: Theme) -> Figure:
    """Samples to the target over those of the setting tuned again, by optimizer and change."""
    entries = own["entries"]
    optimizers = [o for o in OPTIMIZERS if any(e["optimizer"] == o for e in entries)]
    changes = [c.name for c in CHANGES if any(e["change"] == c.name for e in entries)]
    ways = {o: _ways(entries, o, changes) for o in optimizers}
    heights = [0.7 + max(len(names) for names in ways[o].values()) for o in optimizers]
    figure = new_figure(2.5 * len(changes) + 3.0, 0.36 * sum(heights) + 1.6)
    panels = figure.subplots(
        len(optimizers), len(changes), squeeze=False, height_ratios=heights, sharex=True
    )
    for row, optimizer in zip(panels, optimizers, strict=True):
        before: list[str] = []
        for axes, change in zip(row, changes, strict=True):
            names = ways[optimizer][change]
            here = [e for e in entries if (e["optimizer"], e["change"]) == (optimizer, change)]
            if not here:  # not measured
                axes.set_visible(False)
                continue
            _panel(axes, here, names, theme)
            axes.tick_params(labelleft=names != before)  # the same names stand once
            before = names
            axes.set_title(f"{optimizer}, {shown(change)}", fontsize=11)
    for column in panels.T:
        lowest = [axes for axes in column if axes.get_visible()][-1]
        lowest.set_xlabel("samples / tuned again")
        lowest.tick_params(labelbottom=True)
    _legend(figure, entries, theme)
    figure.suptitle(f"{own['task']}: samples to the target", fontsize=12.5)
    return figure


def _ways(entries: list[Result], optimizer: str, changes: list[str]) -> dict[str, list[str]]:
    return {
        change: list(
            dict.fromkeys(
                e["way"] for e in entries if (e["optimizer"], e["change"]) == (optimizer, change)
            )
        )
        for change in changes
    }


def _panel(axes: Axes, entries: list[Result], names: list[str], theme: Theme) -> None:
    both = len({entry["schedule"] for entry in entries}) > 1
    axes.axvspan(LEAST / 2, 1 + WITHIN, color=theme.grid, alpha=BAND, lw=0, zorder=0)
    axes.axvline(1.0, color=theme.muted, lw=1.0, zorder=1)
    for entry in entries:
        by = 0.14 * (1 if entry["schedule"] == SCHEDULES[1] else -1) if both else 0.0
        _mark(axes, entry, names.index(entry["way"]) + by, theme)
    log_axis(axes, "x", LEAST, MOST)
    axes.set_xticks(TICKS)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(names)), names, fontsize=9.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def _mark(axes: Axes, entry: Result, y: float, theme: Theme) -> None:
    ratio = entry["ratio"]
    colour = _colour(entry["schedule"], theme)
    centre, low, high = (min(max(ratio[end], LEAST), MOST) for end in ("estimate", "low", "high"))
    axes.plot([low, high], [y, y], color=colour, lw=1.4, clip_on=False)
    failed = ratio["failures"] > 0
    axes.plot(
        centre,
        y,
        marker="x" if failed else "D" if entry["verdict"] == DOES_NOT else "o",
        ms=6.5 if failed else 6,
        mew=1.6,
        color=colour,
        mfc=colour if entry["verdict"] == TRANSFERS else theme.surface,
        clip_on=False,
        zorder=3,
    )


def _colour(schedule: str, theme: Theme) -> str:
    return theme.second if schedule == "cosine" else theme.accent


def _legend(figure: Figure, entries: list[Result], theme: Theme) -> None:
    axes = figure.axes[0]
    handles: list[Any] = []
    for schedule in SCHEDULES:
        if any(entry["schedule"] == schedule for entry in entries):
            colour = _colour(schedule, theme)
            handles += axes.plot([], [], color=colour, lw=3, label=f"{schedule} schedule")
    look: dict[str, Any] = {"color": theme.ink, "ls": "", "ms": 6, "mew": 1.6}
    handles += axes.plot([], [], marker="o", **look, label="transfers")
    handles += axes.plot([], [], marker="o", mfc=theme.surface, **look, label="undecided")
    handles += axes.plot([], [], marker="D", mfc=theme.surface, **look, label="does not")
    handles += axes.plot([], [], marker="x", **look, label="runs failed: at least so many samples")
    handles.append(Patch(color=theme.grid, alpha=BAND, label=f"within {100 * WITHIN:.0f}%"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


BESIDE = {
    "path": "path (Adam: adam-sde)",
    "noise-scale": "noise-scale (Adam: half-life)",
    "law": "law (Adam: square root)",
}
"""Rules of SGD with those of Adam that look the same in the next panel."""

MARKERS = {
    "path": "o",
    "adam-sde": "o",
    "linear": "s",
    "noise-scale": "^",
    "half-life": "^",
    "law": "D",
    "square root": "D",
    "nothing": "x",
}


@themed
def promises(found: Result, theme: Theme) -> Figure:
    """How far the mean path per sample is from the one before, by rule and factor of the batch."""
    figure = new_figure(12.0, 4.4)
    panels = figure.subplots(1, 3, sharey=True)
    sgd = [
        (f"SGD, {name}", [e for e in found["sgd"] if e["case"] == name])
        for name in dict.fromkeys(e["case"] for e in found["sgd"])
    ]
    adam = [entry for entry in found["adam"] if entry["factor"] != 1]
    for axes, (name, entries) in zip(panels, [*sgd, ("Adam", adam)], strict=True):
        for rule in dict.fromkeys(entry["rule"] for entry in entries):
            own = [entry for entry in entries if entry["rule"] == rule]
            axes.plot(
                [entry["factor"] for entry in own],
                [entry["mean"] for entry in own],
                marker=MARKERS[rule],
                color=_rule_colour(rule, theme),
                mfc=theme.surface,
                mew=1.6,
                label=BESIDE.get(rule, rule),
            )
        log_axis(axes, "x", 0.2, 20)
        axes.set_xticks([0.25, 1, 4, 16], ["÷ 4", "1", "× 4", "× 16"])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(name)
        axes.set_xlabel("batch")
    log_axis(panels[0], "y", 2e-4, 2.0)
    floor = next(e["mean"] for e in found["adam"] if e["factor"] == 1)
    panels[-1].axhline(floor, color=theme.muted, ls=":", lw=1.2)
    panels[-1].annotate("by chance alone", (2.2, floor * 0.55), color=theme.muted, fontsize=9)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    panels[0].set_ylabel("largest deviation of the mean path")
    return figure


def _rule_colour(rule: str, theme: Theme) -> str:
    colours = {
        "path": theme.accent,
        "adam-sde": theme.accent,
        "linear": theme.second,
        "noise-scale": theme.categories[1],
        "half-life": theme.categories[1],
        "law": theme.categories[2],
        "square root": theme.categories[2],
    }
    return colours.get(rule, theme.muted)
