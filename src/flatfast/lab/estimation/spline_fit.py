"""Smoothing-spline fit of log T_c against log mu.

The natural cubic smoothing spline in its band form (Green and Silverman, Nonparametric Regression
and Generalized Linear Models, 1994, chapter 2): values and second derivatives at the cells,
roughness penalty ``Q R^-1 Q^T``. The penalty is set by a length rather than by cross-validation, so
that all learning rates and bootstrap replicates are smoothed alike.
"""

import numpy as np
from scipy.linalg import solve_banded

from flatfast.lab.estimation.arrays import Flags, Floats, Indices
from flatfast.lab.estimation.local_fit import WINDOW_IN_STEPS, Minimum, pilot, span_of

_LENGTH_OF_WINDOW = 4.7
"""Half-width of the tricube window of a local parabola over the spline's length of equal variance.

The integral of the squared equivalent kernel is 0.265 / length for the spline (Silverman 1984) and
1.25 / half-width for the local parabola.
"""

_PLACES_PER_CELL = 8
_ITERATIONS = 12

_WIDTH = 3
"""Diagonals of the spline's equations on either side."""

_RIDGE = 1e-9
"""Weight of cells without a time; it only matters where there are fewer than two with one."""


def spline_minimum(
    log_mu: Floats, log_time: Floats, log_limit: Floats, *, window: float
) -> Minimum:
    """Minima of smoothing splines.

    Takes and returns arrays as :func:`flatfast.lab.estimation.local_fit.local_minimum`, of at least
    3 momenta; censored cells enter one-sidedly as they do there. ``window``: the half-width, as a
    factor in mu, of the local parabola that smooths as much.
    """
    _, filled = pilot(log_time, log_limit)
    finite, present = np.isfinite(log_time), ~np.isnan(log_time)
    gap = np.diff(log_mu)
    half = float(max(np.log(window), WINDOW_IN_STEPS * np.median(gap)))
    stiffness = (half / _LENGTH_OF_WINDOW) ** 4 / float(np.median(gap))

    shape = log_time.shape
    table, row_limit = filled.reshape(-1, shape[-1]), np.tile(log_limit, shape[0])[:, None]
    known_cells, run_cells = finite.reshape(table.shape), present.reshape(table.shape)
    active = run_cells.copy()
    curve: Floats = table.copy()
    bend = np.zeros_like(table)
    going = np.arange(len(table))
    for _ in range(_ITERATIONS):
        curve[going], bend[going] = _smoothed(gap, stiffness, active[going], table[going])
        pulls = run_cells[going] & (known_cells[going] | (curve[going] < row_limit[going]))
        changed = np.any(pulls != active[going], axis=1)
        active[going] = pulls
        going = going[changed]
        if not len(going):
            break

    places = np.linspace(log_mu[0], log_mu[-1], _PLACES_PER_CELL * len(gap) + 1)
    values = _evaluated(log_mu, curve.reshape(shape), bend.reshape(shape), places)
    known = finite.any(axis=-1)
    seen = _between_finite(log_mu, finite, places)
    lowest = np.argmin(np.where(seen, values, np.inf), axis=-1)
    inner = np.clip(lowest, 1, len(places) - 2)[..., None]
    before, at, after = (
        np.take_along_axis(values, inner + shift, axis=-1)[..., 0] for shift in (-1, 0, 1)
    )
    turn = np.maximum(before - 2.0 * at + after, 1e-15)
    shift = np.clip(0.5 * (before - after) / turn, -1.0, 1.0)
    spacing = places[1] - places[0]
    place = np.clip(places[inner[..., 0]] + shift * spacing, log_mu[0], log_mu[-1])
    time = at - 0.25 * (before - after) * shift
    return Minimum(np.where(known, place, np.nan), np.where(known, time, np.nan))


def _smoothed(gap: Floats, stiffness: float, active: Flags, table: Floats) -> tuple[Floats, Floats]:
    """Values and second derivatives at the cells of splines through rows of ``table``, (K, M) each.

    The values g and the inner second derivatives c solve ``(W + ridge) g + stiffness Q c = W y``
    and ``Q^T g = R c``. With g and c interleaved the matrix has three diagonals on either side, so
    that time and memory grow as the number of cells. Rows with the same active cells have the same
    matrix and are solved at once.
    """
    cells = table.shape[1]
    right = np.zeros((2 * cells - 2, len(table)))
    # In the order g_0, g_1, c_1, g_2, c_2, ..., c_last, g_last.
    at_value = np.maximum(2 * np.arange(cells) - 1, 0)
    at_bend = 2 * np.arange(1, cells - 1)
    right[at_value] = np.where(active, table, 0.0).T
    solved = np.empty_like(right)
    patterns, kind, count = np.unique(active, axis=0, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(kind.reshape(-1)), np.cumsum(count)[:-1])
    diagonals = _diagonals(gap, stiffness, at_value, at_bend)
    for pattern, rows in zip(patterns, members, strict=True):
        diagonals[_WIDTH, at_value] = pattern + _RIDGE
        solved[:, rows] = solve_banded((_WIDTH, _WIDTH), diagonals, right[:, rows])
    bend = np.zeros_like(table)
    bend[:, 1:-1] = solved[at_bend].T
    return solved[at_value].T, bend


def _diagonals(gap: Floats, stiffness: float, at_value: Indices, at_bend: Indices) -> Floats:
    """The matrix of :func:`_smoothed` but for its active cells, by diagonals as LAPACK has them."""
    size = len(at_value) + len(at_bend)
    diagonals = np.zeros((2 * _WIDTH + 1, size))

    def put(row: Indices, column: Indices, value: Floats) -> None:
        diagonals[_WIDTH + row - column, column] = value

    # Q: the second difference of the values about each inner cell.
    difference = (1.0 / gap[:-1], -1.0 / gap[:-1] - 1.0 / gap[1:], 1.0 / gap[1:])
    for shift, weight in enumerate(difference):
        there = at_value[shift : shift + len(at_bend)]
        put(there, at_bend, stiffness * weight)
        put(at_bend, there, weight)
    # R: how second derivatives share the gaps between cells.
    put(at_bend, at_bend, -(gap[:-1] + gap[1:]) / 3.0)
    put(at_bend[1:], at_bend[:-1], -gap[1:-1] / 6.0)
    put(at_bend[:-1], at_bend[1:], -gap[1:-1] / 6.0)
    return diagonals


def _evaluated(log_mu: Floats, curve: Floats, bend: Floats, places: Floats) -> Floats:
    """Splines at places (G,), by their values and second derivatives (..., M) at the cells."""
    left = np.clip(np.searchsorted(log_mu, places, side="right") - 1, 0, len(log_mu) - 2)
    gap = np.diff(log_mu)[left]
    behind = (places - log_mu[left]) / gap
    ahead = 1.0 - behind
    sixth = gap**2 / 6.0
    value = curve[..., left] * ahead + curve[..., left + 1] * behind
    value += bend[..., left] * (sixth * (ahead**3 - ahead))
    value += bend[..., left + 1] * (sixth * (behind**3 - behind))
    return np.asarray(value)


def _between_finite(log_mu: Floats, finite: Flags, places: Floats) -> Flags:
    """Which places lie within one cell of the range of finite cells: beyond, a spline is free."""
    first, last = span_of(log_mu, finite, -1)
    return np.asarray((places >= first[..., None]) & (places <= last[..., None]))
