"""What bounds momentum in ordinary training, drawn: from swinging to creeping."""

from typing import TYPE_CHECKING

import numpy as np

from flatfast.calibration.bar import marked, span
from flatfast.calibration.drawing import ACCENT, INK, OTHER
from flatfast.calibration.result import Result
from flatfast.calibration.window import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOMENTA = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
"""Those that the axis may name."""


def draw_window(axes: "Axes", found: Result, window: Window) -> None:
    """The two bounds, where the best momentum of sweeps lay beside them, and the one in use.

    Args:
        axes: Where to.
        found: The calibration, of which the learning rate and the momentum are shown.
        window: Its bounds.
    """
    momentum, whose = marked(found)
    low, high = (min(mu, 1.0) for mu in window.best)
    used = max(1 - momentum, 1e-6)
    axes.axvspan(low, high, color=ACCENT, alpha=0.25, lw=0)
    axes.text(
        np.sqrt(low * high), 0.93, f"best in sweeps\n{span(window)}",
        ha="center", va="top", color=INK,
    )  # fmt: skip
    bounds = {"batches: lr tr H / (2 B)": window.settles, "slowest mode: 2 √(lr λ)": window.damps}
    for height, (name, mu) in zip((0.42, 0.26), bounds.items(), strict=True):
        if mu > 0:
            axes.plot([mu, mu], [0, height], color=OTHER, lw=1.6)
            axes.annotate(name, (mu, height), (5, -4), textcoords="offset points", color=INK)
    axes.plot(used, 0.62, "o", ms=9, color=INK)
    axes.annotate(f"{whose}, {momentum:.4g}", (used, 0.62), (9, -4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlim(min(low, used, *(mu for mu in bounds.values() if mu > 0)) / 3, 1.0)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    shown = [each for each in MOMENTA if 1 - each > axes.get_xlim()[0]]
    axes.set_xticks([1 - each for each in shown], [f"{each:g}" for each in shown])
    axes.minorticks_off()
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("← swings, or is thrown about        momentum        creeps →")
    axes.set_title(f"no law at lr {found.lr:g}: what bounds momentum instead", color=INK)
