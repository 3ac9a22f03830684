"""What a sweep says of plateau and edge: where they lie at each learning rate, and their exponents.

Both are read off the median times, of the data and of joint resamples of the seeds alike; a power
law through them has Student's interval, as the exponent of a best momentum has
(:mod:`flatfast.lab.estimation.exponent`).
"""

from typing import Any

import numpy as np

from flatfast.lab.estimation.arrays import Floats
from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.conventions import NORMALIZED
from flatfast.lab.estimation.exponent import exponent_interval, fit_exponent
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.optimum import MedianTimes, median_times
from flatfast.lab.estimation.power_law import fit_power_law
from flatfast.lab.estimation.resampling import percentile_interval, student_interval
from flatfast.lab.estimation.times import TimeGrid
from studies.normalized.cases import LAW, Case

LEVEL = 0.95
RESAMPLES = 1000

DECADE = 10.0
"""How wide the plateau is taken to be, as a factor in ``1 - momentum``, down from its upper end."""

EDGE = 1.5
"""How many times the plateau's the time is at the edge."""

WITHIN = 0.10
"""How far from the middle a median on the plateau may lie to be called one."""

OTHER = 1.0
"""The exponent that is to be excluded: that of a best momentum without noise (1/2, heavy ball)."""

Row = dict[str, Any]


def told(case: Case, grid: TimeGrid, C: float | None = None) -> Row:
    """Plateau, edge and exponents of a sweep, as plain JSON.

    Args:
        case: What was swept.
        grid: Its times.
        C: The best of heavy ball's law on this problem, where it is known.
    """
    times = median_times(grid, n_boot=RESAMPLES, seed=0)
    log_time = times.log_time
    plateau = plateau_of(times.log_mu, log_time)
    edge = edge_of(times.log_mu, log_time, plateau)
    log_lr, seeds = np.log(grid.lr), times.n_seeds - 1
    curves = collapse(grid, gamma=LAW, law=LAW, level=LEVEL)
    flat = [_spread(times.log_mu, log_time[0, e]) for e in range(len(log_lr))]
    found: Row = {
        "lr": grid.lr.tolist(),
        "seeds": len(grid.seed),
        "curvature": case.curvature,
        "curves": [_curve(times.log_mu, log_time[0, e], grid, e) for e in range(len(log_lr))],
        "plateau": [_interval(values) for values in plateau.T],
        "edge": [_interval(values) for values in edge.T],
        "flat_within": flat,
        "edge_exponent": exponent(log_lr, edge, seeds),
        "edge_prefactor": _prefactor(log_lr, edge, seeds),
        "plateau_exponent": exponent(log_lr, plateau, seeds),
        "collapse": {"quality": curves.quality, **_plain(curves.best_gamma)},
        "best": _best(grid),
        "law": None if C is None else {"C": C, "over_plateau": _at_law(times, plateau, C)},
    }
    found["held"] = _held(found)
    return found


def plateau_of(log_mu: Floats, log_time: Floats) -> Floats:
    """Log of the middle median time over the upper decade of momenta, (..., E)."""
    upper = np.where(_upper(log_mu, log_time), log_time, np.nan)
    middle: Floats = np.nanmedian(upper, axis=-1)
    return middle


