"""The best momentum against the learning rate: the law itself."""

import numpy as np
from matplotlib.figure import Figure

from flatfast.lab.estimation.conventions import Convention
from flatfast.lab.report.axes import LR, log_axis, padded
from flatfast.lab.report.study import CannotDraw, Study, best_momenta
from flatfast.lab.report.theme import Theme, new_figure, themed
from flatfast.lab.report.typography import fixed, percent
from flatfast.lab.report.values import tell
from flatfast.law import GAMMA

ROOM = 8.0
"""How far beyond the points the axis may reach for the ends of their intervals, as a factor."""

STYLES = {"2/3": "--", "2": "--", "1/2": ":", "1": "-."}


@themed
def best_momentum(study: Study, theme: Theme) -> Figure:
    """Best ``1 - momentum`` at each learning rate, fit, forecast, and the slopes that are asked.

    Raises:
        CannotDraw: If the optimum is located at fewer than two learning rates.
    """
    best = best_momenta(study)
    convention = study.convention
    at = np.flatnonzero(best.located)
    if len(at) < 2:
        raise CannotDraw(
            "The best momentum is known at fewer than two learning rates, so its growth cannot be "
            "drawn. Widen the range of momenta, make the runs longer, or add learning rates."
        )
    lr = best.lr[at]
    mu = np.array([best.mu[e].estimate for e in at])
    low = np.array([best.mu[e].low for e in at])
    high = np.array([best.mu[e].high for e in at])
    figure = new_figure()
    axes = figure.add_subplot()
    x = np.geomspace(*padded(lr, 0.1), 100)
    pivot = np.exp(np.mean(np.log(lr)))
    height = np.exp(np.mean(np.log(mu)))
    if study.fit is not None:
        gamma = study.fit.exponent
        height = study.fit.free_prefactor * pivot**gamma.estimate
        away = x / pivot
        edges = np.stack([height * away**gamma.low, height * away**gamma.high])
        axes.fill_between(
            x, edges.min(axis=0), edges.max(axis=0), color=theme.accent, alpha=0.16, lw=0
        )
        # Wide and pale, so that a slope of 2/3 that lies on it is seen on it.
        axes.plot(
            x,
            height * away**gamma.estimate,
            color=theme.accent,
            lw=6,
            alpha=0.5,
            solid_capstyle="butt",
            label="fit",
        )
        axes.text(
            0.03,
            0.97,
            f"exponent {fixed(gamma.estimate)}\n"
            f"{percent(study.fit.level)} interval {fixed(gamma.low)} to {fixed(gamma.high)}",
            transform=axes.transAxes,
            va="top",
            linespacing=1.5,
            color=theme.ink,
            fontsize=12,
            bbox={"facecolor": theme.surface, "edgecolor": "none", "alpha": 0.85, "pad": 2},
        )
    for name, slope in convention.candidates:
        axes.plot(
            x,
            height * (x / pivot) ** slope,
            color=theme.ink if slope == convention.law else theme.muted,
            ls=STYLES[name],
            lw=1.8 if slope == convention.law else 1.4,
            label=_slope_name(name, slope, convention),
            zorder=2.6 if slope == convention.law else 1.8,
        )
    if study.forecast is not None:
        axes.plot(
            x,
            study.forecast.answer * x**GAMMA,
            color=theme.categories[1],
            lw=3,
            alpha=0.75,
            label="forecast",
            zorder=3,
        )
    axes.errorbar(
        lr,
        mu,
        yerr=np.clip([mu - low, np.minimum(high, 1e3 * mu) - mu], 0, None),
        fmt="o",
        ms=6.5,
        color=theme.second,
        mec=theme.surface,
        mew=0.8,
        ecolor=theme.second,
        elinewidth=1.6,
        capsize=3,
        zorder=4,
        label="measured",
    )
    tell(
        axes,
        lr,
        mu,
        {
            LR: lr,
            f"best {convention.mu}": mu,
            "interval from": low,
            "interval to": high,
            f"best {convention.momentum}": 1 - mu,
        },
    )
    log_axis(axes, "x", float(x[0]), float(x[-1]))
    # An interval without end must not squeeze the points together.
    shown = np.concatenate([mu, low.clip(min=mu.min() / ROOM), high.clip(max=mu.max() * ROOM)])
    log_axis(axes, "y", *padded(shown, 0.12))
    axes.set_xlabel(LR)
    axes.set_ylabel(f"best {convention.mu}")
    slopes = (_slope_name(*one, convention) for one in convention.candidates)
    order = ["measured", "fit", "forecast", *slopes]
    handles, labels = axes.get_legend_handles_labels()
    chosen = [(handles[labels.index(name)], name) for name in order if name in labels]
    axes.legend([h for h, _ in chosen], [n for _, n in chosen], loc="lower right")
    return figure


def _slope_name(name: str, slope: float, convention: Convention) -> str:
    known = convention.plain and slope == convention.law
    return f"slope {name}, the law" if known else f"slope {name}"
