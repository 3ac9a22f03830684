"""Local polynomial fits of log T_c against log mu, centred on their own minimum.

Cleveland's tricube weights (J. Am. Stat. Assoc. 74, 1979) around a centre that moves to the minimum
of the polynomial fitted there: the zero of the local estimate of the derivative, which is the
standard way to locate the extremum of a smooth curve (Mueller, Ann. Stat. 13, 1985).

Censored cells enter one-sidedly. A cell whose median is censored says "above the limit" and no
more: it pulls the curve up where the curve would pass below its limit and has no weight where the
curve passes above. This is the least-squares form of the Tobit likelihood. It matters: beside a
cliff (a momentum at which the slow mode's ring leaves the band again, and everything at higher
momentum is censored) a fit to the finite cells alone runs off the cliff.
"""

from dataclasses import dataclass

import numpy as np

from flatfast.lab.estimation.arrays import Flags, Floats, Indices

WINDOW_IN_STEPS = 3.5
"""Least half-width of the window in steps of the grid, so that a parabola has cells enough."""

_ITERATIONS = 40
_FREE_ITERATIONS = 12
_DAMPING = 0.8
_LARGEST_MOVE = 0.5
_CONVERGED = 1e-6


@dataclass(frozen=True, eq=False)
class Minimum:
    """Minima of fitted curves.

    Attributes:
        log_mu: Log of the momentum's complement at the minimum, (B, E); NaN where no curve could
            be fitted.
        log_time: The curve's value there, log steps, (B, E).
    """

    log_mu: Floats
    log_time: Floats


def pilot(log_time: Floats, log_limit: Floats) -> tuple[Indices, Floats]:
    """Where to start: the finite cell with the least average of itself and its neighbours.

    Returns:
        Its index, (B, E), and the table with censored and absent cells at the limit, (B, E, M).
    """
    filled = np.where(np.isfinite(log_time), log_time, log_limit[:, None])
    padded = np.concatenate([filled[..., :1], filled, filled[..., -1:]], axis=-1)
    smooth = (padded[..., :-2] + 2.0 * padded[..., 1:-1] + padded[..., 2:]) / 4.0
    return np.argmin(np.where(np.isfinite(log_time), smooth, np.inf), axis=-1), filled


