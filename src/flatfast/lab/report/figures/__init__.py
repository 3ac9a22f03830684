"""The figures of a report, in order. Each is a function ``(study, theme) -> Figure``.

A figure that a study has no data for raises :class:`flatfast.lab.report.study.CannotDraw`; one that
is about a kind of problem that the study is not (``applies``) is left out in silence.
"""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from flatfast.lab.estimation.conventions import HEAVY_BALL, Convention
from flatfast.lab.report.figures.best_momentum import best_momentum
from flatfast.lab.report.figures.cooled_metric import cooled_metric, cooled_metrics
from flatfast.lab.report.figures.example_runs import example_runs
from flatfast.lab.report.figures.generalization import generalization
from flatfast.lab.report.figures.heat_map import heat_map
from flatfast.lab.report.figures.manifold_path import METRICS, manifold_path
from flatfast.lab.report.figures.method_comparison import method_comparison
from flatfast.lab.report.figures.method_range import method_range
from flatfast.lab.report.figures.scaled_times import scaled_times
from flatfast.lab.report.figures.time_curves import time_curves
from flatfast.lab.report.study import Study
from flatfast.lab.report.theme import Theme
from flatfast.lab.report.trajectories import recorded_metrics


def always(study: Study) -> bool:
    """For figures that belong into every report."""
    return True


@dataclass(frozen=True)
class Drawing:
    """A figure of the report.

    Attributes:
        name: File name without suffix.
        draw: Draws it.
        description: What is drawn, for readers who cannot see it.
        caption: What to see in it, in one sentence.
        applies: Whether a study is of the kind that the figure is about.
    """

    name: str
    draw: Callable[[Study, Theme], Figure]
    description: str
    caption: str
    applies: Callable[[Study], bool] = always


NORMALIZED = {
    "best_momentum": (
        "Best 1 minus momentum against learning rate, on logarithmic axes, with the fitted power "
        "law and lines of slope 1 and 2 through its centre.",
        "The best 1 − momentum at each learning rate with its interval, and the fit with the "
        "slopes that its interval allows: the best lies at the edge of a plateau, where times are "
        "flat.",
    ),
    "heat_map": (
        "Map of the median convergence time over learning rate and 1 minus momentum, with the "
        "measured best momenta, the fitted power law and a line of slope 2.",
        "Median convergence time of every cell: above the line all momenta are about as fast, "
        "below it runs swing.",
    ),
    "time_curves": (
        "Median convergence time against 1 minus momentum, one curve per learning rate, with the "
        "fitted optima.",
        "One curve per learning rate: a plateau over most momenta (right), and an edge (left) "
        "beyond which the memory is so long that runs swing.",
    ),
    "scaled_times": (
        "Convergence time times the square of the learning rate against 1 minus momentum over the "
        "square of the learning rate, one curve per learning rate.",
        "The same curves rescaled with slope 2: if it holds, all learning rates lie on one.",
    ),
}
"""Description and caption of figures that show something else where momentum averages gradients."""


OTHERWISE = {
    "best_momentum": "The best 1 − momentum at each learning rate with its interval, and the fit "
    "with the slopes that its interval allows: of normalized SGD's momentum the slope would be 2.",
    "heat_map": "Median convergence time of every cell: whether it depends on the momentum, and "
    "where the fastest runs lie.",
    "time_curves": "One curve per learning rate, with the fitted optimum where there is one.",
}
"""Captions that promise nothing, for optimizers of which nothing is known."""


def words_of(drawing: Drawing, convention: Convention) -> tuple[str, str]:
    """Description and caption of a figure, of runs with this convention of momentum."""
    description, caption = drawing.description, drawing.caption
    if convention is HEAVY_BALL:
        return description, caption
    description, caption = NORMALIZED.get(drawing.name, (description, caption))
    if not convention.plain:
        caption = OTHERWISE.get(drawing.name, caption)
    name = convention.momentum
    return description.replace("momentum", name), caption.replace(" − momentum", f" − {name}")


FIGURES = (
    Drawing(
        "best_momentum",
        best_momentum,
        "Best 1 minus momentum against learning rate, on logarithmic axes, with the fitted power "
        "law and lines of slope 1/2, 2/3 and 1 through its centre.",
        "The best 1 − momentum at each learning rate with its interval, and the fit with the "
        "slopes that its interval allows: compare the points with the slopes 2/3, 1/2 and 1.",
    ),
    Drawing(
        "heat_map",
        heat_map,
        "Map of the median convergence time over learning rate and 1 minus momentum, with the "
        "measured best momenta, the fitted power law and the 2/3 law.",
        "Median convergence time of every cell: the valley of fast runs climbs with the learning "
        "rate, and the law says along which line.",
    ),
    Drawing(
        "time_curves",
        time_curves,
        "Median convergence time against 1 minus momentum, one curve per learning rate, with the "
        "fitted optima.",
        "One curve per learning rate: too little momentum drifts slowly (right), too much forgets "
        "slowly and rings (left), and the optimum between them is flat and moves.",
    ),
    Drawing(
        "scaled_times",
        scaled_times,
        "Convergence time times learning rate to the 2/3 against 1 minus momentum over learning "
        "rate to the 2/3, one curve per learning rate.",
        "The same curves rescaled by the law: if it holds, all learning rates lie on one.",
    ),
    Drawing(
        "generalization",
        generalization,
        "Test metric against 1 minus momentum, one curve per learning rate: when the runs are "
        "trained, and after as many steps as the best momentum needs.",
        "Does the fastest momentum cost test error? Left, every run when it is trained: compare "
        "the diamonds with the rest of their curves. Right, every run after the steps that the "
        "best of its learning rate takes.",
        lambda study: study.generalization is not None,
    ),
    Drawing(
        "method_range",
        method_range,
        "Median convergence time against learning rate for the law and other rules for the "
        "momentum, each up to its own stability limit, which is marked, and above it.",
        "Every rule up to its own stability limit, with intervals: compare the ringed points, "
        "where each is at its own best. Hollow marks lie above the limit, where runs are thrown "
        "off the manifold.",
        lambda study: (
            study.comparison is not None
            and any(method.stable_below > 0 for method in study.comparison.methods)
        ),
    ),
    Drawing(
        "method_comparison",
        method_comparison,
        "Median convergence time against learning rate for the law and other rules for the "
        "momentum.",
        "The law beside other rules, with intervals: look at how far each lies above it, and at "
        "the ringed points, where each rule is at its own best.",
    ),
    Drawing(
        "example_runs",
        example_runs,
        "The goal's metric against the step for three momenta at one learning rate.",
        "Runs at one learning rate: with too little momentum the metric creeps, with too much it "
        "swings back over the threshold, and only the last crossing counts.",
    ),
    Drawing(
        "manifold_path",
        manifold_path,
        "Paths of three runs in the plane of the norms of u and v, beside the hyperbola of "
        "minimizers.",
        "The same three momenta on the hyperbola of minimizers: the noise drives each run along it "
        "to the flattest minimum, where u\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}v.",
        lambda study: set(METRICS) <= set(recorded_metrics(study.recorded)),
    ),
    Drawing(
        "cooled_metric",
        cooled_metric,
        "A metric of the cooled iterate against scaled time, one panel per C, one line per "
        "learning rate.",
        "Whole trajectories in scaled time, read after cooling: if the law holds, the learning "
        "rates lie on top of each other at equal C, from ringing (small C) to creeping (large C).",
        lambda study: bool(cooled_metrics(study)),
    ),
)
