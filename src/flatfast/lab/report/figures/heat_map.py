"""Median convergence time over learning rate and momentum, with the ridge of the best momenta."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.report.axes import (
    FORECAST,
    LR,
    TIME,
    log_axis,
    log_ticks,
    plain_label,
    power_label,
)
from flatfast.lab.report.study import (
    CannotDraw,
    Study,
    best_momenta,
    median_time,
    mostly_diverged,
    outcomes,
    require_times,
)
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.typography import fixed
from flatfast.lab.report.values import tell

RASTERISE_ABOVE = 1500
"""Cells beyond which the map becomes a picture inside the SVG."""


@themed
def heat_map(study: Study, theme: Theme) -> Figure:
    """T_c over learning rate and ``1 - momentum``, both logarithmic.

    Raises:
        CannotDraw: If the sweep has a single learning rate or momentum, or no median time.
    """
    require_times(study)
    grid = study.grid
    if len(grid.lr) < 2 or len(grid.mu) < 2:
        raise CannotDraw(
            "A map over learning rate and momentum needs two or more of each. Run the sweep with "
            "more."
        )
    times = median_time(grid)
    diverged = mostly_diverged(grid)
    figure = new_figure(height=4.7)
    axes = figure.add_subplot()
    axes.grid(visible=False)

    edges = log_edges(grid.lr)
    boxes = [_column_boxes(edges[e : e + 2], grid.mu, times[e]) for e in range(len(grid.lr))]
    corners = np.concatenate(boxes)
    flat = times[~np.isnan(times)]
    lost = diverged[~np.isnan(times)]
    finite = np.isfinite(flat)
    if finite.any():
        _draw_times(figure, axes, theme, corners[finite], flat[finite])
    for mask, hatch in ((~finite & ~lost, "////"), (lost, "xxxx")):
        axes.add_collection(
            PolyCollection(
                list(corners[mask]),
                facecolor=theme.surface,
                edgecolor=theme.hatch,
                hatch=hatch,
                linewidth=0.0,
            )
        )
    for lr, column, lost_here in zip(grid.lr, times, diverged, strict=True):
        here = ~np.isnan(column)
        tell(
            axes,
            np.full(here.sum(), lr),
            grid.mu[here],
            {
                LR: lr,
                study.convention.mu: grid.mu[here],
                study.convention.momentum: 1 - grid.mu[here],
                TIME: column[here],
                "outcome": outcomes(column[here], lost_here[here]),
            },
        )
    log_axis(axes, "x", edges[0], edges[-1])
    log_axis(axes, "y", float(corners[..., 1].min()), float(corners[..., 1].max()))
    axes.set_xlabel(LR)
    axes.set_ylabel(study.convention.mu)
    axes.tick_params(which="both", direction="out")

    handles = [*_ridge(axes, study, theme, edges)]
    if (~finite & ~lost).any():
        handles.append((_swatch(theme, "//////"), "not converged"))
    if lost.any():
        handles.append((_swatch(theme, "xxxxxx"), "diverged"))
    if handles:
        figure.legend(
            [handle for handle, _ in handles],
            [label for _, label in handles],
            loc="outside lower center",
            ncols=2,
            columnspacing=1.4,
        )
    return figure


def log_edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Borders of cells around ascending ``centres``, half-way in the logarithm, (n + 1,)."""
    log = np.log(centres)
    if len(log) == 1:
        return np.asarray(np.exp(log[0] + np.array([-0.2, 0.2])))
    middle = (log[1:] + log[:-1]) / 2
    first, last = log[0] - (middle[0] - log[0]), log[-1] + (log[-1] - middle[-1])
    return np.asarray(np.exp(np.concatenate([[first], middle, [last]])))


