"""The law's prefactor, from the curvature of the sharpness along Γ.

With h the rate at which the flow ``dw/dS = -∇_Γ tr H`` relaxes, the drift is damped critically at
``C* = (eps^2 h / P)^(1/3)``; the fastest C for a goal is a fixed share of it
(:mod:`flatfast.theory.oscillator`). Three ways to h, which agree where ``tr H`` is a parabola of
one curvature along the whole way:

* :func:`flow_relaxation`: from the time that the flow takes to the goal;
* :mod:`flatfast.theory.curvature`: at a point, from the slope or from second derivatives;
* :func:`critical_from_time`: from a measured convergence time, at any C.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike
from scipy.optimize import brentq

from flatfast.theory.flow import follow_flow, method_for, slope
from flatfast.theory.manifold import Method, check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.oscillator import best_ratio, settling_time
from flatfast.theory.sharpness import hessian_trace, hessian_traces
from flatfast.theory.solver import PathEndedError

RECORDS = 64
"""Readings on each stretch of the flow's path."""

DOUBLINGS = 24
"""How often the flow's path is made twice as long, until it has come to rest."""

AT_REST = 0.01
"""Share of the whole fall that the last half of a path at rest may fall."""

CREEPS = 4.0
"""How many times what it has fallen of late a metric may be above its goal, where it falls less and
less each time the flow's path is made twice as long. From there on halves would add up to one."""

REACH = 4.0
"""How many times as far as the goal a flow is followed that does not come to rest: a parabola would
have the fourth power of its F left, and what falls later is slower than what the goal waits for."""

FLOOR = 1e-2
"""Modes below this share of the steepest fade, so that paths pass points of lost rank."""

TOLERANCE = 1e-4

NO_SLOPE = 1e-9
"""Relative slope of ``tr H`` along Γ that counts as none."""


class Relaxation(NamedTuple):
    """How the flow ``dw/dS = -∇_Γ tr H`` relaxes.

    Attributes:
        rate: h, in units of ``1 / S``.
        time: S at which the goal is met.
        fraction: What the goal leaves of the metric's excess over its end.
        end: The metric where the flow comes to rest, or at :data:`REACH` times ``time``.
        point: Where that is, (D,).
        evaluations: Frames of the manifold made on the way.
    """

    rate: float
    time: float
    fraction: float
    end: float
    point: Array
    evaluations: int


class Prefactor(NamedTuple):
    """The law's prefactor for a goal.

    Attributes:
        C: The fastest.
        time: Convergence time with it, in units of ``lr^(-2/3)`` steps.
        critical: ``C*``, which damps the end of the drift critically.
    """

    C: float
    time: float
    critical: float

    def time_at(self, C: ArrayLike, fraction: float) -> Array:
        """Convergence times with other prefactors, in the same units."""
        return settling_time(np.asarray(C) / self.critical, fraction) / self.critical


