"""The prefactor's study drawn, from ``results/theory/prefactor.json``.

python -m benchmarks.prefactor_figure
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatfast.lab.report.axes import log_axis, padded
from flatfast.lab.report.theme import THEMES, Theme, new_figure, save, themed

FOLDER = Path("results/theory")
MARKERS = {"scalar-product": "o", "matrix-sensing": "s", "teacher-student": "D", "digits-mlp": "^"}


@themed
def prefactors(result: dict[str, Any], theme: Theme) -> Figure:
    """Swept against predicted C by flow and pilot, C over noise, and C over h."""
    figure = new_figure(11.5, 8.2)
    panels = figure.subplots(2, 2)
    for axes, way in zip(panels[0], ("flow", "pilot"), strict=True):
        _against(axes, result["cases"], way, theme)
    _slopes(panels[1][0], result["exponents"], "noise_std", theme)
    _slopes(panels[1][1], result["exponents"], "h", theme)
    return figure


def _against(axes: Axes, rows: list[dict[str, Any]], way: str, theme: Theme) -> None:
    ends = []
    for row in rows:
        made = row.get("predicted", {}).get(way)
        if made is None or "swept" not in row:
            continue
        small = bool(row["settings"].get("batch_size"))
        _point(axes, made["C"], row["swept"], row["problem"], theme, hollow=small)
        ends += [made["C"], row["swept"]["low"], row["swept"]["high"]]
    for name in MARKERS:
        axes.plot([], [], MARKERS[name], color=_colour(name, theme), label=name)
    axes.plot([], [], "o", color=theme.muted, mfc=theme.surface, label="minibatches")
    if ends:
        low, high = padded(np.array(ends), 0.06)
        axes.plot([low, high], [low, high], color=theme.muted, lw=1.2, zorder=1.5)
        log_axis(axes, "x", low, high)
        log_axis(axes, "y", low, high)
    axes.set_title("from the flow" if way == "flow" else "from one overdamped run")
    axes.set_xlabel("predicted C")
    axes.set_ylabel("best C swept, 95% interval")
    axes.legend(fontsize=9.5, loc="upper left")


def _slopes(axes: Axes, found: list[dict[str, Any]], over: str, theme: Theme) -> None:
    chosen = [one for one in found if one["over"] == over and one["name"] != "all problems"]
    xs, ys = [], []
    for one in chosen:
        problem, _, kind = one["name"].partition(", ")
        colour, hollow = _colour(problem, theme), bool(kind)
        for point in one["points"]:
            _point(axes, point["x"], point, problem, theme, hollow=hollow)
            xs.append(point["x"])
            ys += [point["low"], point["high"]]
        own = np.array([point["x"] for point in one["points"]])
        line = np.geomspace(own.min(), own.max(), 2)
        axes.plot(line, np.exp(one["intercept"]) * line ** one["slope"]["estimate"], color=colour)
        slope = "{estimate:.2f} ({low:.2f} to {high:.2f})".format(**one["slope"])
        axes.plot(
            [],
            [],
            MARKERS[problem],
            color=colour,
            mfc=theme.surface if hollow else colour,
            label=f"{one['name']}: {slope}",
        )
    if xs:
        log_axis(axes, "x", *padded(np.array(xs), 0.06))
        log_axis(axes, "y", *padded(np.array(ys), 0.08))
        axes.legend(fontsize=9.5, title=f"slope; theory {'2/3' if over == 'noise_std' else '1/3'}")
    if over == "noise_std":
        axes.set_title("over the noise")
        axes.set_xlabel("standard deviation of the label noise (units of the targets)")
        axes.set_ylabel("best C swept, 95% interval")
    else:
        axes.set_title("over h")
        axes.set_xlabel("h of the flow (1 / S)")
        axes.set_ylabel("best C / q(F) in units of (eps$^2$ / P)$^{1/3}$")


def _point(
    axes: Axes, x: float, value: dict[str, float], problem: str, theme: Theme, *, hollow: bool
) -> None:
    colour = _colour(problem, theme)
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


def _colour(problem: str, theme: Theme) -> str:
    return theme.categories[list(MARKERS).index(problem)]


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--result", type=Path, default=FOLDER / "prefactor.json")
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args()
    result = json.loads(chosen.result.read_text())
    for theme in THEMES:
        save(prefactors(result, theme), theme, chosen.out, "prefactor")


if __name__ == "__main__":
    main()