def _column_boxes(
    sides: NDArray[np.float64], mu: NDArray[np.float64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Corners of the cells of one learning rate, (cells, 4, 2).

    Each column has borders of its own: sweeps may place the momenta of each learning rate
    differently.
    """
    present = ~np.isnan(times)
    if not present.any():
        return np.empty((0, 4, 2))
    border = log_edges(mu[present])
    left, right = sides
    return np.stack(
        [
            np.stack([np.full(len(border) - 1, side), end], axis=-1)
            for side, end in (
                (left, border[:-1]),
                (right, border[:-1]),
                (right, border[1:]),
                (left, border[1:]),
            )
        ],
        axis=1,
    )


def _draw_times(
    figure: Figure,
    axes: Axes,
    theme: Theme,
    corners: NDArray[np.float64],
    times: NDArray[np.float64],
) -> None:
    low, high = float(times.min()), max(float(times.max()), float(times.min()) * 1.5)
    colours = ScalarMappable(LogNorm(low, high), theme.ordered().reversed())
    shades = colours.to_rgba(times)
    axes.add_collection(
        # Borders of the cells' own colour close the hairlines that viewers leave between them.
        PolyCollection(
            list(corners),
            facecolor=shades,
            edgecolor=shades,
            linewidth=0.4,
            rasterized=len(corners) > RASTERISE_ABOVE,
        )
    )
    bar = figure.colorbar(colours, ax=axes, pad=0.02, aspect=24)
    ticks = log_ticks(low, high)
    label = plain_label if high < 3e4 else power_label
    bar.set_ticks(ticks, labels=[label(tick) for tick in ticks])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(TIME)


def _ridge(
    axes: Axes, study: Study, theme: Theme, edges: NDArray[np.float64]
) -> list[tuple[Artist, str]]:
    """The best momenta with intervals, fit, 2/3 law and forecast; legend entries."""
    best = best_momenta(study)
    convention = study.convention
    handles: list[tuple[Artist, str]] = []
    span = np.array([edges[0], edges[-1]])
    if study.forecast is not None:
        # Below the fitted lines, and wider: they coincide where the forecast holds.
        told = axes.plot(
            span,
            study.forecast.answer * span**LAW,
            color=theme.accent,
            lw=5,
            path_effects=[Stroke(linewidth=6.6, foreground="#101216", alpha=0.75), Normal()],
        )
        handles.append((told[0], FORECAST))
    if study.fit is not None:
        fit = study.fit
        power = axes.plot(
            span,
            fit.free_prefactor * span**fit.exponent.estimate,
            color="#ffffff",
            lw=3.6,
            path_effects=[Stroke(linewidth=5.2, foreground="#101216", alpha=0.75), Normal()],
        )
        # Dark on the fit's white where the two coincide, and edged in white where they do not.
        law = axes.plot(
            span,
            fit.prefactor.estimate**convention.power * span**convention.law,
            color="#101216",
            ls=(0, (4, 2.5)),
            lw=1.7,
            path_effects=[Stroke(linewidth=3.2, foreground="#ffffff"), Normal()],
        )
        handles += [
            (power[0], f"fitted power law, exponent {fixed(fit.exponent.estimate)}"),
            (law[0], f"{convention.law_name} law" if convention.plain else "slope 2"),
        ]
    at = np.flatnonzero(best.located)
    if len(at):
        centre = np.array([best.mu[e].estimate for e in at])
        reach = np.array(
            [[centre[i] - best.mu[e].low, best.mu[e].high - centre[i]] for i, e in enumerate(at)]
        )
        bars = axes.errorbar(
            best.lr[at],
            centre,
            yerr=np.nan_to_num(reach, posinf=0).clip(0).T,
            fmt="o",
            ms=6.5,
            mfc=theme.accent,
            mec="#101216",
            mew=0.9,
            ecolor="#101216",
            elinewidth=1.6,
            capsize=3,
            zorder=5,
        )
        for line in bars[2]:
            line.set_path_effects([Stroke(linewidth=3.2, foreground="#ffffff"), Normal()])
        marker = Line2D([], [], ls="", marker="o", ms=6.5, mfc=theme.accent, mec="#101216")
        handles.insert(0, (marker, f"best {convention.momentum}, measured"))
    return handles


def _swatch(theme: Theme, hatch: str) -> Patch:
    return Patch(facecolor=theme.surface, edgecolor=theme.muted, hatch=hatch, linewidth=0.6)
