"""Convergence times of a sweep as one dense table: learning rate x momentum x seed.

The rows of a sweep come in any order and some may be missing. This module sorts them into arrays
that the estimators of the law work on, and keeps what censoring needs: the length of the runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.estimation.arrays import Flags, Floats, Indices
from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.methods import GRID

SAME_TO_DIGITS = 9
"""Two rates (or two values of 1 - momentum) that agree to this many digits are the same."""

COLUMNS = ("lr", "momentum", "seed", "status", "convergence_step", "steps")


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """Convergence times over a grid of E learning rates, M momenta and S seeds.

    All runs at one learning rate have the same planned length, so that censoring is of type I: a
    run without ``T_c`` is known to take longer than ``limit``, and a median over seeds is exact as
    long as fewer than half of its runs are censored.

    Attributes:
        lr: Learning rates, ascending, (E,).
        mu: ``1 - momentum``, ascending, (M,).
        seed: Seeds, ascending, (S,).
        log_time: Log of ``T_c`` in steps, (E, M, S): +inf where the run did not converge or
            diverged, NaN where there is no such run.
        diverged: Whether the run diverged, (E, M, S).
        limit: Planned length of the runs in steps, (E,).
    """

    lr: Floats
    mu: Floats
    seed: NDArray[np.int64]
    log_time: Floats
    diverged: Flags
    limit: Floats


def distinct(values: ArrayLike) -> tuple[Floats, Indices]:
    """Distinct positive numbers, ascending, equal to :data:`SAME_TO_DIGITS` digits, and indices.

    Grids that were computed in two ways (``1 - 0.9`` and ``0.1``) differ in the last bits.

    Returns:
        The distinct numbers (the smallest of those that agree), and for every entry its index.
    """
    number = np.asarray(values, dtype=np.float64)
    order = np.argsort(number, kind="stable")
    ascending = number[order]
    tolerance = 10.0 ** (1 - SAME_TO_DIGITS)
    # Neighbours in order are compared, not rounded values: rounding has edges of its own.
    new = np.ones(len(number), dtype=np.bool_)
    new[1:] = np.diff(ascending) > tolerance * ascending[1:]
    index = np.empty(len(number), dtype=np.intp)
    index[order] = np.cumsum(new) - 1
    return ascending[new], index


def time_grid(runs: pa.Table | Mapping[str, ArrayLike], method: str = GRID) -> TimeGrid:
    """Sort the runs of a sweep into a :class:`TimeGrid`.

    Args:
        runs: A table, or a mapping of equally long arrays, with ``lr``, ``momentum``, ``seed``,
            ``status``, ``convergence_step`` (null or NaN unless converged) and ``steps`` (the
            planned length). With a column ``method``, only the rows of ``method`` are used.
        method: Which rows; those of the main sweep unless another is named.

    Returns:
        The grid.

    Raises:
        ValueError: If a column is missing, there is no run, a value is out of range, two rows
            describe the same run, or runs at one learning rate have different planned lengths.
    """
    rows = columns_of(runs, COLUMNS)
    if "method" in rows:
        keep = rows["method"] == method
        if not keep.any():
            raise ValueError(f'runs must have rows with method "{method}", got none')
        rows = {name: column[keep] for name, column in rows.items()}
    if not len(rows["lr"]):
        raise ValueError("runs must have at least one row, got none")

    rate = rows["lr"].astype(np.float64)
    momentum = rows["momentum"].astype(np.float64)
    usable = np.isfinite(rate) & (rate > 0)
    if not usable.all():
        raise ValueError(f"lr must be positive and finite, got {rate[~usable][0]}")
    if not ((momentum >= 0) & (momentum < 1)).all():
        wrong = momentum[~((momentum >= 0) & (momentum < 1))][0]
        raise ValueError(f"momentum must be in [0, 1), got {wrong}")
    log_time, diverged = outcomes(rows)

    lr, row = distinct(rate)
    mu, column = distinct(1.0 - momentum)
    seed, layer = np.unique(rows["seed"].astype(np.int64), return_inverse=True)
    shape = (len(lr), len(mu), len(seed))
    cell = np.ravel_multi_index((row, column, layer), shape)
    repeated = np.flatnonzero(np.bincount(cell, minlength=1) > 1)
    if len(repeated):
        e, m, s = np.unravel_index(repeated[0], shape)
        raise ValueError(
            f"each run must appear once, got lr {lr[e]:g}, momentum {1 - mu[m]:g}, "
            f"seed {seed[s]} more than once"
        )
    steps = rows["steps"].astype(np.float64)
    limit = np.zeros(len(lr))
    np.maximum.at(limit, row, steps)
    uneven = steps != limit[row]
    if uneven.any():
        e = row[int(np.argmax(uneven))]
        raise ValueError(
            "runs at one lr must have one planned length, or their times would be censored at "
            f"different steps; got {sorted({int(s) for s in steps[row == e]})} at lr {lr[e]:g}"
        )

    times = np.full(shape, np.nan)
    times.ravel()[cell] = log_time
    lost = np.zeros(shape, dtype=np.bool_)
    lost.ravel()[cell] = diverged
    return TimeGrid(lr, mu, seed, times, lost, limit)


def columns_of(
    runs: pa.Table | Mapping[str, ArrayLike], needed: tuple[str, ...]
) -> dict[str, NDArray[np.generic]]:
    """Columns ``needed``, and ``method`` where there is one, as arrays of one length.

    Nulls of a number column become NaN.

    Raises:
        ValueError: If a column is missing or has another length.
    """
    names = list(runs.column_names) if isinstance(runs, pa.Table) else list(runs)
    missing = [name for name in needed if name not in names]
    if missing:
        raise ValueError(
            f"runs must have a column {missing[0]!r}, got {', '.join(names) or 'none'}"
        )
    wanted = [
        *needed,
        *(["method"] if "method" in names and "method" not in needed else []),
    ]
    if isinstance(runs, pa.Table):
        table = {name: runs.column(name).to_numpy() for name in wanted}
    else:
        table = {name: np.asarray(runs[name]) for name in wanted}
    length = len(table[needed[0]])
    for name, column in table.items():
        if column.shape != (length,):
            raise ValueError(f"column {name!r} must have shape ({length},), got {column.shape}")
    return table


def outcomes(rows: Mapping[str, NDArray[np.generic]]) -> tuple[Floats, Flags]:
    """Log of ``T_c`` (+inf where there is none) and whether the run diverged, per row.

    Raises:
        ValueError: If a status is unknown, or a converged run has no positive finite ``T_c``.
    """
    status = rows["status"].astype(np.str_)
    known = [member.value for member in Status]
    unknown = ~np.isin(status, known)
    if unknown.any():
        raise ValueError(
            f"status must be one of {', '.join(known)}, got {str(status[unknown][0])!r}"
        )
    converged = status == Status.CONVERGED.value
    step = rows["convergence_step"].astype(np.float64)
    wrong = converged & ~(np.isfinite(step) & (step > 0))
    if wrong.any():
        raise ValueError(
            f"convergence_step of a converged run must be positive and finite, got {step[wrong][0]}"
        )
    log_time = np.full(len(step), np.inf)
    log_time[converged] = np.log(step[converged])
    return log_time, status == Status.DIVERGED.value


def same(values: Floats, value: float) -> Flags:
    """Which ``values`` agree with ``value`` to :data:`SAME_TO_DIGITS` digits."""
    return np.asarray(np.abs(values - value) <= 10.0 ** (1 - SAME_TO_DIGITS) * abs(value))
