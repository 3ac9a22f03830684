"""Weighted line through the logs of the optima, with the errors of its coefficients.

Kept apart from the estimators of the optima: this module sees points, their bootstrap replicates,
and nothing of runs or censoring.
"""

from dataclasses import dataclass

import numpy as np

from flatfast.lab.estimation.arrays import Floats
from flatfast.lab.estimation.resampling import median

_BISECTIONS = 60


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """``y = intercept + slope x`` in logs.

    Attributes:
        slope: Estimate.
        intercept: Estimate, at x = 0.
        scatter: Standard deviation of the points about the line beyond their seeds' error.
        seed_variance: Of the slope, from the bootstrap.
        scatter_variance: Of the slope, from the scatter.
        level_seed_variance: Of the weighted mean of y, from the bootstrap.
        level_scatter_variance: Of the weighted mean of y, from the scatter.
        boot_slope: Slope of each replicate, (B,).
    """

    slope: float
    intercept: float
    scatter: float
    seed_variance: float
    scatter_variance: float
    level_seed_variance: float
    level_scatter_variance: float
    boot_slope: Floats


def replicate_variance(boot: Floats) -> Floats:
    """Variance of replicates over their first axis, NaN left out.

    The usual factor ``S / (S - 1)`` for S seeds is not applied. It would undo the shortfall of a
    mean's bootstrap variance; that of a median is too large as it is, by a quarter from 5 to 12
    normally distributed seeds, less from more.
    """
    count = np.sum(~np.isnan(boot), axis=0)
    mean = np.nansum(boot, axis=0) / np.maximum(count, 1)
    squares = np.nansum((boot - mean) ** 2, axis=0) / np.maximum(count - 1, 1)
    return np.asarray(np.where(count > 1, squares, np.nan))


def fit_power_law(x: Floats, y: Floats, boot: Floats) -> PowerLaw:
    """Fit a line by least squares, weighted with the points' seed variance and common scatter.

    The scatter ``tau`` solves ``sum r**2 / (v + tau**2) = degrees of freedom`` (Paule and Mandel);
    it is 0 if the seeds explain the residuals. Weights are ``1 / (v + tau**2)``, the same in every
    replicate. The points' variances are estimated from few seeds, and a variance that happens to be
    small must not decide the fit: each is averaged with their median. What all points of a
    replicate do in common (a seed's noise is shared) moves no residual and is left out of v.

    Args:
        x: Log of the learning rate, (E,). All equal: only the level is fitted, slope 0.
        y: Log of the optimum, (E,); NaN where there is none.
        boot: Its bootstrap replicates, (B, E); NaN where one has none.

    Returns:
        The fit.
    """
    usable = ~np.isnan(y)
    at, value, drawn = x[usable], y[usable], boot[:, usable]
    points = len(at)
    sloped = bool(np.ptp(at) > 0)
    freedom = points - (2 if sloped else 1)

    variance = replicate_variance(_without_common(drawn))
    variance = np.maximum(0.5 * (variance + np.median(variance)), 1e-18)

    scatter = _scatter(at, value, variance, freedom, sloped)
    weight = 1.0 / (variance + scatter**2)
    slope, level, centre = _line(at, value[None], weight, sloped)
    boot_slope, boot_level, boot_centre = _line(at, drawn, weight, sloped)
    # A replicate without some of the points has its level elsewhere on the line.
    boot_level = boot_level + slope[0] * (centre[0] - boot_centre)

    share = weight / weight.sum()
    lever = share * (at - centre[0])
    lever = lever / np.sum(lever * (at - centre[0])) if sloped else np.zeros(points)
    return PowerLaw(
        slope=float(slope[0]),
        intercept=float(level[0] - slope[0] * centre[0]),
        scatter=scatter,
        seed_variance=float(replicate_variance(boot_slope)),
        scatter_variance=float(scatter**2 * np.sum(lever**2)),
        level_seed_variance=float(replicate_variance(boot_level)),
        level_scatter_variance=float(scatter**2 * np.sum(share**2)),
        boot_slope=boot_slope,
    )


def leave_one_out(x: Floats, y: Floats, boot: Floats) -> Floats:
    """Slope of the weighted line with each point left out, (E,).

    NaN at points that are NaN themselves, and everywhere if fewer than 3 remain in all.
    """
    usable = np.flatnonzero(~np.isnan(y))
    result = np.full(len(y), np.nan)
    if len(usable) < 3:
        return result
    for point in usable:
        rest = y.copy()
        rest[point] = np.nan
        result[point] = fit_power_law(x, rest, boot).slope
    return result


def jackknife_error(slopes: Floats) -> float:
    """Jackknife standard error from the slopes with each point left out; NaN below 3 points."""
    known = slopes[~np.isnan(slopes)]
    if len(known) < 3:
        return float("nan")
    spread = np.sum((known - known.mean()) ** 2)
    return float(np.sqrt((len(known) - 1) / len(known) * spread))


def _without_common(drawn: Floats) -> Floats:
    """Replicates (B, E) less what their points do together: the median of their deviations."""
    if drawn.shape[1] < 2:
        return drawn
    count = np.maximum(np.sum(~np.isnan(drawn), axis=0), 1)
    away = drawn - np.nansum(drawn, axis=0) / count
    return np.asarray(drawn - median(away)[:, None])


def _line(x: Floats, y: Floats, weight: Floats, sloped: bool) -> tuple[Floats, Floats, Floats]:
    """Slope, weighted mean of y, and weighted mean of x of each row of y (B, E).

    A row with fewer than two points (one, for the level alone) gives NaN.
    """
    known = ~np.isnan(y)
    weights = np.where(known, weight, 0.0)
    total = weights.sum(axis=1)
    enough = known.sum(axis=1) >= (2 if sloped else 1)
    total = np.where(enough, total, np.nan)
    value = np.where(known, y, 0.0)
    centre = weights @ x / total
    level = np.sum(weights * value, axis=1) / total
    away = x - centre[:, None]
    if not sloped:
        return np.where(enough, 0.0, np.nan), level, centre
    slope = np.sum(weights * away * value, axis=1) / np.sum(weights * away**2, axis=1)
    return slope, level, centre


def _scatter(x: Floats, y: Floats, variance: Floats, freedom: int, sloped: bool) -> float:
    """Paule and Mandel's estimate of the common scatter, by bisection on its square."""
    if freedom < 1:
        return 0.0

    def excess(squared: float) -> float:
        weight = 1.0 / (variance + squared)
        slope, level, centre = _line(x, y[None], weight, sloped)
        residual = y - level[0] - slope[0] * (x - centre[0])
        return float(np.sum(weight * residual**2)) - freedom

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, float(np.var(y)) + 1e-12
    while excess(high) > 0:
        high *= 2.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return float(np.sqrt(high))
