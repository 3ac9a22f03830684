"""Exponents of the regime map, local and fitted, from its tables.

For label noise the map has one axis. With ``c = (1 - momentum) / sqrt(lr)`` and the time
``k sqrt(lr)`` over k steps, heavy-ball SGD becomes, as ``lr`` falls, motion under friction c with
noise of strength ``noise^2 sqrt(lr)``, and nothing else in it depends on the learning rate: so the
best c is a function of ``noise^2 sqrt(lr)`` alone. Where it is constant the exponent is 1/2; where
it grows as the cube root the exponent is 2/3.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.power_law import fit_power_law, replicate_variance
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.lab.estimation.times import TimeGrid
from studies.regimes.cases import Case
from studies.regimes.optima import (
    LEVEL,
    N_BOOT,
    Optimum,
    best_c,
    edge_bounds,
    error_interval,
    fastest_cells,
    local_slopes,
    optimum_of,
    settling_window,
)
from studies.sweeps import same_seeds

POOLED = ("manifold", "init", "init-strict", "fashion")
"""Parts with several levels of noise on one problem."""


def strength(case: Case) -> float:
    """A case's noise: of its labels, or in ordinary training ``B^(-1/2)``, 0 for all examples.

    A batch's gradient has a covariance in proportion to ``1 / B``, as label noise has one in
    proportion to its square.
    """
    if case.part == "fashion" and case.batch_size:
        return float(case.batch_size**-0.5)
    return case.noise


def pooled_slope(members: list[tuple[float, Optimum]]) -> dict[str, Any] | None:
    """Slope of log c against the log of ``noise^2 sqrt(lr)`` over several noise levels.

    Args:
        members: Noise and optima of each sweep; all of the same seeds, which are resampled jointly.

    Returns:
        The slope s with its interval, and the exponent ``1/2 + s/2`` that follows from it; None
        with fewer than 3 located optima.
    """
    x = np.concatenate([np.log(noise**2 * np.sqrt(one.lr)) for noise, one in members])
    y = np.concatenate([one.log_mu - np.log(one.lr) / 2 for _, one in members])
    boot = np.concatenate([one.boot - np.log(one.lr) / 2 for _, one in members], axis=1)
    points = int(np.isfinite(y).sum())
    if points < 3:
        return None
    law = fit_power_law(x, y, boot)
    parts = [(law.seed_variance, members[0][1].seeds - 1.0), (law.scatter_variance, points - 2.0)]
    reach = np.sqrt(law.seed_variance + law.scatter_variance) * t_quantile(LEVEL, parts)
    slope = Interval(law.slope, law.slope - reach, law.slope + reach)
    exponent = Interval(*(0.5 + end / 2 for end in (slope.estimate, slope.low, slope.high)))
    return {
        "points": points,
        "slope": told(slope),
        "exponent": told(exponent),
        "scatter": law.scatter,
    }


def equal_strength(members: list[tuple[float, Optimum]]) -> list[dict[str, Any]]:
    """Pairs of the same ``noise^2 sqrt(lr)`` at different learning rates: the ratio of their c."""
    points = [
        (noise, one, e)
        for noise, one in members
        for e in range(len(one.lr))
        if np.isfinite(one.log_mu[e])
    ]
    pairs = []
    for (noise, one, e), (other_noise, other, f) in combinations(points, 2):
        strengths = (noise**2 * np.sqrt(one.lr[e]), other_noise**2 * np.sqrt(other.lr[f]))
        if noise == other_noise or not np.isclose(*strengths, rtol=1e-6):
            continue
        apart = float(
            one.log_mu[e] - np.log(one.lr[e]) / 2 - other.log_mu[f] + np.log(other.lr[f]) / 2
        )
        own = replicate_variance(one.boot[:, e] - other.boot[:, f])
        ends = error_interval(apart, float(own), one.grid_variance + other.grid_variance, one)
        pairs.append(
            {
                "strength": float(strengths[0]),
                "noise": [noise, other_noise],
                "lr": [float(one.lr[e]), float(other.lr[f])],
                "ratio": told(
                    Interval(*(float(np.exp(v)) for v in (ends.estimate, ends.low, ends.high)))
                ),
            }
        )
    return pairs


def told(interval: Interval) -> dict[str, float] | None:
    """An interval for JSON, None where it could not be located."""
    ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    return ends if np.isfinite(list(ends.values())).all() else None


def judged(case: Case, grid: TimeGrid) -> dict[str, Any]:
    """What is said of a case."""
    found = optimum_of(grid)
    result: dict[str, Any] = {
        "name": case.name,
        "part": case.part,
        "noise": case.noise,
        "batch_size": case.batch_size,
        "slow": case.slow,
        "seeds": found.seeds,
        "runs": int(np.isfinite(grid.log_time).sum() + np.isinf(grid.log_time).sum()),
        "lr": [float(lr) for lr in found.lr],
        "best_c": [told(one) for one in best_c(found)],
        "bound": edge_bounds(grid, found),
        "fastest_cell_c": fastest_cells(grid),
        "settling_mu_over_lr": settling_window(grid),
        "scaled_time": [
            float(t) if np.isfinite(t) else None for t in np.exp(found.log_time) * np.sqrt(found.lr)
        ],
        "reason": list(found.reason),
        "local": [told(one) for one in local_slopes(found)],
        "exponent": None,
    }
    try:
        fit = fit_exponent(grid, alternatives=(), level=LEVEL, n_boot=N_BOOT)
    except ValueError as error:
        result["missing"] = str(error)
    else:
        result["exponent"] = told(fit.exponent)
        result["caution"] = fit.caution
    try:
        curves = collapse(grid, level=LEVEL)
    except ValueError:
        result["collapse"] = None
    else:
        known = told(curves.best_gamma)
        result["collapse"] = known and {**known, "distance": curves.best_quality}
    return result


def pooled(levels: Mapping[float, TimeGrid]) -> dict[str, Any]:
    """What sweeps at several levels of noise say together.

    Args:
        levels: The sweeps by their noise, as :func:`strength` tells it.
    """
    shared = [optimum_of(grid) for grid in same_seeds(levels.values())]
    members = list(zip(levels, shared, strict=True))
    return {"law": pooled_slope(members), "pairs": equal_strength(members)}
