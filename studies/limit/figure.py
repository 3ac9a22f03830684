"""The study's figure: SGD beside both limits, distances over learning rates, and partings."""

from fractions import Fraction
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from studies.drawing import light_and_dark

ONE_MODE, MANY_MODES = "scalar-product-1", "matrix-sensing"
MARKERS = ("o", "s", "D", "^", "v")


@themed
def limits(result: dict[str, Any], theme: Theme) -> Figure:
    """Paths with one mode and with 120, the distance over lr, the parting over modes."""
    cases = {case["case"]: case for case in result["cases"]}
    figure = new_figure(11.5, 8.2)
    panels = figure.subplots(2, 2)
    # What is not measured yet leaves its panel empty.
    if one := cases[ONE_MODE]["curves"]:
        _paths(panels[0, 0], one[:1], theme)
        panels[0, 0].set_title(f"one mode: scalar product, C = {one[0]['C']:g}")
        panels[0, 0].set_ylabel("|u|² − |v|² (share of its start)")
        _distances(panels[1, 0], cases[ONE_MODE], theme)
    if many := cases[MANY_MODES]["curves"]:
        _paths(panels[0, 1], many, theme)
        panels[0, 1].set_title(f"120 modes: matrix sensing, lr {many[0]['lr']:g}")
        panels[0, 1].set_ylabel("test error on Γ (share of its start)")
    _partings(panels[1, 1], result["cases"], theme)
    return figure


draw = light_and_dark(limits, "limit")


def _paths(axes: Axes, curves: list[dict[str, Any]], theme: Theme) -> None:
    """Mean and spread of SGD, the mean field and, where there is one, the random mean."""
    colours = [theme.second, *theme.categories[1:]]
    for number, (curve, colour) in enumerate(zip(curves, colours, strict=False)):
        time = np.append(0, curve["time"])
        mean, spread = np.append(1, curve["mean"]), np.append(0, curve["spread"])
        many = len(curves) > 1
        axes.fill_between(time, mean - spread, mean + spread, color=colour, alpha=0.15, lw=0)
        label = f"C = {curve['C']:g}" if many else f"SGD, lr {curve['lr']:g}: mean ± spread"
        axes.plot(time, mean, MARKERS[number], ms=4.5, color=colour, label=label)
        axes.plot(
            time,
            np.append(1, curve["mean_field"]),
            color=theme.accent,
            lw=1.6,
            label="limit, mean variances" if curve is curves[-1] else None,
        )
        if "random" in curve:
            axes.plot(
                time,
                np.append(1, curve["random"]),
                "--",
                color=theme.ink,
                lw=1.6,
                label="limit, random amplitudes",
            )
    axes.axhline(0, color=theme.muted, lw=0.8, zorder=1)
    axes.set_xlabel("t = steps × lr$^{2/3}$")
    axes.legend(fontsize=9.5)


def _distances(axes: Axes, case: dict[str, Any], theme: Theme) -> None:
    """Root mean square distances over the learning rate; hollow and barred where not resolved."""
    lrs, shown = [], []
    for number, C in enumerate(dict.fromkeys(row["C"] for row in case["rows"])):
        rows = [row for row in case["rows"] if row["C"] == C]
        lr = np.array([row["lr"] for row in rows])
        # Side by side, not on top of each other.
        at = lr * 1.12 ** (number - 2)
        colour = theme.categories[number]
        found = [row["distances"][0] for row in rows]
        square = np.array([one["square"] for one in found])
        error = np.array([one["standard_error"] for one in found])
        seen = np.array([one["resolved"] for one in found])
        low, high = (np.sqrt(np.maximum(square + s * 2 * error, 1e-12)) for s in (-1, 1))
        centre = np.sqrt(np.maximum(square, 1e-12))
        axes.errorbar(
            at[seen],
            centre[seen],
            yerr=[centre[seen] - low[seen], high[seen] - centre[seen]],
            fmt=f"{MARKERS[number]}-",
            ms=5,
            lw=1.2,
            color=colour,
            label=f"C = {C:g}",
        )
        if (~seen).any():
            axes.plot(at[~seen], high[~seen], "v", ms=6, color=colour, mfc=theme.surface)
        lrs += list(lr)
        shown += [*centre[seen], *high[~seen]]
    low, high = padded(np.array(lrs), 0.04)
    anchor = max(shown)
    for style, slope in ((":", "1/3"), ("--", "2/3")):
        axes.plot(
            [low, high],
            anchor * (np.array([low, high]) / high) ** float(Fraction(slope)),
            style,
            color=theme.muted,
            label=f"slope {slope}",
        )
    log_axis(axes, "x", low, high)
    bottom, top = padded(np.array(shown), 0.06)
    log_axis(axes, "y", bottom, top * 4)  # room for the key
    axes.plot([], [], "v", ms=6, color=theme.ink, mfc=theme.surface, label="not resolved: at most")
    axes.set_title("one mode: SGD's mean from the limit's")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("r.m.s. distance (share of the start)")
    axes.legend(fontsize=9, ncols=2, loc="upper left")


def _partings(axes: Axes, cases: list[dict[str, Any]], theme: Theme) -> None:
    """How far random amplitudes take the mean from the mean field, over C and modes."""
    family = [c for c in cases if c["case"] == ONE_MODE or c["case"].startswith("rank-one-")]
    family = [case for case in family if case["partings"]]
    if not family:
        return
    modes = np.array([case["modes"] for case in family], float)
    drawn = []
    for number, entry in enumerate(family[0]["partings"]):
        colour, C = theme.categories[number], entry["C"]
        gaps = [next(p["random"] for p in case["partings"] if p["C"] == C) for case in family]
        size = np.abs([gap["estimate"] for gap in gaps])
        error = 2 * np.array([gap["standard_error"] for gap in gaps])
        at = modes * 1.03 ** (number - 2)
        lower = np.minimum(error, 0.9 * size)
        axes.errorbar(
            at,
            size,
            yerr=[lower, error],
            fmt=f"{MARKERS[number]}-",
            ms=5,
            lw=1.2,
            color=colour,
            label=f"C = {C:g}",
        )
        for case, place in zip(family, at, strict=True):
            rows = [row for row in case["rows"] if row["C"] == C]
            if rows:
                gap = min(rows, key=lambda row: row["lr"])["from_mean_field"]
                axes.errorbar(
                    place,
                    abs(gap["estimate"]),
                    yerr=2 * gap["standard_error"],
                    fmt="x",
                    ms=8,
                    mew=1.6,
                    lw=0.8,
                    color=colour,
                )
        drawn += list(size)
    low, high = padded(modes, 0.06)
    anchor = max(drawn)
    axes.plot(
        [low, high],
        anchor * low / np.array([low, high]),
        ":",
        color=theme.muted,
        label="slope −1",
    )
    axes.plot([], [], "x", ms=8, mew=1.6, color=theme.ink, label="SGD")
    log_axis(axes, "x", low, high)
    axes.set_xticks(modes, [f"{number:g}" for number in modes])
    axes.minorticks_off()
    bottom, top = padded(np.array(drawn), 0.06)
    log_axis(axes, "y", bottom, top * 3)
    axes.set_title("random amplitudes from the mean field")
    axes.set_xlabel("modes that share one slow coordinate")
    axes.set_ylabel("largest gap (share of the start)")
    axes.legend(fontsize=9.5, ncols=2)
