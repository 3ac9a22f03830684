"""What figures of studies share: both themes, and how best prefactors look in them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import THEMES, Theme, save
from studies.study import Result

MARKERS = {"scalar-product": "o", "matrix-sensing": "s", "teacher-student": "D", "digits-mlp": "^"}
"""Of problems with a best prefactor; their place here is also that of their colour."""


def light_and_dark(
    picture: Callable[[Result, Theme], Figure], name: str
) -> Callable[[Result, Path], None]:
    """Makes of a picture what writes it into a folder in both themes: a study's ``draw``."""

    def draw(result: Result, folder: Path) -> None:
        for theme in THEMES:
            save(picture(result, theme), theme, folder, name)

    return draw


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
