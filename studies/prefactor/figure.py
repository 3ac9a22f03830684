"""The prefactor's study drawn."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.law import GAMMA
from studies.drawing import MARKERS, colour_of, light_and_dark, one_to_one, with_interval

ROOM = 4.0
"""Above the points over the noise, for their legend."""


@themed
def prefactors(result: dict[str, Any], theme: Theme) -> Figure:
    """Swept against predicted C; their ratio over noise and lr; C over noise, and over h."""
    figure = new_figure(11.5, 9.2)
    panels = figure.subplots(2, 2)
    _against(panels[0][0], result["cases"], theme)
    _collapse(panels[0][1], result, theme)
    _noises(panels[1][0], result["exponents"], theme)
    _rates(panels[1][1], result["exponents"], theme)
    return figure


draw = light_and_dark(prefactors, "prefactor")


def _against(axes: Axes, rows: list[dict[str, Any]], theme: Theme) -> None:
    ends = []
    for row in rows:
        made = row.get("predicted", {}).get("flow")
        if made is None or "swept" not in row:
            continue
        small = bool(row["settings"].get("batch_size"))
        with_interval(axes, made["C"], row["swept"], row["problem"], theme, hollow=small)
        ends += [made["C"], row["swept"]["low"], row["swept"]["high"]]
    for name in MARKERS:
        axes.plot([], [], MARKERS[name], color=colour_of(name, theme), label=name)
    axes.plot([], [], "o", color=theme.muted, mfc=theme.surface, label="minibatches")
    if ends:
        one_to_one(axes, ends, theme)
    axes.set_title("every case")
    axes.set_xlabel("C from the flow")
    axes.set_ylabel("best C swept, 95% interval")
    axes.legend(fontsize=9.5, loc="upper left")


def _collapse(axes: Axes, result: dict[str, Any], theme: Theme) -> None:
    """The best C in units of the flow's, against the one variable that SGD near Γ has."""
    xs, ys = [], []
    for law in result["noise_laws"]:
        if law["flow"] is None:
            continue
        for point in law["points"]:
            unit = law["flow"] * point["noise_std"] ** GAMMA
            value = {key: point[key] / unit for key in ("estimate", "low", "high")}
            x = point["noise_std"] ** 4 * point["lr"]
            with_interval(axes, x, value, law["name"].split()[0], theme)
            xs.append(x)
            ys += [value["low"], value["high"]]
    if xs:
        log_axis(axes, "x", *padded(np.array(xs), 0.06))
        log_axis(axes, "y", *padded(np.array(ys), 0.1))
        axes.axhline(1, color=theme.muted, lw=1.2, zorder=1.5)
    axes.set_title("noise and learning rate as one")
    axes.set_xlabel("eps$^4$ lr (label noise in units of the targets)")
    axes.set_ylabel("best C swept / C from the flow")


def _noises(axes: Axes, found: list[dict[str, Any]], theme: Theme) -> None:
    xs, ys = [], []
    for one in (one for one in found if one["over"] == "noise_std"):
        colour = colour_of(one["name"], theme)
        xs.append(_slope(axes, one, theme, colour))
        ys += [point[end] for point in one["points"] for end in ("low", "high")]
        label = f"{one['name']}: {_told(one['slope'])}"
        axes.plot([], [], MARKERS[one["name"]], color=colour, label=label)
    if xs:
        log_axis(axes, "x", *padded(np.concatenate(xs), 0.06))
        low, high = padded(np.array(ys), 0.08)
        log_axis(axes, "y", low, ROOM * high)
        axes.legend(fontsize=9.5, title="slope at one lr; theory 2/3", loc="upper left")
    axes.set_title("over the noise")
    axes.set_xlabel("standard deviation of the label noise (units of the targets)")
    axes.set_ylabel("best C swept, 95% interval")


def _rates(axes: Axes, found: list[dict[str, Any]], theme: Theme) -> None:
    for one in (one for one in found if one["name"] == "all problems"):
        h = _slope(axes, one, theme, theme.ink)
        axes.lines[-1].set_label(f"fit, slope {_told(one['slope'])}")
        span = np.geomspace(h.min(), h.max(), 2)
        axes.plot(span, span ** (1 / 3), color=theme.muted, lw=1.2, label="theory, slope 1/3")
        ends = [point[end] for point in one["points"] for end in ("low", "high")]
        log_axis(axes, "x", *padded(h, 0.06))
        log_axis(axes, "y", *padded(np.array([*ends, *span ** (1 / 3)]), 0.08))
        axes.legend(fontsize=9.5, loc="upper left")
    axes.set_title("over h, all problems")
    axes.set_xlabel("h of the flow (1 / S)")
    axes.set_ylabel("best C / q(F) in units of (eps$^2$ / P)$^{1/3}$")


def _slope(axes: Axes, one: dict[str, Any], theme: Theme, colour: str) -> NDArray[np.float64]:
    """Points and their line; where the points are."""
    for point in one["points"]:
        with_interval(axes, point["x"], point, point["problem"], theme)
    own = np.array([point["x"] for point in one["points"]])
    span = np.geomspace(own.min(), own.max(), 2)
    axes.plot(span, np.exp(one["intercept"]) * span ** one["slope"]["estimate"], color=colour)
    return own


def _told(slope: dict[str, float]) -> str:
    return "{estimate:.2f} ({low:.2f} to {high:.2f})".format(**slope)
