"""A calibration drawn: the law and the measurements behind it, or what bounds momentum instead."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flatfast.calibration.drawing import ACCENT, INK, MUTED, OTHER, drawing
from flatfast.calibration.result import MODEL_ERROR, NORMAL_95, Result
from flatfast.calibration.window_figure import draw_window
from flatfast.law import GAMMA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DECADES = 1.5
"""Learning rates drawn on either side, in factors of ten."""


def draw(found: Result, path: str | Path | None = None) -> "Figure":
    """Draw, and save where a path is given.

    Raises:
        CalibrationError: If there is neither a law to be drawn nor a window.
    """
    window = None if found.ok else found.window
    if window is None:
        found.law  # noqa: B018 - says why there is none
    with drawing(3.8 if window is None else 2.9, path) as figure:
        if window is not None:
            draw_window(figure.subplots(), found, window)
        else:
            left, right = figure.subplots(1, 2, width_ratios=(3, 2))
            _law(left, found)
            _parts(right, found)
    return figure


def _law(axes: "Axes", found: Result) -> None:
    """``1 - momentum`` over the learning rate, with the 95% interval."""
    lr = found.lr * np.geomspace(10**-DECADES, 10**DECADES, 61)
    low, high = found.interval
    axes.fill_between(lr, low * lr**GAMMA, high * lr**GAMMA, color=ACCENT, alpha=0.2, lw=0)
    axes.plot(lr, found.C * lr**GAMMA, color=ACCENT, lw=2, label=f"C = {found.C:.3g}")
    momentum = found.law(found.lr)
    if found.pair is not None:
        stable = f"stable at momentum {momentum:.4g} up to lr {found.pair.limit:.3g}"
        axes.axvline(found.pair.limit, color=MUTED, lw=1.2, ls=":", label=stable)
    axes.plot(found.lr, 1 - momentum, "o", ms=7, color=ACCENT)
    axes.annotate(
        f"momentum {momentum:.4g}\nat lr {found.lr:g}",
        (found.lr, 1 - momentum),
        (12, -30),
        textcoords="offset points",
    )
    axes.axhline(0.1, color=OTHER, lw=1.2, ls="--", label="momentum 0.9")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(top=max(1.0, 2 * found.C * float(lr[-1] ** GAMMA)) if high > 0.1 else None)
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.0))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("1 − momentum")
    axes.set_title("the law, with its 95% interval", color=INK)
    axes.legend(frameon=False, loc="upper left")


def _parts(axes: "Axes", found: Result) -> None:
    """What the interval of C is made of."""
    bracket = np.log(found.share_high / found.share_low) / 12**0.5
    parts = {
        "noise": found.noise.relative / 3,
        "slope along": found.along.relative / 3,
        "share along": bracket / 3,
        "sharpness": 2 * found.sharpness.relative / 3,
        "what one point\ncannot know": MODEL_ERROR,
    }
    places = np.arange(len(parts))[::-1]
    axes.barh(places, [100 * NORMAL_95 * part for part in parts.values()], color=OTHER, height=0.6)
    axes.set_yticks(places, list(parts))
    axes.set_xlabel("± % of C (95%)")
    axes.set_title(f"cost: {found.evaluations} gradient evaluations", color=INK)
