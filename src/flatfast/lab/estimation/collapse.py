"""The data collapse: all learning rates on one curve, and the exponent that makes it one.

Under the law, ``T_c * lr**gamma`` is one function of ``mu / lr**gamma`` for all learning rates
(gamma = 2/3; arXiv 2210.16400, and the limit equations of the law, in which lr appears in no other
way). The collapse tests more than the position of the optima: the whole curves, and the time
itself. The exponent that collapses the curves best is an estimate of gamma that needs no optimum.
"""

from dataclasses import dataclass

import numpy as np

from flatfast.lab.estimation.arrays import Flags, Floats, Indices
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.power_law import jackknife_error, replicate_variance
from flatfast.lab.estimation.resampling import median, resampled_medians, resamples, t_quantile
from flatfast.lab.estimation.times import TimeGrid

GAMMA_RANGE = (0.0, 1.5)
"""Exponents among which the best collapse is searched for a law of 2/3; others in proportion."""

VALLEY = 3.0
"""Cells count whose median time is within this factor of the best at their learning rate.

Farther out the times say little about the law: the ring of the slow mode meets the threshold or
not by chance, the stationary noise reaches the threshold (at ``mu ~ lr``, another exponent), and
medians come close to the run length.
"""

_COARSE = 0.05
_FINE = 0.01
_CHUNK = 64
_LEAST_OVERLAP = 0.5
"""Fraction of the points that must meet another curve, of the most that do at any exponent.

Without it the best collapse would be an exponent that pulls the curves apart until hardly a point
is left to compare.
"""


@dataclass(frozen=True, eq=False)
class Collapse:
    """Rescaled medians, one entry per cell with a finite median, and how well they collapse.

    Attributes:
        gamma: The exponent of both axes.
        x: ``mu / lr**gamma``, (K,).
        y: Median ``T_c * lr**gamma`` in steps, (K,).
        lr_index: Which learning rate each point belongs to, (K,).
        in_valley: Whether the point counts: its time is within :data:`VALLEY` times the best at
            its learning rate, (K,).
        lr: Learning rates, (E,).
        quality: Root mean square deviation, in log time, of each learning rate's median curve from
            the mean of the other curves interpolated at the same x, over all points of the valley
            that another curve covers: 0.02 says that curves lie 2% apart. The noise of the medians
            is part of it. NaN if no two curves overlap.
        overlap: Fraction of the points of the valley that another curve covers.
        best_gamma: The exponent with the least ``quality``, and its interval. NaN where no interval
            can be given (fewer than 3 learning rates overlap, or the best is at the end of
            the range, :data:`GAMMA_RANGE`).
        best_quality: The quality there.
        level: Level of the interval.
    """

    gamma: float
    x: Floats
    y: Floats
    lr_index: Indices
    in_valley: Flags
    lr: Floats
    quality: float
    overlap: float
    best_gamma: Interval
    best_quality: float
    level: float


def collapse(
    grid: TimeGrid,
    *,
    gamma: float = LAW,
    level: float = 0.95,
    n_boot: int = 200,
    seed: int = 0,
    law: float = LAW,
) -> Collapse:
    """Rescale a sweep with ``gamma``, and find the exponent that collapses it best.

    The interval of the best exponent is the wider of two, both Student's: from the bootstrap over
    seeds (S - 1 degrees of freedom), and from the jackknife over learning rates (E - 2). The second
    also sees what seeds do not show: the grid of momenta lies differently about each optimum, and
    curves have kinks. Alone, each falls short somewhere: the bootstrap where seeds agree closely.
    Together they cover the truth in 95 to 100% of sweeps (``studies/statistics``).

    Args:
        grid: The sweep's convergence times.
        gamma: Exponent of the rescaled axes.
        level: Level of the interval, in (0, 1).
        n_boot: Number of resamples of the seeds.
        seed: Seed of the resampling.
        law: The exponent that theory gives: the range of the search is in proportion to it.

    Returns:
        The collapse.

    Raises:
        ValueError: If there are fewer than 2 learning rates or 3 momenta, no cell has a finite
            median, gamma is not finite or the level is out of (0, 1).
    """
    rates, momenta = len(grid.lr), len(grid.mu)
    if rates < 2 or momenta < 3:
        raise ValueError(
            f"a collapse needs at least 2 learning rates and 3 momenta, got {rates} and {momenta}"
        )
    if not np.isfinite(gamma):
        raise ValueError(f"gamma must be finite, got {gamma}")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be in (0, 1), got {level}")
    log_lr, log_mu = np.log(grid.lr), np.log(grid.mu)
    log_time = median(grid.log_time)
    finite = np.isfinite(log_time)
    if not finite.any():
        raise ValueError("no momentum has a median time within the run length at any lr")

    squared, share = _deviation(log_lr, log_mu, log_time[None], np.array([[gamma]]))
    unit = law / LAW
    best, best_squared = _best_gamma(log_lr, log_mu, log_time[None], unit)
    interval = _interval(grid, float(best[0]), log_time, level, n_boot, seed, unit)
    row, column = np.nonzero(finite)
    return Collapse(
        gamma=gamma,
        x=grid.mu[column] / grid.lr[row] ** gamma,
        y=np.exp(log_time[finite]) * grid.lr[row] ** gamma,
        lr_index=row,
        in_valley=np.isfinite(_valley(log_time))[finite],
        lr=grid.lr,
        quality=float(np.sqrt(squared[0, 0])),
        overlap=float(share[0, 0]),
        best_gamma=interval,
        best_quality=float(np.sqrt(best_squared[0])),
        level=level,
    )


