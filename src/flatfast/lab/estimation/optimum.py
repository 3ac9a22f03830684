"""The best momentum at each learning rate, from a smooth fit of log T_c against log mu.

The optimum is flat, so the argmin of a grid is mostly noise: neighbours of the best cell differ by
less than their error, and the answer can only be a cell of the grid. A smooth curve through the
medians uses all cells around the optimum.

Medians, because they respect censoring: all runs at one learning rate have one length, so a median
over seeds is exact as long as fewer than half of the cell's runs are censored. A cell whose median
is censored is known to lie above the run length, and enters the fits as that (one-sidedly).

The default was chosen by simulation (``studies/statistics``, ``results/statistics``)
among the fits below, over six shapes of curve, from ``a/mu + b mu**2`` to settling times of a
damped oscillator, which jump, and a cliff; over noise from 2 to 40%, and grids in random position.
The argmin of the grid has 3 to 10 times the standard error of the fits. A local cubic has up to
twice that of a local parabola, and the parabola a bias of up to 20% in mu on asymmetric curves; the
parabola with a skewness shared by all learning rates has nearly the error of the one and the bias
of the other (2% on the two-branch curve, 8% at a kink). Two-branch fits are better where the curve
has their form; elsewhere the one with fixed exponents is off by 25% and more, and the one with free
exponents follows the position of the grid. Beside a cliff every fit is some 30% off or more, on the
side away from it. The fits that were not chosen remain as the sensitivity analysis of the exponent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.arrays import Flags, Floats
from flatfast.lab.estimation.branch_fit import branch_minimum
from flatfast.lab.estimation.local_fit import Minimum, local_minimum, span_of
from flatfast.lab.estimation.resampling import median, resampled_medians, resamples
from flatfast.lab.estimation.spline_fit import spline_minimum
from flatfast.lab.estimation.times import TimeGrid

FEWEST_CELLS = 4
"""Momenta with a finite median that a learning rate needs for its optimum to be located."""

FEWEST_LOCATED = 0.9
"""Fraction of bootstrap resamples in which an optimum must be located to count as located."""

_AT_ONCE = 2_000_000
"""Medians that are fitted at once; a fit takes some hundred bytes for each of them."""

MinimumFinder: TypeAlias = Callable[[Floats, Floats, Floats], Minimum]
"""``(log_mu (M,), log_time (B, E, M), log_limit (E,)) -> Minimum`` with arrays (B, E)."""


@dataclass(frozen=True)
class CurveFit:
    """A way to find the minimum of log T_c over log mu.

    Attributes:
        name: What it is called in tables.
        minimum: Finds the minima of many curves at once.
    """

    name: str
    minimum: MinimumFinder


def shared_skewness(window: float) -> CurveFit:
    """Local parabola with a skewness shared by all learning rates, half-width a factor in mu."""
    return CurveFit(
        f"local parabola, shared skewness, window x{window:g}",
        partial(local_minimum, window=window, skewness="shared"),
    )


def every_other(fit: CurveFit, first: int) -> CurveFit:
    """The same fit to every other momentum of the grid, from the cell ``first`` (0 or 1) on.

    A coarser grid in another position: where the two halves disagree by more than their errors,
    the position of the grid decides (kinks, cliffs), not the noise.
    """

    def minimum(log_mu: Floats, log_time: Floats, log_limit: Floats) -> Minimum:
        return fit.minimum(log_mu[first::2], log_time[..., first::2], log_limit)

    which = ("first", "second")[first]
    return CurveFit(f"every other momentum, from the {which} on", minimum)


DEFAULT_FIT = shared_skewness(4.0)

ALTERNATIVE_FITS = (
    shared_skewness(3.0),
    shared_skewness(6.0),
    CurveFit("local parabola, window x4", partial(local_minimum, window=4.0, skewness="none")),
    CurveFit("local cubic, window x4", partial(local_minimum, window=4.0, skewness="own")),
    CurveFit("a/mu + b mu^2", partial(branch_minimum, free_exponents=False)),
    CurveFit("a mu^-p + b mu^q", partial(branch_minimum, free_exponents=True)),
    CurveFit("smoothing spline", partial(spline_minimum, window=4.0)),
    every_other(DEFAULT_FIT, 0),
    every_other(DEFAULT_FIT, 1),
)


@dataclass(frozen=True, eq=False)
class MedianTimes:
    """Median times of a sweep and their bootstrap over seeds: what every fit starts from.

    Attributes:
        lr: Learning rates, (E,).
        log_mu: Log of ``1 - momentum``, ascending, (M,).
        log_limit: Log of the run length, (E,).
        n_seeds: Number of seeds; where learning rates have different ones, the fewest.
        log_time: Log of the median T_c of the data (first) and of each resample, (1 + B, E, M);
            +inf where censored, NaN where there are no runs.
    """

    lr: Floats
    log_mu: Floats
    log_limit: Floats
    n_seeds: int
    log_time: Floats


@dataclass(frozen=True, eq=False)
class Optima:
    """The best momentum at each of E learning rates, by one fit.

    Attributes:
        log_mu: Log of the best ``1 - momentum``, (E,); NaN where not located.
        log_time: Log of T_c there, on the fitted curve, (E,); NaN where not located.
        located: Whether the optimum could be located, (E,).
        reason: Why not, "" where located; E strings.
        boot_log_mu: The same of each resample, (B, E); NaN where that resample's was not located.
        boot_log_time: The same of each resample, (B, E).
    """

    log_mu: Floats
    log_time: Floats
    located: Flags
    reason: tuple[str, ...]
    boot_log_mu: Floats
    boot_log_time: Floats


def median_times(grid: TimeGrid, *, n_boot: int, seed: int) -> MedianTimes:
    """Medians over seeds, of the data and of ``n_boot`` joint resamples of the seeds.

    Raises:
        ValueError: If there are fewer than 2 seeds, fewer than 4 momenta at every learning rate, or
            ``n_boot`` is below 2.
    """
    n_seeds = int(np.sum(~np.isnan(grid.log_time).all(axis=1), axis=-1).min())
    if n_seeds < 2:
        raise ValueError(f"an error bar needs at least 2 seeds, got {n_seeds}")
    # Learning rates may have momenta of their own: what all have together is no curve.
    momenta = int(np.sum(~np.isnan(grid.log_time).all(axis=2), axis=-1).max())
    if momenta < FEWEST_CELLS:
        raise ValueError(
            f"a curve over momentum needs at least {FEWEST_CELLS} momenta at one learning rate, "
            f"got {momenta}"
        )
    if n_boot < 2:
        raise ValueError(f"n_boot must be at least 2, got {n_boot}")
    drawn = resampled_medians(grid.log_time, resamples(len(grid.seed), n_boot, seed))
    both = np.concatenate([median(grid.log_time)[None], drawn])
    return MedianTimes(grid.lr, np.log(grid.mu), np.log(grid.limit), n_seeds, both)


def locate(times: MedianTimes, fit: CurveFit = DEFAULT_FIT) -> Optima:
    """The best momentum at each learning rate, and in each resample.

    An optimum is located if at least :data:`FEWEST_CELLS` momenta have a finite median, two momenta
    of the grid lie on either side of it, it does not lie among censored momenta, and the same holds
    in at least :data:`FEWEST_LOCATED` of the resamples. Else it is NaN, with a reason: an optimum
    at the edge of the grid is a bound on the best momentum, and would bend the power law.

    Args:
        times: Medians and resampled medians.
        fit: How to find the minimum of a curve.

    Returns:
        The optima.
    """
    found = _minimum(times, fit)
    problem = _problem(times.log_mu, times.log_time, found.log_mu)
    good = problem == _FINE
    place, time = np.where(good, found.log_mu, np.nan), np.where(good, found.log_time, np.nan)
    share = good[1:].mean(axis=0)
    located = good[0] & (share >= FEWEST_LOCATED)
    reason = tuple(
        _reason(times, e, int(problem[0, e]), float(share[e])) for e in range(len(times.lr))
    )
    return Optima(
        np.where(located, place[0], np.nan),
        np.where(located, time[0], np.nan),
        located,
        reason,
        place[1:],
        time[1:],
    )


def _minimum(times: MedianTimes, fit: CurveFit) -> Minimum:
    """The fit's minima, (1 + B, E), so many resamples at once as keeps memory within bounds."""
    step = max(1, _AT_ONCE // max(times.log_time[0].size, 1))
    parts = [
        fit.minimum(times.log_mu, times.log_time[begin : begin + step], times.log_limit)
        for begin in range(0, len(times.log_time), step)
    ]
    return Minimum(
        np.concatenate([part.log_mu for part in parts]),
        np.concatenate([part.log_time for part in parts]),
    )


_FINE, _FEW, _LOW_EDGE, _HIGH_EDGE, _CENSORED = range(5)


def _problem(log_mu: Floats, log_time: Floats, place: Floats) -> NDArray[np.int64]:
    """What is wrong with each optimum, (B, E)."""
    present, finite = ~np.isnan(log_time), np.isfinite(log_time)
    second, last_but_one = span_of(log_mu, present, 1)
    lowest, highest = span_of(log_mu, finite, -1)
    result = np.full(place.shape, _FINE, dtype=np.int64)
    result[(place < lowest) | (place > highest)] = _CENSORED
    result[place > last_but_one] = _HIGH_EDGE
    result[place < second] = _LOW_EDGE
    result[(finite.sum(axis=-1) < FEWEST_CELLS) | np.isnan(place)] = _FEW
    return result


def _reason(times: MedianTimes, e: int, problem: int, share: float) -> str:
    row = times.log_time[0, e]
    mu = np.exp(times.log_mu[~np.isnan(row)])
    if problem == _FEW and len(mu) < FEWEST_CELLS:
        return f"runs of {len(mu)} momenta, at least {FEWEST_CELLS} are needed"
    if problem == _FEW:
        return (
            f"only {int(np.isfinite(row).sum())} of {len(mu)} momenta have a median time within "
            f"the run length, at least {FEWEST_CELLS} are needed"
        )
    if problem == _LOW_EDGE:
        return f"the optimum is at the edge of the grid: momentum {1 - mu[0]:g} is the highest run"
    if problem == _HIGH_EDGE:
        return f"the optimum is at the edge of the grid: momentum {1 - mu[-1]:g} is the lowest run"
    if problem == _CENSORED:
        return "the optimum is among momenta whose median time is beyond the run length"
    if share < FEWEST_LOCATED:
        return (
            f"the optimum is at the edge of the grid, or lost, in {1 - share:.0%} of the resamples "
            "of the seeds"
        )
    return ""
