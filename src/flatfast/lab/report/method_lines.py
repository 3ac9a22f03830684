"""How compared methods are drawn: looks, lines with intervals, the best ringed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from flatfast.lab.estimation.comparison import Comparison, MethodTime
from flatfast.lab.estimation.methods import BEST_AT_EACH_LR, BEST_CONSTANT, CORRECTED
from flatfast.lab.report.axes import LR, TIME
from flatfast.lab.report.keys import line_entry, mark_entry
from flatfast.lab.report.study import CannotDraw, Study
from flatfast.lab.report.theme import Theme
from flatfast.lab.report.typography import method_name, sentence
from flatfast.lab.report.values import tell

MARKERS = "sDvPXhp"

UNMEASURED = {"beyond limit": "longer than the run", "diverged": "diverged", "no runs": "no runs"}
"""Outcomes of times that are none, in words."""


def compared(study: Study) -> tuple[Comparison, list[MethodTime]]:
    """The comparison of a study, and its times that have runs.

    Raises:
        CannotDraw: If no methods were compared, or none of them has runs.
    """
    found = study.comparison
    if found is None:
        raise CannotDraw(
            sentence(
                study.missing.get(
                    "comparison",
                    "no other rules for the momentum were run, so there are no speed-ups",
                )
            )
        )
    shown = [t for t in found.at_lr if t.outcome != "no runs"]
    if not shown:
        raise CannotDraw("None of the compared methods has runs.")
    return found, shown


def looks(found: Comparison, theme: Theme) -> dict[str, dict[str, Any]]:
    """Line style and colour of each method: the law stands out, the oracles stand back."""
    own: dict[str, dict[str, Any]] = {
        found.reference: {"color": theme.accent, "marker": "o", "ms": 6, "lw": 2.6, "zorder": 5},
        CORRECTED: {
            "color": theme.accent,
            "marker": "^",
            "ms": 6,
            "lw": 1.8,
            "ls": (0, (4, 1.6)),
            "zorder": 5,
        },
        BEST_AT_EACH_LR: {"color": theme.ink, "ls": ":", "marker": ".", "lw": 1.7, "zorder": 4},
        BEST_CONSTANT: {
            "color": theme.muted,
            "ls": (0, (3, 1.3)),
            "marker": ".",
            "lw": 1.7,
            "zorder": 4,
        },
    }
    plain = 0
    for method in found.methods:
        if method.name not in own:
            own[method.name] = {
                "color": theme.categories[plain % len(theme.categories)],
                "marker": MARKERS[plain % len(MARKERS)],
                "ms": 5,
                "lw": 1.3,
            }
            plain += 1
    return own


def draw_line(axes: Axes, times: Sequence[MethodTime], look: dict[str, Any], theme: Theme) -> None:
    """A method's median times over its learning rates, with their intervals."""
    lr = np.array([time.lr for time in times])
    measured = np.array([time.outcome == "measured" for time in times])
    middle = np.array([t.time.estimate if t.outcome == "measured" else np.nan for t in times])
    span = np.array([ends(time) for time in times])
    axes.plot(lr, middle, mec=theme.surface, mew=0.5, **look)
    if measured.any():
        axes.vlines(
            lr[measured],
            span[measured, 0],
            span[measured, 1],
            color=look["color"],
            lw=1.3,
            zorder=look.get("zorder", 2),
        )


def tell_times(
    axes: Axes, times: Sequence[MethodTime], *, measured_as: str = "", up: ArrayLike = 0.0
) -> None:
    """The values of times: those without one lie at the run's length.

    Args:
        axes: Where they are drawn.
        times: The times.
        measured_as: What is told of those that were measured.
        up: How far above their coordinates they are drawn, in points: one number, or (N,).
    """
    measured = [time.outcome == "measured" for time in times]
    tell(
        axes,
        [time.lr for time in times],
        [t.time.estimate if so else t.limit for t, so in zip(times, measured, strict=True)],
        {
            "rule": [method_name(time.method) for time in times],
            LR: [time.lr for time in times],
            "momentum": [time.momentum for time in times],
            TIME: [t.time.estimate if so else None for t, so in zip(times, measured, strict=True)],
            "interval from": [
                t.time.low if so else t.limit for t, so in zip(times, measured, strict=True)
            ],
            "interval to": [
                t.time.high if so else None for t, so in zip(times, measured, strict=True)
            ],
            "outcome": [
                measured_as if time.outcome == "measured" else UNMEASURED[time.outcome]
                for time in times
            ],
        },
        up=up,
    )


def ring(axes: Axes, best: Sequence[MethodTime], theme: Theme) -> None:
    """A ring about each best time: dashed where a better one may lie beyond what was compared."""
    for time in best:
        if time.outcome == "measured":
            axes.plot(
                time.lr,
                time.time.estimate,
                marker="o",
                ms=12,
                mfc="none",
                mec=theme.muted if time.end else theme.ink,
                mew=1.1,
                zorder=7,
            )


def entry(name: str, look: dict[str, Any]) -> Line2D:
    """A method's entry in a key."""
    return line_entry(method_name(name), **look)


def ring_entries(best: Sequence[MethodTime], theme: Theme) -> list[Line2D]:
    """The rings' entries in a key."""
    kinds = [(theme.ink, "own best learning rate")]
    if any(time.end for time in best):
        kinds.append((theme.muted, "best at an end of its range"))
    look: dict[str, Any] = {"marker": "o", "ms": 12, "mfc": "none"}
    return [mark_entry(label, mec=colour, **look) for colour, label in kinds]


def ends(time: MethodTime) -> tuple[float, float]:
    """Ends of the interval, cut at the run's length; that length where there is no time."""
    if time.outcome != "measured":
        return time.limit, time.limit
    return time.time.low, min(time.time.high, time.limit)