def _interval(
    grid: TimeGrid, best: float, log_time: Floats, level: float, n_boot: int, seed: int, unit: float
) -> Interval:
    log_lr, log_mu = np.log(grid.lr), np.log(grid.mu)
    rates, n_seeds = len(log_lr), len(grid.seed)
    useful = np.flatnonzero(np.isfinite(log_time).sum(axis=1) >= 2)
    if np.isnan(best) or len(useful) < 3:
        return Interval(best, np.nan, np.nan)
    left_out = np.broadcast_to(log_time, (len(useful), rates, len(log_mu))).copy()
    left_out[np.arange(len(useful)), useful] = np.nan
    spread = jackknife_error(_best_gamma(log_lr, log_mu, left_out, unit)[0])
    reaches = [spread * t_quantile(level, [(spread**2, len(useful) - 2)])]
    if n_seeds > 1:
        drawn = resampled_medians(grid.log_time, resamples(n_seeds, n_boot, seed))
        error = float(np.sqrt(replicate_variance(_best_gamma(log_lr, log_mu, drawn, unit)[0])))
        reaches.append(error * t_quantile(level, [(error**2, n_seeds - 1)]))
    reach = float(np.nanmax(reaches))
    return Interval(best, best - reach, best + reach)


def _best_gamma(
    log_lr: Floats, log_mu: Floats, log_time: Floats, unit: float
) -> tuple[Floats, Floats]:
    """Exponent of least deviation, and the squared deviation there, of tables (B, E, M): (B,).

    ``unit`` stretches the range and the steps of the search.

    NaN where nothing overlaps or the least is at the end of the range.
    """
    best, least = np.empty(len(log_time)), np.empty(len(log_time))
    coarse = unit * np.arange(GAMMA_RANGE[0], GAMMA_RANGE[1] + _COARSE / 2, _COARSE)
    near = unit * np.arange(-_COARSE, _COARSE + _FINE / 2, _FINE)
    for begin in range(0, len(log_time), _CHUNK):
        part = log_time[begin : begin + _CHUNK]
        rows = np.arange(len(part))
        everywhere = np.broadcast_to(coarse, (len(part), coarse.size))
        squared = _comparable(log_lr, log_mu, part, everywhere)
        first = np.argmin(squared, axis=1)
        lost = ~np.isfinite(squared[rows, first]) | (first == 0) | (first == coarse.size - 1)
        gamma = coarse[first][:, None] + near
        squared = _comparable(log_lr, log_mu, part, gamma)
        inner = np.clip(np.argmin(squared, axis=1), 1, near.size - 2)
        before, at, after = (squared[rows, inner + shift] for shift in (-1, 0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = 0.5 * (before - after) / (before - 2.0 * at + after)
        shift = np.clip(np.where(np.isfinite(shift), shift, 0.0), -1.0, 1.0)
        found = gamma[rows, inner] + shift * unit * _FINE
        best[begin : begin + _CHUNK] = np.where(lost, np.nan, found)
        least[begin : begin + _CHUNK] = np.where(lost, np.nan, at)
    return best, least


def _comparable(log_lr: Floats, log_mu: Floats, log_time: Floats, gamma: Floats) -> Floats:
    """Squared deviations (B, G), +inf where too few points overlap to be compared with the rest."""
    squared, share = _deviation(log_lr, log_mu, log_time, gamma)
    enough = share >= _LEAST_OVERLAP * share.max(axis=1, keepdims=True)
    return np.where(enough & np.isfinite(squared), squared, np.inf)


def _deviation(
    log_lr: Floats, log_mu: Floats, log_time: Floats, gamma: Floats
) -> tuple[Floats, Floats]:
    """Mean squared deviation of each curve from the mean of the others, at exponents (B, G).

    Returns:
        The squared deviation (NaN where nothing overlaps) and the fraction of points that overlap,
        both (B, G).
    """
    rates = len(log_lr)
    log_time = _valley(log_time)
    finite = np.isfinite(log_time)
    slope = _slopes(log_mu, log_time)
    total = np.zeros(gamma.shape)
    count = np.zeros(gamma.shape)
    for own in range(rates):
        sums = np.zeros((*gamma.shape, len(log_mu)))
        covers = np.zeros(sums.shape)
        for other in range(rates):
            if other == own:
                continue
            # Where the own points lie on the other's momentum axis, and by how much the other's
            # times must be scaled to lie on the own.
            shift = gamma[..., None] * (log_lr[other] - log_lr[own])
            value = _interpolate(log_mu, log_time[:, other], slope[:, other], log_mu + shift)
            known = np.isfinite(value)
            sums += np.where(known, value + shift, 0.0)
            covers += known
        covered = (covers > 0) & finite[:, None, own]
        mine = np.where(finite[:, None, own], log_time[:, None, own], 0.0)
        away = np.where(covered, mine - sums / np.maximum(covers, 1), 0.0)
        total += np.sum(away**2, axis=-1)
        count += covered.sum(axis=-1)
    points = np.maximum(finite.sum(axis=(1, 2)), 1)[:, None]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count / points


def _valley(log_time: Floats) -> Floats:
    """The table (..., M) with NaN in all cells but those of the valley."""
    finite = np.isfinite(log_time)
    best = np.min(np.where(finite, log_time, np.inf), axis=-1, keepdims=True)
    return np.where(finite & (log_time <= best + np.log(VALLEY)), log_time, np.nan)


def _slopes(x: Floats, y: Floats) -> Floats:
    """Derivatives at the cells, from the parabola through the neighbours, (..., M).

    Where a neighbour is missing, from the other one alone.
    """
    gap = np.diff(x)
    value = np.where(np.isfinite(y), y, np.nan)
    secant = np.diff(value, axis=-1) / gap
    absent = np.full((*y.shape[:-1], 1), np.nan)
    left = np.concatenate([absent, secant], axis=-1)
    right = np.concatenate([secant, absent], axis=-1)
    before = np.concatenate([gap[:1], gap])
    after = np.concatenate([gap, gap[-1:]])
    middle = (after * left + before * right) / (before + after)
    return np.where(np.isnan(left), right, np.where(np.isnan(right), left, middle))


def _interpolate(x: Floats, y: Floats, slope: Floats, at: Floats) -> Floats:
    """Cubic Hermite interpolation of curves (B, M) at places (B, G, K).

    Third-order accurate where a chord would miss a curved valley by percents on a coarse grid.
    NaN outside the curve and between cells of which one is not finite.
    """
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    gap = x[left + 1] - x[left]
    part = (at - x[left]) / gap
    curve = np.arange(len(y))[:, None, None]
    low, high = y[curve, left], y[curve, left + 1]
    start, end = slope[curve, left] * gap, slope[curve, left + 1] * gap
    with np.errstate(invalid="ignore"):
        rise = high - low
        second, third = 3.0 * rise - 2.0 * start - end, start + end - 2.0 * rise
        value = low + part * (start + part * (second + part * third))
    inside = (part >= -1e-9) & (part <= 1.0 + 1e-9) & np.isfinite(low) & np.isfinite(high)
    return np.where(inside, value, np.nan)
