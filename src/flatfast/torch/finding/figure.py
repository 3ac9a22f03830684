"""What was found, drawn: the pairs that were run, and how the best moves with a run's steps."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from flatfast.calibration.drawing import ACCENT, INK, MUTED, OTHER, drawing
from flatfast.torch.finding.result import Result, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOP = 1.15
"""Losses are drawn up to so many times that of the start; above, and diverged, at the top."""


def draw(found: Result, path: str | Path | None = None) -> "Figure":
    """Draw, and save where a path is given."""
    with drawing(4.4, path) as figure:
        left, right = figure.subplots(1, 2)
        _pairs(left, found)
        _losses(right, found)
    return figure


def _pairs(axes: "Axes", found: Result) -> None:
    """Every pair that was run, by friction and learning rate, with the loss of the long runs."""
    short, long = found.horizons
    few = [t for t in found.trials if t.horizon == short]
    axes.plot(
        [1 - t.pair.momentum for t in few],
        [t.pair.lr for t in few],
        "o",
        ms=5,
        mfc="none",
        mec=MUTED,
        label=f"run for {short} steps",
    )
    for good in (False, True):
        own = [t for t in found.long_trials if (t.pair in found.as_good) is good]
        axes.plot(
            [1 - t.pair.momentum for t in own],
            [t.pair.lr for t in own],
            "o",
            ms=9,
            color=ACCENT if good else OTHER,
            alpha=1.0 if good else 0.8,
            label=f"{long} steps, " + ("as good as the best" if good else "worse"),
        )
    for t in found.long_trials:
        told = f"{t.loss:.3g}" if math.isfinite(t.loss) else "diverged"
        axes.annotate(told, (1 - t.pair.momentum, t.pair.lr), (8, 4), fontsize=8.5,
                      textcoords="offset points")  # fmt: skip
    axes.plot(1 - found.momentum, found.lr, "*", ms=15, color=ACCENT, mec=INK, label="to be used")
    axes.set_yscale("log")
    axes.margins(0.16, 0.16)
    _momenta(axes, {t.pair.momentum for t in found.trials})
    if found.lr_given:
        axes.set_yticks([found.lr], [f"{found.lr:g}"])
        axes.set_yticks([], minor=True)
    axes.set_ylabel("learning rate")
    axes.set_title("pairs, with their losses", color=INK)
    _legend(axes)


def _losses(axes: "Axes", found: Result) -> None:
    """Losses over the effective step at both horizons, at the best momentum of each."""
    top = TOP * found.start
    for horizon, best, colour in zip(found.horizons, found.optima, (MUTED, ACCENT), strict=True):
        line = _line(found, horizon)
        if not line:
            continue
        x = [_place(found, t) for t in line]
        axes.plot(
            x,
            [min(t.loss, top) for t in line],
            "o-",
            ms=5,
            color=colour,
            label=f"{horizon} steps"
            + ("" if found.lr_given else f", momentum {best.momentum:.4g}"),
        )
        for t in line:
            repeated = [min(loss, top) for loss in t.losses if len(t.losses) > 1]
            axes.plot([_place(found, t)] * len(repeated), repeated, "_", ms=8, color=colour)
    axes.axhline(found.start, color=OTHER, lw=1.2, ls="--", label="loss at the start")
    if found.pair != found.measured:
        told = f"carried on to {found.steps:,} steps"
        axes.axvline(found.pair.step, color=ACCENT, lw=1.2, ls=":", label=told)
    if found.lr_given:
        _momenta(axes, {t.pair.momentum for t in found.trials})
    else:
        axes.set_xscale("log")
        steps = sorted({t.pair.step for t in found.trials} | {found.pair.step})
        axes.set_xticks(steps, [f"{step:.2g}" for step in steps])
        axes.set_xticks([], minor=True)
        axes.set_xlabel(found.step_is.replace("-", "−"))
    axes.set_ylabel("loss after the runs")
    axes.set_title("how the best moves with the steps", color=INK)
    _legend(axes)


def _momenta(axes: "Axes", run: set[float]) -> None:
    """An axis of ``1 - momentum``, marked by the momenta that were run: more to the left."""
    axes.set_xscale("log")
    axes.set_xticks([1 - momentum for momentum in run], [f"{momentum:.4g}" for momentum in run])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("momentum")


def _legend(axes: "Axes") -> None:
    """Below the axes, where it hides nothing."""
    axes.legend(
        frameon=False, fontsize=8.5, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17)
    )


def _place(found: Result, trial: Trial) -> float:
    """Of a pair on the axis: its effective step, or ``1 - momentum`` where lr is given."""
    return 1 - trial.pair.momentum if found.lr_given else trial.pair.step


def _line(found: Result, horizon: int) -> list[Trial]:
    """Runs of a horizon at its best momentum; where the learning rate is given, all of them."""
    best = found.optima[found.horizons.index(horizon)]
    own = [t for t in found.trials if t.horizon == horizon]
    if not found.lr_given:
        own = [t for t in own if t.pair.momentum == best.momentum]
    return sorted(own, key=lambda t: t.pair.step)