def prefactor(rate: float, noise_std: float, batch_size: int, fraction: float) -> Prefactor:
    """The prefactor from h.

    Args:
        rate: h, of the flow ``dw/dS = -∇_Γ tr H``.
        noise_std: Standard deviation of the label noise.
        batch_size: Examples in a step; P for all.
        fraction: What the goal leaves of an excess that is quadratic in the displacement.

    Raises:
        ValueError: If an argument is out of its range.
    """
    for name, value in (("rate", rate), ("noise_std", noise_std), ("batch_size", batch_size)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, got {value}")
    critical = float((noise_std**2 * rate / batch_size) ** (1 / 3))
    best = best_ratio(fraction)
    return Prefactor(best.ratio * critical, best.time / critical, critical)


@in_double_precision
def flow_relaxation(
    model: SquaredError,
    start: ArrayLike,
    *,
    threshold: float | None = None,
    metric: Callable[[Array], Array] | None = None,
    tolerance: float = TOLERANCE,
    floor: float = FLOOR,
    method: Method | None = None,
) -> Relaxation:
    """The flow's h: ``ln(1/F) / (2 S)`` if the excess of a metric falls to F in the time S.

    Args:
        model: The model.
        start: On Γ, (D,).
        threshold: Value of the metric that is the goal; by default where its excess over its end
            has fallen to 1/e, so that ``time`` is the S of ``tau_2``.
        metric: Points (N, D) to values (N,), quadratic in the displacement near its end; the
            Hessian's trace by default.
        tolerance: Relative error of a step of the solver.
        floor: Eigenvalues below this share of the largest count for less and less.
        method: As in :func:`flatfast.theory.flow.flow_on_manifold`.

    Raises:
        NotOnManifoldError: If the start is off Γ.
        ValueError: If the start meets the goal, or the flow never does, or creeps far above it.
        PathEndedError: If the flow cannot be followed to the goal.
    """
    at = np.asarray(start, np.float64)
    way = method or method_for(model)
    check_on_manifold(model, at, floor=None if way == "dense" else floor)
    read = metric or functools.partial(hessian_traces, model)
    steepness = float(np.linalg.norm(slope(model, at, floor=floor, method=way)))
    size = float(np.linalg.norm(at))
    if not steepness * size > NO_SLOPE * hessian_trace(model, at):
        raise ValueError("tr H has no slope along the manifold here: there is no drift")
    first = 0.1 * size / steepness
    times, values = np.zeros(1), np.asarray(read(at[None]))
    if threshold is not None:
        _check_start(float(values[0]), threshold)
    made, last = 0, np.inf
    falls: list[float] = []
    for doubling in range(DOUBLINGS):
        # The flow goes on from where it is, each time as far as it has come.
        length = min(first * 2 ** max(doubling - 1, 0), last - times[-1])
        segment = np.linspace(0, length, RECORDS)
        try:
            path = follow_flow(model, at, 1.0, segment, tolerance, floor, way)
            ended = None
        except PathEndedError as error:
            path, ended = error.path, error
        made += path.evaluations
        times = np.append(times, times[-1] + path.times[1:])
        values = np.append(values, np.asarray(read(path.points[1:])))
        at = path.points[-1]
        falls.append(float(values[-len(path.times)] - values[-1]))
        met = threshold is not None and values[-1] <= threshold
        if threshold is not None and met:
            last = max(REACH * _crossing(times, values, threshold), times[-1])
        rest = (met or threshold is None) and _at_rest(times, values)
        if rest or (met and (ended or times[-1] >= last)):
            return _relaxed(times, values, threshold, at, made)
        if ended:
            raise ended
        if threshold is not None and not met and _creeps(falls, float(values[-1]) - threshold):
            raise ValueError(
                f"the flow does not bring the metric to {threshold:.4g}: from {values[0]:.4g} it "
                f"has passed most of its way and creeps at {values[-1]:.4g}, where the last half "
                f"of the time brought {max(falls[-1], 0.0):.2g}"
            )
    goal = "rest" if threshold is None else f"{threshold:g}"
    raise ValueError(
        f"the flow does not bring the metric to {goal}: it is {values[-1]:.4g} after a time "
        f"of {times[-1]:.3g}, from {values[0]:.4g}"
    )


def critical_from_time(C: float, time: float, fraction: float) -> float:
    """``C*`` from one measured convergence time.

    Args:
        C: The prefactor of the runs; best well above the fastest, where the drift creeps.
        time: Their convergence time, in units of ``lr^(-2/3)`` steps.
        fraction: What the goal leaves of an excess that is quadratic in the displacement.

    Returns:
        ``C*``.

    Raises:
        ValueError: If an argument is not positive.
    """
    for name, value in (("C", C), ("time", time)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive and finite, got {value}")

    def late(log_critical: float) -> float:
        critical = np.exp(log_critical)
        return float(np.log(settling_time(C / critical, fraction) / critical / time))

    # On the creeping side the time falls as C* grows, and has fallen for good at C* = C.
    low = np.log(C) - 12
    if late(np.log(C)) > 0:
        raise ValueError(
            f"runs at C {C:g} that take {time:g} do not creep but swing; measure at a larger C"
        )
    return float(np.exp(brentq(late, low, np.log(C), xtol=1e-6)))


def _creeps(falls: list[float], above: float) -> bool:
    """Whether a metric so far above its goal, after falls over times twice as long each, creeps."""
    if len(falls) < 4 or max(falls) != max(falls[:-2]) or not max(falls) > 0:
        return False
    return CREEPS * max(falls[-1], falls[-2] / 2, 0.0) < above


def _at_rest(times: Array, values: Array) -> bool:
    half = int(np.searchsorted(times, times[-1] / 2))
    return bool(values[half] - values[-1] <= AT_REST * (values[0] - values[-1]))


def _check_start(start: float, threshold: float) -> None:
    if not start > threshold:
        raise ValueError(
            f"threshold must be below the metric's start, {start:.4g}, got {threshold}"
        )


def _relaxed(times: Array, values: Array, goal: float | None, at: Array, made: int) -> Relaxation:
    end = float(values.min())
    threshold = end + np.exp(-1) * (values[0] - end) if goal is None else goal
    fraction = (threshold - end) / (values[0] - end)
    time = _crossing(times, values, threshold)
    return Relaxation(-np.log(fraction) / (2 * time), time, float(fraction), end, at, made)


def _crossing(times: Array, values: Array, threshold: float) -> float:
    last = int(np.flatnonzero(values > threshold)[-1])
    share = (values[last] - threshold) / (values[last] - values[last + 1])
    return float(times[last] + share * (times[last + 1] - times[last]))
