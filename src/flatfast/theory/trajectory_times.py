"""tau_1 and tau_2 measured on trajectories: plain arrays in, no model needed.

*tau_1*, across Γ: a coordinate of a Hessian mode moves as an oscillator that white noise drives.
Its autocorrelation over a lag of k steps follows from the two roots ``exp(-a ± i omega)`` by which
the mode changes per step (an autoregression of order two; Box and Jenkins, section 3.2.4):

    rho(k) = exp(-a k) (cos(omega k) + tanh(a) / tan(omega) sin(omega k))

Overdamped modes have an imaginary omega, with no break in the formula. Both numbers are fitted to
the autocorrelation of the runs, and ``tau_1`` is the time in which its slower part, or its
envelope, falls to 1/e: ``1 / a``, or ``1 / (a - |omega|)``.

*tau_2*, along Γ: the time in which the mean excess of a metric over its end falls to 1/e, the
metric read at the projection onto Γ.

Both come with the jackknife's error over runs (Tukey, 1958), and with Student's interval in log
time.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.stats import t as student

from flatfast.theory.model import Array

LAGS = 1.5
"""Lags of the autocorrelation that are fitted, in decay times: beyond, it is mostly noise."""

LENGTH = 4.0
"""Decay times that runs must last for their autocorrelation to be known over the lags."""

LOG_LEAST, LOG_MOST = np.log([1e-12, 1e-24]), np.log([60.0, 60.0**2])
"""Bounds of what is fitted: at the upper ones the fast part is gone in a step."""

NEARLY_CRITICAL = 1e-24
"""Squared frequency that stands for less, where the two roots coincide."""

ROUNDS = 8
"""How often the range of lags is chosen anew from the decay time found with the last."""

GROUPS = 20
"""Groups of runs that the jackknife leaves out in turn, at most."""

FEWEST_RUNS = 4
"""Runs that an interval needs."""

LEVEL = 0.95
"""Confidence of the intervals."""


class MeasuredTime(NamedTuple):
    """A time with its 95% confidence interval over runs, in steps.

    Attributes:
        time: The estimate.
        low: Lower end of the interval.
        high: Upper end.
        relative_error: Standard error of the log of the time.
    """

    time: float
    low: float
    high: float
    relative_error: float


class MeasuredDecay(NamedTuple):
    """How a coordinate across Γ decays.

    Attributes:
        decay: ``tau_1``.
        frequency: Of its oscillation, in radians per step; 0 if it is overdamped.
        misfit: Root mean square difference between the autocorrelation, which starts at 1, and
            the formula.
    """

    decay: MeasuredTime
    frequency: float
    misfit: float


def decay_time(values: ArrayLike, stride: int = 1) -> MeasuredDecay:
    """``tau_1`` from the autocorrelation of a transverse coordinate.

    The coordinate has to be that of one mode, and at rest: recorded after several decay times, over
    which its mode's curvature has not changed by much. What runs have in common at one time, as a
    drift of the mean, is subtracted.

    Args:
        values: The coordinate in N runs of independent noise, at T regular records, (N, T).
        stride: Steps between records; a few to each radian of the oscillation.

    Returns:
        The decay.

    Raises:
        ValueError: If there are fewer than 4 runs, values are not finite or do not vary, the
            stride is below 1, or runs are shorter than four decay times.
    """
    x = _runs(values)
    if stride < 1:
        raise ValueError(f"stride must be at least 1, got {stride}")
    products = _autocovariance(x - x.mean(axis=0))
    if not products[:, 0].sum() > 0:
        raise ValueError("values must vary between runs, got the same in all")
    lags = stride * np.arange(products.shape[1], dtype=np.float64)
    whole = _autocorrelation(products)
    roots, count = _fit_of_range(lags, whole)

    def time_of(kept: Array) -> float:
        return _decay(_fit(lags[:count], _autocorrelation(kept[:, :count]), roots))

    decay = _with_interval(products, time_of)
    misfit = float(np.sqrt(np.mean(_difference(roots, lags[:count], whole[:count]) ** 2)))
    _, squared = _damping_and_square(roots)
    return MeasuredDecay(decay, math.sqrt(max(squared, 0.0)), misfit)


def relaxation_time(
    steps: ArrayLike, values: ArrayLike, *, end: float, share: float = math.exp(-1)
) -> MeasuredTime:
    """``tau_2`` from a metric that the drift brings down.

    Args:
        steps: Steps of the records, ascending, (T,); the first is the start of the drift.
        values: The metric at the projection onto Γ (or cooled), in N runs, (N, T).
        end: The metric where the drift ends.
        share: Of the excess over the end, to which its mean over runs is to fall.

    Returns:
        The first time at which it has fallen so far, interpolated between records on a straight
        line in log excess.

    Raises:
        ValueError: If there are fewer than 4 runs, values are not finite, shapes do not fit, the
            mean does not start above the end, or does not fall so far.
    """
    metric = _runs(values)
    at = np.asarray(steps, np.float64)
    if at.shape != metric.shape[1:] or not (np.diff(at) > 0).all():
        raise ValueError(
            f"steps must ascend, one to each of {metric.shape[1]} records, got shape {at.shape}"
        )
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), got {share}")
    if not metric[:, 0].mean() > end:
        raise ValueError(f"end must be below the mean start {metric[:, 0].mean():.4g}, got {end}")

    def time_of(kept: Array) -> float:
        excess = kept.mean(axis=0) - end
        goal = share * excess[0]
        if not (excess <= goal).any():
            raise ValueError(
                f"the mean excess falls to {excess.min() / excess[0]:.3g} of its start in "
                f"{at[-1] - at[0]:g} steps, not to {share:.3g}: run for longer"
            )
        first = int(np.argmax(excess <= goal))
        above, below = excess[first - 1], max(excess[first], 1e-12 * goal)
        part = np.log(above / goal) / np.log(above / below)
        return float(at[first - 1] - at[0] + part * (at[first] - at[first - 1]))

    return _with_interval(metric, time_of)


def _runs(values: ArrayLike) -> Array:
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or len(array) < FEWEST_RUNS or array.shape[1] < 2:
        raise ValueError(
            f"values must have shape (N, T) with at least {FEWEST_RUNS} runs and 2 records, got "
            f"{array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError("values must be finite, got NaN or infinity: leave out runs that diverge")
    return array


def _with_interval(runs: Array, time_of: Callable[[Array], float]) -> MeasuredTime:
    """The time of all runs, and the jackknife's interval over groups of them."""
    time = time_of(runs)
    groups = min(len(runs), GROUPS)
    member = np.arange(len(runs)) % groups
    logs = np.log([time_of(runs[member != group]) for group in range(groups)])
    error = math.sqrt((groups - 1) / groups * float(np.sum((logs - logs.mean()) ** 2)))
    reach = math.exp(float(student.ppf((1 + LEVEL) / 2, groups - 1)) * error)
    return MeasuredTime(time, time / reach, time * reach, error)