def local_minimum(
    log_mu: Floats, log_time: Floats, log_limit: Floats, *, window: float, skewness: str
) -> Minimum:
    """Minima of local parabolas or cubics.

    A parabola on an asymmetric curve has its minimum too far on the flat side. A cubic does not,
    but doubles the standard error. ``skewness="shared"`` takes the third-order coefficient as
    common to all learning rates (under the scaling law their curves have one shape) and fits it
    jointly: the bias of the cubic, the variance of the parabola.

    Args:
        log_mu: Log of ``1 - momentum``, ascending, (M,).
        log_time: Log of the median T_c, (B, E, M); +inf where censored, NaN where absent.
        log_limit: Log of the run length at each learning rate, (E,).
        window: Half-width of the window as a factor in mu, above 1; at least
            :data:`WINDOW_IN_STEPS` steps of the grid are used.
        skewness: "none" (parabola), "own" (cubic) or "shared".

    Returns:
        The minima, (B, E).
    """
    replicates, rates, _ = log_time.shape
    half = float(max(np.log(window), WINDOW_IN_STEPS * np.median(np.diff(log_mu))))
    start, filled = pilot(log_time, log_limit)
    centre = log_mu[start]
    finite = np.isfinite(log_time)
    present = ~np.isnan(log_time)
    lowest, highest = span_of(log_mu, present, 0)
    second, last_but_one = span_of(log_mu, present, 1)
    active = present.astype(np.float64)
    powers = np.add.outer(np.arange(4), np.arange(4))
    coefficient = np.zeros((replicates, rates, 4))
    size = 3 if skewness == "none" else 4
    for iteration in range(_ITERATIONS):
        offset = (log_mu - centre[..., None]) / half
        distance = np.abs(offset)
        rest = np.maximum(1.0 - distance * distance * distance, 0.0)
        weight = rest * rest * rest * active
        moment, target = _moments(offset, weight, filled)
        # The ridge only matters where there are fewer cells than coefficients.
        gram = moment[..., powers] + 1e-9 * np.maximum(moment[..., :1, None], 1e-9) * np.eye(4)
        if skewness == "shared":
            inside = (centre >= second) & (centre <= last_but_one)
            third = _shared_third(gram, target, inside)
            coefficient[..., 3] = third[:, None]
            target = target[..., :3] - third[:, None, None] * moment[..., 3:6]
            coefficient[..., :3] = _solve(gram[..., :3, :3], target)
        else:
            coefficient[..., :size] = _solve(gram[..., :size, :size], target[..., :size])
        order0, order1, order2, order3 = np.moveaxis(coefficient[..., None], 2, 0)
        fitted = order0 + offset * (order1 + offset * (order2 + offset * order3))
        active = (present & (finite | (fitted < log_limit[:, None]))).astype(np.float64)

        slope, bend = coefficient[..., 1], coefficient[..., 2]
        move = np.where(bend > 1e-9, -slope / (2.0 * np.maximum(bend, 1e-9)), -np.sign(slope))
        largest = _LARGEST_MOVE * _DAMPING ** max(0, iteration - _FREE_ITERATIONS)
        move = np.clip(move, -largest, largest)
        moved = np.clip(centre + half * move, lowest, highest)
        done = bool(np.max(np.abs(moved - centre), initial=0.0) < _CONVERGED)
        centre = moved
        if done:
            break
    known = finite.any(axis=-1)
    return Minimum(np.where(known, centre, np.nan), np.where(known, coefficient[..., 0], np.nan))


def span_of(log_mu: Floats, cells: Flags, inwards: int) -> tuple[Floats, Floats]:
    """The ends of the range of the cells that are true, moved ``inwards`` by so many cells.

    Args:
        log_mu: (M,).
        cells: (B, E, M).
        inwards: Negative for outwards; the grid's own ends stay where they are.

    Returns:
        Lower and upper end, (B, E).
    """
    count = len(log_mu)
    first = np.argmax(cells, axis=-1) + inwards
    last = count - 1 - np.argmax(cells[..., ::-1], axis=-1) - inwards
    return log_mu[np.clip(first, 0, count - 1)], log_mu[np.clip(last, 0, count - 1)]


def _moments(offset: Floats, weight: Floats, value: Floats) -> tuple[Floats, Floats]:
    """Sums over cells of ``weight * offset**j``, j = 0..6, and of that with ``value``, j = 0..3."""
    moment = np.empty((*offset.shape[:-1], 7))
    target = np.empty((*offset.shape[:-1], 4))
    for order in range(7):
        moment[..., order] = weight.sum(axis=-1)
        if order < 4:
            target[..., order] = np.einsum("bem,bem->be", weight, value)
        weight = weight * offset
    return moment, target


def _solve(matrix: Floats, right: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0])


def _shared_third(gram: Floats, target: Floats, inside: Flags) -> Floats:
    """The third-order coefficient of the joint least-squares fit over learning rates, (B,).

    Each learning rate's cubic gives its own coefficient, with an information that is the Schur
    complement of the other three; the joint fit is their average with these weights. Learning
    rates whose window hangs over the edge of the grid have no say.
    """
    cross = gram[..., :3, 3]
    projected = _solve(gram[..., :3, :3], cross)
    information = gram[..., 3, 3] - np.einsum("bej,bej->be", projected, cross)
    score = target[..., 3] - np.einsum("bej,bej->be", projected, target[..., :3])
    weight = inside.astype(np.float64)
    total = np.sum(weight * information, axis=-1)
    return np.asarray(
        np.where(total > 1e-12, np.sum(weight * score, axis=-1) / np.maximum(total, 1e-12), 0.0)
    )
