"""A metric of the cooled iterate against scaled time: the collapse of whole trajectories."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from flatfast.lab.adaptive.plan import PILOT
from flatfast.lab.goal import COOLED
from flatfast.lab.report.axes import FORECAST, LR, lr_colorbar, lr_colours
from flatfast.lab.report.study import CannotDraw, Study, goal_metric
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.trajectories import Trajectory, recorded_metrics, trajectories
from flatfast.lab.report.typography import metric_name, number
from flatfast.lab.report.values import spread, tell

PANELS = 6
SAME_C = 1.08
"""How far, as a factor, the C of a panel's runs may lie from its middle."""

APART = 1.2
"""Least ratio between the values of C of two panels."""


@dataclass(frozen=True)
class Panel:
    """Runs of nearly one C.

    Attributes:
        low: Least C among them.
        high: Greatest.
        members: Index of the learning rate, and ``1 - momentum``.
    """

    low: float
    high: float
    members: tuple[tuple[int, float], ...]

    @property
    def middle(self) -> float:
        """C half-way, in the logarithm."""
        return math.sqrt(self.low * self.high)


def cooled_metrics(study: Study) -> tuple[str, ...]:
    """Recorded metrics of the cooled iterate; the goal's own first, then the Hessian's trace."""
    names = [name for name in recorded_metrics(study.recorded) if name.startswith(COOLED)]
    first = [goal_metric(study), f"{COOLED}trace"]
    return tuple(sorted(names, key=lambda name: first.index(name) if name in first else len(first)))


