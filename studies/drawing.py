"""Best prefactors as figures of studies draw them: a colour and a marker for each problem."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import Theme

MARKERS = {"scalar-product": "o", "matrix-sensing": "s", "teacher-student": "D", "digits-mlp": "^"}


def colour_of(problem: str, theme: Theme) -> str:
    """A problem's colour."""
    return theme.categories[list(MARKERS).index(problem)]


def with_interval(
    axes: Axes,
    x: float,
    value: Mapping[str, float],
    problem: str,
    theme: Theme,
    *,
    hollow: bool = False,
) -> None:
    """A value at x with its interval."""
    colour = colour_of(problem, theme)
    centre = value["estimate"]
    axes.errorbar(
        x,
        centre,
        yerr=[[centre - value["low"]], [value["high"] - centre]],
        fmt=MARKERS[problem],
        ms=6,
        color=colour,
        mfc=theme.surface if hollow else colour,
        capsize=2,
        lw=1.2,
    )


def one_to_one(axes: Axes, shown: Iterable[float], theme: Theme) -> None:
    """The same range on both axes, for all that is shown, and the line where they are equal."""
    low, high = padded(np.array(list(shown)), 0.06)
    axes.plot([low, high], [low, high], color=theme.muted, lw=1.2, zorder=1.5)
    log_axis(axes, "x", low, high)
    log_axis(axes, "y", low, high)
