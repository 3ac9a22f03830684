"""How figures look: one theme for light pages and paper, one for dark pages.

Figures are drawn at 5 x 4 inches with 11 point text, so that they stay legible when a phone scales
them to its width (to 11 pixels at 390). Colours keep apart under the common forms of colour
blindness (they start from the palette of Okabe and Ito, adjusted for contrast on each background);
an ordered quantity such as the learning rate gets an ordered colour map, and line styles or markers
repeat what a colour says.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from flatfast.lab.atomic import atomically
from flatfast.lab.report.values import Sheet

Data = TypeVar("Data")

DPI = 200
"""Resolution of pictures, and of what is a picture inside a drawing."""

SIZE = (5.0, 4.0)
"""Width and height of a figure, in inches."""


@dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Attributes:
        name: ``light`` or ``dark``.
        surface: Background of the figure; the page's cards have the same.
        ink: Text and axes.
        muted: Secondary text, reference lines.
        grid: Grid lines.
        hatch: Hatching of cells without a value.
        accent: What the figure is about: the law.
        second: What it is compared with.
        categories: Further distinct colours, for things without an order.
        ramp: Ends, in [0, 1], of the part of the map ``viridis`` that contrasts with ``surface``.
    """

    name: str
    surface: str
    ink: str
    muted: str
    grid: str
    hatch: str
    accent: str
    second: str
    categories: tuple[str, ...]
    ramp: tuple[float, float]

    def ordered(self) -> Colormap:
        """The colour map for an ordered quantity, cut to what is readable on the surface."""
        shades = colormaps["viridis"](np.linspace(*self.ramp, 256))
        return LinearSegmentedColormap.from_list(f"ordered-{self.name}", shades)


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    ink="#1d2128",
    muted="#68707c",
    grid="#e6e8ec",
    hatch="#c3c9d1",
    accent="#c8420a",
    second="#0067a8",
    categories=("#0067a8", "#00805e", "#a8488a", "#8a6d00", "#3a9fd6", "#7d5ba6"),
    ramp=(0.0, 0.88),
)
DARK = Theme(
    name="dark",
    surface="#171b21",
    ink="#e7eaee",
    muted="#9aa4b0",
    grid="#2b313a",
    hatch="#48515d",
    accent="#ff8a4c",
    second="#62b8ee",
    categories=("#62b8ee", "#35c99b", "#ee9fcd", "#e8cf4e", "#2f8fd0", "#b39ae0"),
    ramp=(0.22, 1.0),
)
THEMES = (LIGHT, DARK)


def style(theme: Theme) -> dict[Any, Any]:
    """Matplotlib settings of a theme. Text becomes outlines: the same picture on every machine."""
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": theme.muted,
        "axes.facecolor": theme.surface,
        "axes.grid": True,
        "axes.labelcolor": theme.ink,
        "axes.labelsize": 11.5,
        "axes.linewidth": 0.8,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": theme.ink,
        "axes.titlesize": 11.5,
        "axes.titleweight": "normal",
        "figure.constrained_layout.h_pad": 0.06,
        "figure.constrained_layout.w_pad": 0.06,
        "figure.facecolor": theme.surface,
        "font.family": "DejaVu Sans",
        "font.size": 11,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "hatch.linewidth": 0.7,
        "legend.edgecolor": theme.grid,
        "legend.facecolor": theme.surface,
        "legend.fontsize": 10.5,
        "legend.framealpha": 0.9,
        "legend.frameon": False,
        "legend.handlelength": 1.8,
        "legend.labelcolor": theme.ink,
        "lines.linewidth": 1.8,
        "mathtext.fontset": "dejavusans",
        "path.simplify_threshold": 0.3,
        "svg.fonttype": "path",
        "svg.hashsalt": "flatfast",
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.color": theme.muted,
        "ytick.labelcolor": theme.ink,
    }


def themed(draw: Callable[[Data, Theme], Figure]) -> Callable[[Data, Theme], Figure]:
    """Draw in the theme's style, without touching Matplotlib's settings outside."""

    @functools.wraps(draw)
    def drawn(data: Data, theme: Theme) -> Figure:
        with matplotlib.rc_context(style(theme)):
            return draw(data, theme)

    return drawn


def new_figure(width: float = SIZE[0], height: float = SIZE[1]) -> Figure:
    """An empty figure, sizes in inches. It belongs to nobody: no pyplot, no global state."""
    return Sheet(figsize=(width, height), layout="constrained")


def save(figure: Figure, theme: Theme, folder: Path, name: str) -> dict[str, Path]:
    """Write a figure as ``name.svg`` and ``name.png``, ``name-dark.*`` for the dark theme.

    Args:
        figure: The figure, as a function decorated with :func:`themed` returned it.
        theme: The theme it was drawn in.
        folder: An existing folder.
        name: File name without suffix.

    Returns:
        Format to path.
    """
    stem = name if theme.name == "light" else f"{name}-{theme.name}"
    paths = {suffix: folder / f"{stem}.{suffix}" for suffix in ("png", "svg")}
    with matplotlib.rc_context(style(theme)):
        # ``savefig`` would place axes and labels, and draw, twice for each format.
        figure.set_dpi(DPI)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        # Through open files, whose folder may have any name.
        with atomically(paths["png"]) as partial, partial.open("wb") as file:
            FigureCanvasAgg(figure).print_png(file)
        with atomically(paths["svg"]) as partial, partial.open("wb") as file:
            # Without a date: the same runs give the same bytes.
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    return paths
