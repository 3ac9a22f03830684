"""Three momenta at one learning rate: too low, best, too high, as their runs went."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.report.axes import FORECAST, TIME, log_axis, padded, plain_label
from flatfast.lab.report.keys import line_entry, mark_entry
from flatfast.lab.report.study import Study, goal_metric
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.trajectories import Trajectory, pick_examples
from flatfast.lab.report.typography import metric_name, momentum, rate
from flatfast.lab.report.values import spread, tell

SHOWN = 4
"""Seeds drawn per momentum."""

FORETOLD: dict[str, Any] = {"marker": "v", "ms": 9}
ABOVE = 9.0
"""How far above the threshold the forecast's marks lie, in points."""

WIDE = 27
"""Letters of an entry of the key beyond which there is no room for another beside it."""

LONG = 6.0
"""Ratio of the slowest to the fastest arrival beyond which the steps are drawn logarithmically."""


def example_colours(theme: Theme) -> dict[str, str]:
    """Colour of the momentum that is too low, best, or too high."""
    return {"too low": theme.second, "best": theme.accent, "too high": theme.categories[2]}


@themed
def example_runs(study: Study, theme: Theme) -> Figure:
    """The goal's metric against the step, with the threshold and each T_c marked.

    Raises:
        CannotDraw: If no trajectories were kept, or nothing converged.
    """
    metric = goal_metric(study)
    examples = pick_examples(study, [metric])
    figure = new_figure(height=4.6)
    axes = figure.add_subplot()
    colours = example_colours(theme)
    runs = [run for example in examples.examples for run in example.runs[:SHOWN]]
    _scale(axes, runs, metric)
    entries = []
    for example in examples.examples:
        colour = colours[example.label]
        for run in example.runs[:SHOWN]:
            axes.plot(run.steps, run.values[metric], color=colour, lw=0.9, alpha=0.6)
            told = spread(len(run.steps))
            steps, values = run.steps[told], run.values[metric][told]
            tell(
                axes,
                steps,
                values,
                {
                    study.convention.momentum: 1 - example.mu,
                    "seed": str(run.seed),
                    "step": steps,
                    metric_name(metric): values,
                    TIME: run.time,
                },
            )
        for run in example.runs[:SHOWN]:
            axes.plot(
                run.time,
                run.threshold,
                "o",
                ms=5.5,
                mfc=colour,
                mec=theme.surface,
                mew=0.8,
                zorder=6,
            )
        entries.append(
            line_entry(
                f"{study.convention.momentum} {momentum(1 - example.mu)}, {example.label}",
                color=colour,
                lw=2,
            )
        )
    threshold = runs[0].threshold
    if np.isfinite(threshold):
        axes.axhline(threshold, color=theme.ink, lw=1.1, ls="--", zorder=3)
        entries.append(line_entry("threshold", color=theme.ink, lw=1.1, ls="--"))
        entries.append(mark_entry("convergence time", marker="o", ms=5.5, color=theme.ink))
        foretold = [
            _foretold(axes, example.mu, examples.lr, study, threshold, colours[example.label])
            for example in examples.examples
        ]
        if any(foretold):
            entries.append(mark_entry(FORECAST, color=theme.ink, **FORETOLD))
    axes.set_xlabel(f"steps at learning rate {rate(examples.lr, 3)}")
    axes.set_ylabel(metric_name(metric))
    # A momentum close to 1 has many digits, and two columns of them no room.
    wide = max(len(str(entry.get_label())) for entry in entries) > WIDE
    columns = 1 if wide else 2
    figure.legend(handles=entries, loc="outside lower center", ncols=columns, columnspacing=0.9)
    return figure


def _foretold(
    axes: Axes, mu: float, lr: float, study: Study, threshold: float, colour: str
) -> bool:
    """A mark above the threshold where the theory foretold the median; whether there is one."""
    scale = lr**LAW
    time = np.nan if study.forecast is None else float(study.forecast.time_at(mu / scale)) / scale
    above = axes.transData + ScaledTranslation(0, ABOVE / 72, axes.figure.dpi_scale_trans)
    if np.isfinite(time):
        axes.plot(time, threshold, color=colour, mec="none", transform=above, zorder=5, **FORETOLD)
    return bool(np.isfinite(time))


def _scale(axes: Axes, runs: list[Trajectory], metric: str) -> None:
    """Log or linear axes, wide enough to see every arrival and what follows it."""
    arrivals = np.array([run.time for run in runs if np.isfinite(run.time)])
    ends = np.array([run.steps[-1] for run in runs])
    waiting = [run.steps[-1] for run in runs if not np.isfinite(run.time)]
    last = min(
        float(ends.max()),
        max([1.6 * float(arrivals.max()), *waiting]) if len(arrivals) else float(ends.max()),
    )
    if len(arrivals) and last / arrivals.min() > LONG:
        first = min(float(run.steps[run.steps > 0][0]) for run in runs if len(run.steps) > 1)
        log_axis(axes, "x", max(first, float(arrivals.min()) / 20), last)
    else:
        axes.set_xlim(0, last)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain_label(value)))
    values = np.concatenate([run.values[metric][run.steps <= last] for run in runs])
    values = values[np.isfinite(values)]
    if not len(values):
        return
    if values.min() > 0 and values.max() / values.min() > 5:
        log_axis(axes, "y", *padded(values, 0.04))
