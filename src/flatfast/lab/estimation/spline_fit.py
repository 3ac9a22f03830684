"""Smoothing-spline fit of log T_c against log mu.

The natural cubic smoothing spline in its band form (Green and Silverman, Nonparametric Regression
and Generalized Linear Models, 1994, chapter 2): values at the cells, roughness penalty
``Q R^-1 Q^T``. The penalty is set by a length rather than by cross-validation, so that all
learning rates and bootstrap replicates are smoothed alike.
"""

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.local_fit import WINDOW_IN_STEPS, Minimum, pilot, span_of

_LENGTH_OF_WINDOW = 4.7
"""Half-width of the tricube window of a local parabola over the spline's length of equal variance.

The integral of the squared equivalent kernel is 0.265 / length for the spline (Silverman 1984) and
1.25 / half-width for the local parabola.
"""

_PLACES_PER_CELL = 8
_ITERATIONS = 12


def spline_minimum(
    log_mu: NDArray[np.float64],
    log_time: NDArray[np.float64],
    log_limit: NDArray[np.float64],
    *,
    window: float,
) -> Minimum:
    """Minima of smoothing splines.

    Censored cells enter one-sidedly, as in :func:`flatfast.lab.estimation.local_fit.local_minimum`.

    Args:
        log_mu: Log of ``1 - momentum``, ascending, (M,), M >= 3.
        log_time: Log of the median T_c, (B, E, M); +inf where censored, NaN where absent.
        log_limit: Log of the run length at each learning rate, (E,).
        window: The half-width, as a factor in mu, of the local parabola that smooths as much.

    Returns:
        The minima, (B, E).
    """
    _, filled = pilot(log_time, log_limit)
    finite, present = np.isfinite(log_time), ~np.isnan(log_time)
    gap = np.diff(log_mu)
    half = float(max(np.log(window), WINDOW_IN_STEPS * np.median(gap)))
    bands, stiffness = _natural_spline(gap)
    penalty = (half / _LENGTH_OF_WINDOW) ** 4 / float(np.median(gap)) * bands @ stiffness
    penalty += 1e-9 * np.eye(len(log_mu))

    shape = log_time.shape
    table, row_limit = filled.reshape(-1, shape[-1]), np.tile(log_limit, shape[0])[:, None]
    known_cells, run_cells = finite.reshape(table.shape), present.reshape(table.shape)
    active = run_cells.copy()
    solved: NDArray[np.float64] = table.copy()
    going = np.arange(len(table))
    for _ in range(_ITERATIONS):
        weight = active[going].astype(np.float64)
        matrix = penalty + weight[..., None] * np.eye(shape[-1])
        solved[going] = np.linalg.solve(matrix, (weight * table[going])[..., None])[..., 0]
        pulls = run_cells[going] & (known_cells[going] | (solved[going] < row_limit[going]))
        changed = np.any(pulls != active[going], axis=1)
        active[going] = pulls
        going = going[changed]
        if not len(going):
            break
    curve = solved.reshape(shape)

    places, evaluate = _evaluation(log_mu, stiffness)
    values = curve @ evaluate.T
    known = finite.any(axis=-1)
    seen = _between_finite(log_mu, finite, places)
    lowest = np.argmin(np.where(seen, values, np.inf), axis=-1)
    inner = np.clip(lowest, 1, len(places) - 2)[..., None]
    before, at, after = (
        np.take_along_axis(values, inner + shift, axis=-1)[..., 0] for shift in (-1, 0, 1)
    )
    bend = np.maximum(before - 2.0 * at + after, 1e-15)
    shift = np.clip(0.5 * (before - after) / bend, -1.0, 1.0)
    spacing = places[1] - places[0]
    place = np.clip(places[inner[..., 0]] + shift * spacing, log_mu[0], log_mu[-1])
    time = at - 0.25 * (before - after) * shift
    return Minimum(np.where(known, place, np.nan), np.where(known, time, np.nan))


def _natural_spline(
    gap: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``Q`` (M, M-2), and ``R^-1 Q^T`` (M-2, M), which gives second derivatives from values."""
    inner = len(gap) - 1
    bands = np.zeros((inner + 2, inner))
    column = np.arange(inner)
    bands[column, column] = 1.0 / gap[:-1]
    bands[column + 1, column] = -1.0 / gap[:-1] - 1.0 / gap[1:]
    bands[column + 2, column] = 1.0 / gap[1:]
    gram = np.diag((gap[:-1] + gap[1:]) / 3.0)
    gram += np.diag(gap[1:-1] / 6.0, 1) + np.diag(gap[1:-1] / 6.0, -1)
    return bands, np.asarray(np.linalg.solve(gram, bands.T), dtype=np.float64)


def _evaluation(
    log_mu: NDArray[np.float64], stiffness: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evenly spaced places (G,) and the matrix (G, M) from values at the cells to values there."""
    cells = len(log_mu)
    places = np.linspace(log_mu[0], log_mu[-1], _PLACES_PER_CELL * (cells - 1) + 1)
    left = np.clip(np.searchsorted(log_mu, places, side="right") - 1, 0, cells - 2)
    gap = np.diff(log_mu)[left]
    behind = (places - log_mu[left]) / gap
    ahead = 1.0 - behind
    row = np.arange(len(places))
    matrix = np.zeros((len(places), cells))
    matrix[row, left] = ahead
    matrix[row, left + 1] = behind
    curvature = np.concatenate([np.zeros((1, cells)), stiffness, np.zeros((1, cells))])
    bend = gap**2 / 6.0
    matrix += (bend * (ahead**3 - ahead))[:, None] * curvature[left]
    matrix += (bend * (behind**3 - behind))[:, None] * curvature[left + 1]
    return places, matrix


def _between_finite(
    log_mu: NDArray[np.float64], finite: NDArray[np.bool_], places: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which places lie within one cell of the range of finite cells: beyond, a spline is free."""
    first, last = span_of(log_mu, finite, -1)
    return np.asarray((places >= first[..., None]) & (places <= last[..., None]))
