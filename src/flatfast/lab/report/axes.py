"""Axes of the lab's figures: logarithmic, labelled in plain numbers, with units."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from flatfast.lab.forecast.record import Forecast
from flatfast.lab.report.theme import Theme
from flatfast.lab.report.typography import SUPERSCRIPT, rate

LR = "learning rate"
MU = "1 − momentum"
TIME = "convergence time (steps)"
FORECAST = "forecast, before any run"
FORETOLD = (0, (3.5, 2.5))
"""Dashes of a forecast's curve beside measured ones."""


def log_axis(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """Make an axis logarithmic from ``low`` to ``high``, with about three to six labels.

    Plain decimals as long as they are short, powers of ten otherwise; never both on one axis.
    """
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    label = plain_label if low >= 0.8e-4 and high <= 3e4 else power_label
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))
    axis.set_minor_locator(LogLocator(subs=range(2, 10)) if high / low < 1e4 else NullLocator())
    axis.set_minor_formatter(NullFormatter())


def log_ticks(low: float, high: float) -> list[float]:
    """Positions 1, 2, 5 times powers of ten, or fewer of them over a longer span."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low)
    subs = (1, 2, 5) if decades < 1.7 else (1, 3) if decades < 2.4 else (1,)
    every = max(1, math.ceil((last - first) / 7))
    marks = [s * 10.0**e for e in range(first, last + 1) if e % every == 0 for s in subs]
    return [mark for mark in marks if low * 0.999 <= mark <= high * 1.001]


def plain_label(value: float) -> str:
    """0.002, 0.5, 20, 5 000."""
    return f"{value:,.10g}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def power_label(value: float) -> str:
    """10⁻⁴, or with a factor where there is one: 3 × 10⁻⁴."""
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = value / 10.0**exponent
    power = f"10{str(exponent).translate(SUPERSCRIPT)}"
    return power if abs(factor - 1) < 1e-6 else f"{factor:.0f} × {power}"


def padded(
    values: Sequence[float] | NDArray[np.float64], share: float = 0.05
) -> tuple[float, float]:
    """Ends of a log axis that leave a margin around the positive finite ``values``."""
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.isfinite(array) & (array > 0)]
    low, high = float(array.min()), float(array.max())
    margin = max((high / low) ** share, 1.1)
    return low / margin, high * margin


def lr_colours(lrs: NDArray[np.float64], theme: Theme) -> list[tuple[float, ...]]:
    """One colour per learning rate, from the theme's ordered map."""
    positions = np.linspace(0, 1, len(lrs)) if len(lrs) > 1 else np.array([0.0])
    return [tuple(colour) for colour in theme.ordered()(positions)]


def lr_colorbar(
    figure: Figure, axes: Axes | list[Axes], lrs: NDArray[np.float64], theme: Theme
) -> Colorbar:
    """A key of discrete colours beside the axes; at most eight of them are labelled."""
    colours = ListedColormap(lr_colours(lrs, theme))
    key = ScalarMappable(BoundaryNorm(np.arange(len(lrs) + 1) - 0.5, len(lrs)), colours)
    bar = figure.colorbar(key, ax=axes, fraction=0.05, pad=0.02, aspect=28)
    every = math.ceil(len(lrs) / 8)
    shown = np.arange(0, len(lrs), every)
    bar.set_ticks(list(shown), labels=[rate(float(lrs[i]), 3) for i in shown])
    bar.ax.tick_params(length=0, labelsize=10)
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(LR)
    return bar


def forecast_line(forecast: Forecast) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prefactors and times of a forecast's curve, close enough to be drawn as a line."""
    C = forecast.curve[:, 0]
    # Rounding must not put the ends outside.
    close = np.geomspace(C[0], C[-1], 200).clip(C[0], C[-1])
    return close, forecast.time_at(close)
