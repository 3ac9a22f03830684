"""The study's figures: both times and where they meet; how they agree with their predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast import timescales
from flatfast.lab.report.axes import LR, MU, log_axis, lr_colours, padded
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.law import GAMMA
from flatfast.theory import settling_time
from studies.drawing import light_and_dark
from studies.timescales.analysis import swept_on

MARKERS = {"scalar-product": "o", "matrix-sensing": "s"}


def draw(result: dict[str, Any], folder: Path) -> None:
    """Write both figures in both themes, of the problems whose times meet in the result."""
    met = {name: result[name] for name in MARKERS if "crossings" in result.get(name, {})}
    if met:
        light_and_dark(crossing, "timescales")(met, folder)
        light_and_dark(agreement, "timescales_agreement")(met, folder)


@themed
def crossing(result: dict[str, Any], theme: Theme) -> Figure:
    """Both times against mu for two problems, and where they meet against the learning rate."""
    figure = new_figure(11.5, 4.6)
    panels = figure.subplots(1, len(result) + 1)
    for axes, (name, entry) in zip(panels, result.items(), strict=False):
        _times(axes, entry, name, theme)
    _meeting(panels[-1], result, theme)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def _times(axes: Axes, entry: Mapping[str, Any], name: str, theme: Theme) -> None:
    met = entry["crossings"]
    lrs = np.array([point["lr"] for point in met])
    limits = min(entry["limit"], key=float), max(entry["limit"], key=float)
    shown = [
        row
        for row in entry["rows"].values()
        if float(limits[0]) <= row["ratio"] <= float(limits[1])
    ]
    mus = np.array([row["mu"] for row in shown])
    heights = [row["tau_1"]["softest"]["time"] for row in shown]
    heights += [row["tau_2"]["time"] for row in shown]
    bottom, top = padded(np.array(heights), 0.05)
    line = np.geomspace(*padded(mus, 0.05))
    axes.plot(line, timescales.tau_1_underdamped(1 - line), color=theme.muted, lw=1.2, zorder=1)
    for lr, colour, point in zip(lrs, lr_colours(lrs, theme), met, strict=True):
        here = [row for row in shown if row["lr"] == lr]
        mu = [row["mu"] for row in here]
        for kind, times in (
            ("o", [row["tau_1"]["softest"] for row in here]),
            ("s", [row["tau_2"] for row in here]),
        ):
            time = np.array([t["time"] for t in times])
            reach = [time - [t["low"] for t in times], [t["high"] for t in times] - time]
            fill = colour if kind == "o" else theme.surface
            axes.errorbar(
                mu, time, yerr=reach, fmt=f"{kind}-", ms=4.5, lw=1, color=colour, mfc=fill
            )
        told = [row["tau_2"]["predicted"] for row in here]
        axes.plot(mu, told, ":", lw=1.3, color=colour, zorder=1)
        if point["best_mu"] is not None:
            axes.plot([point["best_mu"]] * 2, [bottom, point["time"]], "--", lw=1, color=colour)
        axes.plot(point["mu"], point["time"], "*", ms=13, color=theme.accent, mec=theme.surface)
    log_axis(axes, "x", line[0], line[-1])
    log_axis(axes, "y", bottom, top)
    axes.set_title(f"{name}, lr {lrs[0]:g} to {lrs[-1]:g}")
    axes.set_xlabel(MU)
    axes.set_ylabel("time (steps)")
    for marker, label in (("o", r"$\tau_1$ measured"), ("s", r"$\tau_2$ measured")):
        fill = theme.ink if marker == "o" else theme.surface
        axes.plot([], [], marker, ms=4.5, color=theme.ink, mfc=fill, label=label)
    axes.plot([], [], color=theme.muted, lw=1.2, label=r"$\tau_1$: 2 / (1 − momentum)")
    axes.plot([], [], ":", color=theme.ink, lw=1.3, label=r"$\tau_2$: closed form")
    axes.plot([], [], "*", ms=11, color=theme.accent, mec=theme.surface, label="they meet")
    axes.plot([], [], "--", color=theme.ink, lw=1, label="best of the sweep")


def _meeting(axes: Axes, result: Mapping[str, Any], theme: Theme) -> None:
    ends: list[float] = []
    for (name, entry), colour in zip(result.items(), theme.categories, strict=False):
        met = entry["crossings"]
        lr, mu = (np.array([point[key] for point in met]) for key in ("lr", "mu"))
        reach = [mu - [point["low"] for point in met], [point["high"] for point in met] - mu]
        axes.errorbar(
            lr, mu, yerr=reach, fmt="*", ms=12, color=theme.accent, mec=theme.surface, capsize=2
        )
        line = np.geomspace(*padded(lr, 0.06))
        axes.plot(line, entry["C"]["estimate"] * line**GAMMA, color=theme.accent, lw=1.2)
        swept = swept_on(name)["best_mu"]
        best = np.array([[b[key] for key in ("eta", "estimate", "low", "high")] for b in swept]).T
        axes.errorbar(
            best[0],
            best[1],
            yerr=[best[1] - best[2], best[3] - best[1]],
            fmt=MARKERS[name],
            ms=5,
            color=colour,
            capsize=2,
            label=f"best, {name}",
        )
        ends += [*mu, *best[1]]
    axes.plot(
        [], [], "*-", ms=12, color=theme.accent, mec=theme.surface, label="times meet, slope 2/3"
    )
    log_axis(axes, "x", 0.6e-6, 1e-2)
    log_axis(axes, "y", *padded(np.array(ends), 0.12))
    axes.set_title("where they meet, and the best")
    axes.set_xlabel(LR)
    axes.set_ylabel(MU)
    axes.legend(fontsize=8.5, loc="upper left")


@themed
def agreement(result: dict[str, Any], theme: Theme) -> Figure:
    """Measured over predicted: tau_1 from under- to overdamped, tau_2 over C."""
    figure = new_figure(9.2, 4.1)
    across, along = figure.subplots(1, 2)
    _across(across, result, theme)
    _along(along, result, theme)
    return figure


def _across(axes: Axes, result: Mapping[str, Any], theme: Theme) -> None:
    axes.axhline(1, color=theme.muted, lw=1.2, zorder=1)
    axes.axvline(1, color=theme.muted, lw=1, ls=":", zorder=1)
    places: list[float] = []
    colours = iter(theme.categories)
    for name, entry in result.items():
        for mode, curvature in zip(
            entry["rows"][next(iter(entry["rows"]))]["tau_1"],
            entry["curvature_at_rest"],
            strict=True,
        ):
            rows = list(entry["rows"].values())
            found = [row["tau_1"][mode] for row in rows]
            x = np.array([row["mu"] / (2 * np.sqrt(row["lr"] * curvature)) for row in rows])
            y, low, high = (
                np.array([tau[key] / tau["predicted"] for tau in found])
                for key in ("time", "low", "high")
            )
            label = f"{name}, {mode}" if len(entry["curvature_at_rest"]) > 1 else name
            axes.errorbar(
                x,
                y,
                yerr=[y - low, high - y],
                fmt=MARKERS[name],
                ms=4.5,
                lw=1,
                color=next(colours),
                label=label,
            )
            places += list(x)
    log_axis(axes, "x", padded(np.array(places), 0.05)[0], 8.0)
    axes.set_ylim(0.4, 1.9)
    axes.text(0.8, 0.44, "underdamped", color=theme.muted, ha="right", fontsize=9.5)
    axes.text(1.25, 0.44, "overdamped", color=theme.muted, fontsize=9.5)
    axes.set_title(r"$\tau_1$, measured over closed form")
    axes.set_xlabel(r"(1 − momentum) / 2 (lr $\lambda$)$^{1/2}$")
    axes.set_ylabel("ratio")
    axes.legend(fontsize=9, loc="upper left")


def _along(axes: Axes, result: Mapping[str, Any], theme: Theme) -> None:
    axes.axhline(1, color=theme.muted, lw=1.2, zorder=1)
    ratios: list[float] = []
    for (name, entry), colour in zip(result.items(), theme.categories, strict=False):
        marker = MARKERS[name]
        rows = [row for row in entry["rows"].values() if "tau_2" in row]
        ratios += [row["ratio"] for row in rows]
        for row in rows:
            found = row["tau_2"]
            y, low, high = (found[key] / found["predicted"] for key in ("time", "low", "high"))
            axes.errorbar(
                row["ratio"], y, yerr=[[y - low], [high - y]], fmt=marker, ms=4.5, color=colour
            )
        axes.plot([], [], marker, ms=4.5, color=colour, label=name)
    q = np.geomspace(min(ratios), max(ratios), 60)
    # In these units, the closed form is 2 q^2.
    told = settling_time(q, np.exp(-1)) / (2 * q**2)
    axes.plot(q, told, color=theme.accent, lw=1.6, label="heavy ball in a parabola", zorder=1)
    log_axis(axes, "x", *padded(q, 0.05))
    log_axis(axes, "y", 0.8, 20)
    axes.set_title(r"$\tau_2$, measured over closed form")
    axes.set_xlabel("C, in units of the closed forms' crossing")
    axes.set_ylabel("ratio")
    axes.legend(fontsize=9.5, loc="upper right")
