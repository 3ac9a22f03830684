"""When a run has arrived: its convergence time, or why there is none.

The convergence time ``T_c`` is a *settling* time: the first step after which the smoothed metric
stays at or below the threshold to the end of the run. The first crossing would flatter high
momentum: an underdamped run crosses early and comes back, once for every swing of the slow mode.

Runs that never settle, or diverge, have no ``T_c``. They are censored observations (``T_c`` is
longer than the run) and keep their status; nothing here drops them.

The metric is smoothed with a centred moving average over ``goal.smoothing`` memories of the
momentum (``1 / (1 - momentum)`` steps each), because a metric that is read at the iterate carries
the fluctuation of the fast modes, which are correlated over about that time.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.estimation.arrays import Flags, Floats
from flatfast.lab.estimation.smoothing import smooth
from flatfast.lab.goal import Goal

MEMORIES_PAST = 5.0
"""Memories of the momentum for which a run must have stayed past the threshold to be settled."""

RECORDS_PAST = 5
"""Records that must lie past the threshold before a run may be called settled."""


class Status(StrEnum):
    """How a run ended."""

    CONVERGED = "converged"
    NOT_CONVERGED = "not_converged"
    DIVERGED = "diverged"


@dataclass(frozen=True, eq=False)
class Convergence:
    """Convergence of N runs, one entry per run in each array.

    Attributes:
        step: ``T_c`` in steps, interpolated between records; NaN unless converged.
        status: Values of :class:`Status`.
        threshold: The threshold in the metric's own units.
        start: The metric at the first record.
        end: The metric, not smoothed, at the last valid record; may be non-finite.
    """

    step: Floats
    status: NDArray[np.str_]
    threshold: Floats
    start: Floats
    end: Floats


def thresholds(start: ArrayLike, goal: Goal) -> Floats:
    """The thresholds in the metric's own units of runs that start at ``start`` (N,)."""
    begin = np.asarray(start, dtype=np.float64)
    return goal.threshold * begin if goal.relative else np.full_like(begin, goal.threshold)


def check_start(start: ArrayLike, goal: Goal) -> None:
    """Check that there is something left to do: no start meets the goal.

    Args:
        start: The metric at the start of each run, (N,).
        goal: The goal.

    Raises:
        ValueError: If a start is not finite, or is already at or below the threshold.
    """
    begin = np.atleast_1d(np.asarray(start, dtype=np.float64))
    if not np.isfinite(begin).all():
        worst = begin[~np.isfinite(begin)][0]
        raise ValueError(f"metric {goal.metric!r} must be finite at the start, got {worst}")
    threshold = thresholds(begin, goal)
    met = begin <= threshold
    if met.any():
        first = int(np.argmax(met))
        remedy = (
            "a relative threshold needs a metric that is positive at the start"
            if goal.relative
            else "choose a threshold below the start"
        )
        raise ValueError(
            f"threshold {threshold[first]:g}: the start already meets it: metric {goal.metric!r} "
            f"starts at {begin[first]:g}; {remedy}"
        )


def _last_crossing(
    steps: NDArray[np.int64], smoothed: Floats, threshold: Floats, recorded: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.int64]]:
    """Step of the last crossing, NaN where the run ends above, and the record before it."""
    records = smoothed.shape[1]
    above = (smoothed > threshold[:, None]) & (np.arange(records) < recorded[:, None])
    last = np.where(above.any(axis=1), records - 1 - np.argmax(above[:, ::-1], axis=1), -1)
    arrived = last < recorded - 1
    before, behind = np.maximum(last, 0), np.minimum(last + 1, records - 1)
    row = np.arange(len(smoothed))
    high, low = smoothed[row, before], smoothed[row, behind]
    # Towards the threshold a metric decays by a factor per step rather than by an amount; the
    # logarithm needs both ends, and the threshold between them, to be positive.
    by_factor = (low > 0) & (threshold > 0) & np.isfinite(high)
    with np.errstate(all="ignore"):
        linear = (high - threshold) / (high - low)
        factor = np.log(high / threshold) / np.log(high / low)
    fraction = np.where(by_factor, factor, np.where(np.isfinite(high), linear, 1.0))
    left, right = steps[before].astype(np.float64), steps[behind].astype(np.float64)
    crossing = left + np.clip(fraction, 0.0, 1.0) * (right - left)
    return np.where(arrived, crossing, np.nan), last