def _autocovariance(x: Array) -> Array:
    """Mean products at lags 0 to T / 2 of each run, (N, lags)."""
    length = x.shape[1]
    transformed = np.fft.rfft(x, 2 * length, axis=1)
    lags = length // 2 + 1
    sums = np.fft.irfft(np.abs(transformed) ** 2, axis=1)[:, :lags]
    means: Array = sums / (length - np.arange(lags))
    return means


def _autocorrelation(products: Array) -> Array:
    mean = products.mean(axis=0)
    correlation: Array = mean / mean[0]
    return correlation


def _fit_of_range(lags: Array, correlation: Array) -> tuple[Array, int]:
    """Roots (see :func:`_damping_and_square`) and the number of lags they were fitted to."""
    peaks = np.maximum.accumulate(np.abs(correlation[::-1]))[::-1]
    time = float(lags[np.argmax(peaks < math.exp(-1))]) if peaks[-1] < math.exp(-1) else math.inf
    stride, longest = lags[1], 2 * lags[-1]
    roots = count = None
    for _ in range(ROUNDS):
        if not LENGTH * time <= longest:
            raise ValueError(
                f"runs of {longest:g} steps are shorter than {LENGTH:g} times the decay that they "
                "show: record for longer"
            )
        chosen = min(max(math.ceil(LAGS * time / stride), 4), len(lags) - 1) + 1
        if chosen == count:
            break
        count = chosen
        roots = _best_fit(lags[:count], correlation[:count], time)
        time = _decay(roots)
    assert roots is not None
    assert count is not None
    return roots, count


def _best_fit(lags: Array, correlation: Array, time: float) -> Array:
    """The better of the fits that start from an oscillation and from a creep."""
    spectrum = np.abs(np.fft.rfft(correlation, 8 * len(correlation)))
    omega = np.pi * np.argmax(spectrum) / (4 * len(correlation) * lags[1])
    damping = 1 / max(time, 1.0)
    starts = [
        np.log([2 * damping, damping**2 + omega**2]),  # underdamped
        np.log([8 * damping, 8 * damping**2]),  # overdamped, the fast part eight times as fast
    ]
    fits = [_fit(lags, correlation, start) for start in starts]
    return min(fits, key=lambda roots: float(np.sum(_difference(roots, lags, correlation) ** 2)))


def _fit(lags: Array, correlation: Array, start: Array) -> Array:
    found = least_squares(
        _difference,
        np.clip(start, LOG_LEAST + 1e-6, LOG_MOST - 1e-6),
        args=(lags, correlation),
        bounds=(LOG_LEAST, LOG_MOST),
    )
    return np.asarray(found.x)


def _difference(roots: Array, lags: Array, correlation: Array) -> Array:
    """The formula, written so that nothing grows with the lag, less the autocorrelation."""
    a, squared = _damping_and_square(roots)
    omega = np.sqrt(complex(squared if abs(squared) > NEARLY_CRITICAL else NEARLY_CRITICAL))
    lean = 1j * np.tanh(a) / np.tan(omega)
    both = (1 - lean) * np.exp((1j * omega - a) * lags) + (1 + lean) * np.exp(
        -(1j * omega + a) * lags
    )
    return np.asarray(both.real / 2 - correlation)


def _damping_and_square(roots: Array) -> tuple[float, float]:
    """``a`` and ``omega^2`` (negative if overdamped) from logs of ``2 a`` and ``a^2 + omega^2``.

    In these two, close to ``mu`` and ``lr lambda``, nothing happens at critical damping.
    """
    twice, product = np.exp(roots)
    return float(twice / 2), float(product - twice**2 / 4)


def _decay(roots: Array) -> float:
    a, squared = _damping_and_square(roots)
    if squared >= 0:
        return 1 / a
    # a - kappa without loss of digits
    return float((a + math.sqrt(-squared)) / np.exp(roots[1]))