def edge_of(log_mu: Floats, log_time: Floats, plateau: Floats) -> Floats:
    """Log of the ``1 - momentum`` where the time first passes :data:`EDGE` times the plateau's.

    Coming from the plateau, linear between the two cells in logs; NaN where no cell is so slow, or
    the first that is has no median within the runs.

    Args:
        log_mu: (M,), ascending.
        log_time: (..., E, M): NaN without runs, +inf beyond the runs.
        plateau: (..., E).
    """
    bar = (plateau + np.log(EDGE))[..., None]
    slow = (log_time > bar) & ~_upper(log_mu, log_time)
    number = np.arange(len(log_mu))
    last = np.where(slow, number, -1).max(axis=-1)
    low = np.clip(last, 0, len(log_mu) - 2)[..., None]
    before = np.take_along_axis(log_time, low, axis=-1)
    after = np.take_along_axis(log_time, low + 1, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = (bar - before) / (after - before)
        at = log_mu[low] + part * (log_mu[low + 1] - log_mu[low])
    known = (last[..., None] >= 0) & np.isfinite(before) & np.isfinite(after)
    return np.asarray(np.where(known, at, np.nan)[..., 0])


def _upper(log_mu: Floats, log_time: Floats) -> Any:
    """Cells of the plateau: within a decade of the greatest ``1 - momentum`` that was run."""
    there = ~np.isnan(log_time)
    highest = np.where(there, log_mu, -np.inf).max(axis=-1, keepdims=True)
    return there & (log_mu >= highest - np.log(DECADE) - 1e-9)


def _spread(log_mu: Floats, log_time: Floats) -> float:
    """How far the plateau's medians lie from their middle, at most, as a share of it."""
    upper = log_time[_upper(log_mu, log_time)]
    return float(np.exp(np.abs(upper - np.median(upper)).max()) - 1)


def _curve(log_mu: Floats, log_time: Floats, grid: TimeGrid, e: int) -> Row:
    """The medians at a learning rate; None beyond the runs."""
    there = ~np.isnan(log_time)
    medians = np.exp(log_time[there])
    return {
        "mu": np.exp(log_mu[there]).tolist(),
        "steps": [float(t) if np.isfinite(t) else None for t in medians],
        "limit": float(grid.limit[e]),
    }


def _interval(drawn: Floats) -> Row:
    """Value and interval of what was read off the data (first) and off the resamples."""
    found = percentile_interval(float(drawn[0]), drawn[1:], LEVEL).exp()
    return _plain(found)


def exponent(log_lr: Floats, drawn: Floats, seeds: int) -> Row:
    """Of a power law through what was read at each learning rate."""
    law = fit_power_law(log_lr, drawn[0], drawn[1:])
    return _plain(exponent_interval(law, LEVEL, seeds, int((~np.isnan(drawn[0])).sum()) - 2))


def _prefactor(log_lr: Floats, drawn: Floats, seeds: int) -> Row:
    """The same law with its exponent held at 2, as C: the cube root of its prefactor."""
    log_C = (drawn - LAW * log_lr) / NORMALIZED.power
    law = fit_power_law(np.zeros(len(log_lr)), log_C[0], log_C[1:])
    parts = [
        (law.level_seed_variance, seeds),
        (law.level_scatter_variance, int((~np.isnan(log_C[0])).sum()) - 1),
    ]
    return _plain(student_interval(law.intercept, LEVEL, parts).exp())


def _at_law(times: MedianTimes, plateau: Floats, C: float) -> list[float]:
    """The time at ``1 - momentum = C^3 lr^2`` over the plateau's, where both are known."""
    found = []
    for e, lr in enumerate(times.lr):
        known = np.isfinite(times.log_time[0, e])
        at = NORMALIZED.power * np.log(C) + LAW * np.log(lr)
        log_mu = times.log_mu[known]
        if log_mu[0] <= at <= log_mu[-1]:
            log_time = np.interp(at, log_mu, times.log_time[0, e, known])
            found.append(float(np.exp(log_time - plateau[0, e])))
    return found


def _best(grid: TimeGrid) -> Row:
    """The exponent of the fastest momentum, where curves have one; else why not."""
    try:
        fit = fit_exponent(grid, alternatives=(), level=LEVEL, convention=NORMALIZED)
    except ValueError as error:
        return {"reason": str(error)}
    return {"reason": "", "exponent": _plain(fit.exponent), "C": _plain(fit.prefactor)}


def _held(found: Row) -> Row:
    """Which of the four statements of the study held."""
    edge, curves, height = (
        found[name] for name in ("edge_exponent", "collapse", "plateau_exponent")
    )
    return {
        "edge": _holds(edge, LAW) and not _holds(edge, OTHER),
        "collapse": _holds(curves, LAW) and not _holds(curves, OTHER),
        "plateau": _holds(height, -LAW),
        "flat": max(found["flat_within"]) <= WITHIN,
    }


def _holds(interval: Row, value: float) -> bool:
    ends = (interval["low"], interval["high"])
    return None not in ends and ends[0] <= value <= ends[1]


def _plain(found: Interval) -> Row:
    values = {"estimate": found.estimate, "low": found.low, "high": found.high}
    return {name: float(v) if np.isfinite(v) else None for name, v in values.items()}
