"""The study's figure: time over 1 − momentum at every learning rate, as run and rescaled."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import TIME, log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.drawing import light_and_dark
from studies.normalized.analysis import Row
from studies.study import Result


@themed
def normalized(result: Result, theme: Theme) -> Figure:
    """A row a problem: steps to the goal, and the same times lr² over (1 − momentum) / lr²."""
    figure = new_figure(11.0, 0.8 + 3.7 * len(result["cases"]))
    panels = figure.subplots(len(result["cases"]), 2, squeeze=False)
    for (left, right), (name, found) in zip(panels, result["cases"].items(), strict=True):
        _draw(left, found, theme, scaled=False)
        _draw(right, found, theme, scaled=True)
        left.set_title(name, loc="left")
        left.set_xlabel("1 − momentum")
        left.set_ylabel(TIME)
        right.set_xlabel("(1 − momentum) / lr²")
        right.set_ylabel("convergence time × lr² (steps)")
        left.legend(title="learning rate", fontsize=8.5, title_fontsize=9, loc="upper right")
    return figure


def _draw(axes: Axes, found: Row, theme: Theme, *, scaled: bool) -> None:
    xs: list[float] = []
    ys: list[float] = []
    colours = theme.ordered()([i / max(len(found["lr"]) - 1, 1) for i in range(len(found["lr"]))])
    for lr, curve, edge, colour in zip(
        found["lr"], found["curves"], found["edge"], colours, strict=True
    ):
        unit = lr**2 if scaled else 1.0
        known = [
            (mu / unit, t * unit)
            for mu, t in zip(curve["mu"], curve["steps"], strict=True)
            if t is not None
        ]
        x, y = zip(*known, strict=True)
        axes.plot(x, y, color=colour, marker="o", ms=3.2, lw=1.4, label=f"{lr:g}")
        xs += x
        ys += y
        if edge["estimate"] is not None and edge["low"] is not None:
            axes.axvspan(
                edge["low"] / unit, edge["high"] / unit, 0, 0.05, color=colour, alpha=0.8, lw=0
            )
    log_axis(axes, "x", *padded(xs, 0.03))
    log_axis(axes, "y", *padded(ys, 0.1))
    if scaled:
        C = found["edge_prefactor"]["estimate"]
        if C is not None:
            axes.axvline(C**3, color=theme.muted, lw=1.2, ls="--", zorder=1.5)
            axes.annotate(
                f"edge, C = {C:.3g}",
                (C**3, 0.97),
                (4, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                fontsize=9,
                color=theme.muted,
            )


def draw(result: Result, folder: Path) -> None:
    """Write the figure in both themes."""
    if result["cases"]:
        light_and_dark(normalized, "normalized")(result, folder)