def convergence(
    steps: ArrayLike,
    values: ArrayLike,
    momentum: ArrayLike,
    goal: Goal,
    *,
    recorded: ArrayLike,
    diverged: ArrayLike,
) -> Convergence:
    """Convergence time and status of every run.

    ``T_c`` is interpolated between the last record above the threshold and the one after it: on
    a straight line in log metric where both are positive, in the metric otherwise. A value that is
    not a number, or infinite, counts as above the threshold.

    Args:
        steps: Steps of the records, strictly ascending, (R,). The first is the start.
        values: The goal's metric, (N, R).
        momentum: (N,).
        goal: What has to be reached.
        recorded: Number of valid records of each run, (N,), each in [1, R].
        diverged: Whether the run diverged, (N,). Such a run has no ``T_c``, whatever its records.

    Returns:
        The runs' :class:`Convergence`.

    Raises:
        ValueError: If the shapes do not fit, the steps do not ascend, a momentum is out of [0, 1),
            or a start already meets the threshold.
    """
    at, metric, beta = _checked(steps, values, momentum)
    count = np.asarray(recorded, dtype=np.int64)
    lost = np.asarray(diverged, dtype=np.bool_)
    for name, array in (("recorded", count), ("diverged", lost)):
        if array.shape != beta.shape:
            raise ValueError(f"{name} must have shape {beta.shape}, got {array.shape}")
    if len(count) and not ((count >= 1) & (count <= len(at))).all():
        wrong = count[(count < 1) | (count > len(at))][0]
        raise ValueError(f"recorded must be in [1, {len(at)}], got {wrong}")

    start = metric[:, 0].copy()
    check_start(start, goal)
    threshold = thresholds(start, goal)
    smoothed = smooth(at, metric, beta, goal.smoothing, count)
    step, _ = _last_crossing(at, smoothed, threshold, count)
    step = np.where(lost, np.nan, step)
    status = np.where(
        lost,
        Status.DIVERGED.value,
        np.where(np.isfinite(step), Status.CONVERGED.value, Status.NOT_CONVERGED.value),
    )
    end = metric[np.arange(len(count)), count - 1]
    return Convergence(step, status, threshold, start, end)


def settled(
    steps: ArrayLike,
    values: ArrayLike,
    momentum: ArrayLike,
    goal: Goal,
    margin: float = 3.0,
) -> Flags:
    """Which runs may stop: they have been past the threshold for long enough.

    A run has settled at its last record, step k, when the ``T_c`` of the records so far satisfies
    ``k >= margin * T_c``, and :data:`MEMORIES_PAST` memories of the momentum and
    :data:`RECORDS_PAST` records lie between ``T_c`` and k.

    Why this is enough. Near the end of the drift the slow motion is a damped oscillator that starts
    at rest (the limit equations of the law). If its metric, quadratic in the displacement, must
    fall to a fraction F, the first crossing comes no earlier than at the phase ``arccos(sqrt(F))``,
    and every later crossing later still. Past a crossing, the displacement can only leave the band
    again before the next turning point, half a swing after the last, and each turning point is
    closer than the one before it. At ``3 T_c`` the phase has reached ``3 arccos(sqrt(F))``, at
    least half a swing if F <= 1/4, so that a turning point inside the band has been seen and no
    later one leaves it. A metric that is linear in the displacement allows F <= 1/2. The memories
    are for the fast modes, whose fluctuation forgets itself in two of them, and for the smoothing
    window, which reaches half of ``goal.smoothing`` beyond ``T_c``: the ``T_c`` of the records so
    far is, to the last bit but rounding, that of the full run.

    What is not guaranteed: a run whose stationary fluctuation reaches the threshold may leave the
    band later. For such a run the rule replaces "to the end of the run", which depends on the
    length somebody planned, by "for twice as long as it took to arrive".

    Args:
        steps: Steps of the records so far, strictly ascending, (R,).
        values: The goal's metric at them, (N, R).
        momentum: (N,).
        goal: What has to be reached.
        margin: How many times its ``T_c`` a run must have run; above 1.

    Returns:
        (N,).

    Raises:
        ValueError: As :func:`convergence`, and if ``margin`` is not above 1.
    """
    if not margin > 1.0:
        raise ValueError(f"margin must be above 1, got {margin}")
    at, metric, beta = _checked(steps, values, momentum)
    count = np.full(len(beta), len(at), dtype=np.int64)
    threshold = thresholds(metric[:, 0], goal)
    smoothed = smooth(at, metric, beta, goal.smoothing, count)
    step, last = _last_crossing(at, smoothed, threshold, count)
    memories = max(MEMORIES_PAST, goal.smoothing)
    with np.errstate(invalid="ignore"):
        long_enough = (at[-1] >= margin * step) & (at[-1] - step >= memories / (1.0 - beta))
    return np.asarray(long_enough & (len(at) - 1 - last >= RECORDS_PAST))


def _checked(
    steps: ArrayLike, values: ArrayLike, momentum: ArrayLike
) -> tuple[NDArray[np.int64], Floats, Floats]:
    at = np.asarray(steps, dtype=np.int64)
    metric = np.asarray(values, dtype=np.float64)
    beta = np.asarray(momentum, dtype=np.float64)
    if at.ndim != 1 or len(at) < 1:
        raise ValueError(f"steps must have shape (R,) with R >= 1, got {at.shape}")
    if metric.shape != (*beta.shape, len(at)) or beta.ndim != 1:
        raise ValueError(
            "values must have shape (N, R), one row per momentum and one column per step: "
            f"({beta.size}, {len(at)}), got {metric.shape}"
        )
    if (np.diff(at) <= 0).any():
        raise ValueError("steps must ascend strictly")
    if not ((beta >= 0) & (beta < 1)).all():
        raise ValueError(f"momentum must be in [0, 1), got {beta[~((beta >= 0) & (beta < 1))][0]}")
    return at, metric, beta