@themed
def cooled_metric(study: Study, theme: Theme) -> Figure:
    """The metric against ``t = step lr^(2/3)``: one panel per C, one line per learning rate.

    The power is the law's in the convention of the runs.

    Median over seeds, and their range as a band.

    Raises:
        CannotDraw: If no metric of the cooled iterate was recorded, or no C has two learning
            rates.
    """
    names = cooled_metrics(study)
    if not names:
        raise CannotDraw(
            "No metric of the cooled iterate was recorded. Record one, such as cooled:trace."
        )
    metric = names[0]
    convention = study.convention
    power = convention.law_name
    panels = _panels(study)
    if not panels:
        chosen = PILOT in study.recorded["method"].to_pylist()
        raise CannotDraw(
            f"No value of C = ({convention.mu}) / lr^({power}) has runs at two learning rates"
            + (
                ", as can be where a sweep chooses its own momenta; a grid of them has."
                if chosen
                else f". Choose momenta that grow with the learning rate to the power {power}."
            )
        )
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = new_figure(height=1.1 + 2.0 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    colours = lr_colours(study.grid.lr, theme)
    drawn: list[Axes] = list(grid.ravel())
    for axes, panel in zip(drawn, panels, strict=False):
        for order, (e, mu) in enumerate(panel.members):
            lr = float(study.grid.lr[e])
            runs = [run for run in trajectories(study.recorded, lr, mu) if metric in run.values]
            if runs:
                steps, middle, low, high = _over_seeds(runs, metric)
                scaled = steps * lr**study.convention.law
                axes.fill_between(scaled, low, high, color=colours[e], alpha=0.18, lw=0)
                told = spread(len(steps))
                tell(
                    axes,
                    scaled[told],
                    middle[told],
                    {
                        LR: lr,
                        convention.mu: mu,
                        f"({convention.mu}) / lr^({power})": mu / lr**convention.law,
                        "step": steps[told],
                        "scaled time": scaled[told],
                        metric_name(metric): middle[told],
                    },
                )
                # Lines that lie on each other stay visible: each is thinner than the one below.
                axes.plot(scaled, middle, color=colours[e], lw=1.2 + 2.6 * 0.6**order)
                if metric == goal_metric(study) and np.isfinite(runs[0].threshold):
                    axes.axhline(runs[0].threshold, color=theme.muted, lw=1, ls="--", zorder=1.8)
        _foretold(axes, study, panel, metric, theme)
        axes.set_title(_title(panel), fontsize=10.5)
        axes.set_xlim(left=0)
    for axes in drawn[len(panels) :]:
        axes.set_visible(False)
    marks = [line for axes in drawn for line in axes.lines if line.get_label() == FORECAST]
    if marks:
        figure.legend(marks[:1], [FORECAST], loc="outside upper left")
    figure.supxlabel(f"scaled time, steps × lr$^{{{power}}}$", fontsize=11.5)
    figure.supylabel(metric_name(metric), fontsize=11.5)
    lr_colorbar(figure, drawn, study.grid.lr, theme)
    return figure


def _foretold(axes: Axes, study: Study, panel: Panel, metric: str, theme: Theme) -> None:
    """A mark where the theory foretold that the goal is met; only the goal's metric has one."""
    thresholds = study.recorded["threshold"].to_numpy()
    if study.forecast is None or metric != goal_metric(study) or not np.isfinite(thresholds[0]):
        return
    time = float(study.forecast.time_at(panel.middle))
    if np.isfinite(time):
        axes.plot(
            time,
            thresholds[0],
            "v",
            ms=9,
            color=theme.accent,
            mec=theme.surface,
            zorder=6,
            label=FORECAST,
        )


def _panels(study: Study) -> list[Panel]:
    """Groups of runs at two or more learning rates with nearly one C: at most six, evenly spread.

    Momenta come from one grid, so that C differs a little between learning rates. Groups with the
    most learning rates are taken first, then those with the least spread of C.
    """
    grid = study.grid
    rates, cells = np.nonzero(~np.isnan(grid.log_time).all(axis=-1))
    log_constant = np.log(grid.mu[cells]) - study.convention.law * np.log(grid.lr[rates])
    order = np.argsort(log_constant, kind="stable")
    ascending = log_constant[order]
    first = np.searchsorted(ascending, log_constant - np.log(SAME_C), side="left")
    after = np.searchsorted(ascending, log_constant + np.log(SAME_C), side="right")
    groups = []
    for centre, begin, end in zip(log_constant, first, after, strict=True):
        alike = np.sort(order[begin:end])
        nearest: dict[int, int] = {}
        for i in alike[np.argsort(np.abs(log_constant[alike] - centre), kind="stable")]:
            nearest.setdefault(int(rates[i]), int(i))
        found = log_constant[list(nearest.values())]
        if len(nearest) >= 2:
            members = tuple((e, float(grid.mu[cells[i]])) for e, i in sorted(nearest.items()))
            groups.append(Panel(float(np.exp(found.min())), float(np.exp(found.max())), members))
    chosen: list[Panel] = []
    for group in sorted(groups, key=lambda g: (-len(g.members), g.high / g.low)):
        if all(
            group.low > APART * other.high or other.low > APART * group.high for other in chosen
        ):
            chosen.append(group)
    chosen.sort(key=lambda group: group.low)
    if len(chosen) > PANELS:
        keep = np.rint(np.linspace(0, len(chosen) - 1, PANELS)).astype(int)
        chosen = [chosen[i] for i in keep]
    return chosen


def _title(panel: Panel) -> str:
    low, high = number(panel.low, 2), number(panel.high, 2)
    if low == high:
        return f"C = {low}"
    return f"C \N{ALMOST EQUAL TO} {number(panel.middle, 2)}"


def _over_seeds(
    runs: list[Trajectory], metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Records, and median, least and greatest over the seeds that reached each."""
    longest = max(runs, key=lambda run: len(run.steps))
    table = np.full((len(runs), len(longest.steps)), np.nan)
    for row, run in zip(table, runs, strict=True):
        row[: len(run.steps)] = run.values[metric]
    keep = np.isfinite(table).any(axis=0)
    table = table[:, keep]
    return (
        longest.steps[keep],
        np.nanmedian(table, axis=0),
        np.nanmin(table, axis=0),
        np.nanmax(table, axis=0),
    )
