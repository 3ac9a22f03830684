"""How figures for a log or a notebook are drawn: colours, and the page that they lie on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, ACCENT, OTHER = "#7a828e", "#9aa4b0", "#d9541e", "#2f8fd0"
"""Mid tones, readable on light and dark pages; the figure's background is clear."""

WIDTH = 9.2
"""Of a figure, in inches."""


@contextmanager
def drawing(height: float, path: str | Path | None) -> Iterator["Figure"]:
    """A figure to be filled, which is saved in the end where a path is given.

    Args:
        height: In inches.
        path: Where to, if anywhere.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style: dict[Any, Any] = dict.fromkeys(inked, INK)
    with rc_context({**style, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure
        if path is not None:
            figure.savefig(path, transparent=True, dpi=160)
