"""The end of the drift in one direction: a heavy ball in a parabola that the noise has to raise.

Near a minimum of ``tr H`` on Γ, with curvature h along a direction, the limit dynamics from rest
and from no noise are, in units of ``1 / C*`` with ``C* = (eps^2 h / P)^(1/3)`` and ``q = C / C*``,

    x'' = -q x' - (1 - exp(-q t)) x / (4 q)

without a constant left to choose. ``C*`` damps it critically. But a run is not asked to be without
overshoot: it is asked to stay within the goal. The fastest C lets the first overshoot just touch
it, and lies below ``C*``.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

RATIOS = np.geomspace(0.05, 1.5, 61)
"""``C / C*`` among which the best is looked for; above critical damping none is faster."""


CREEPING = 20.0
"""``C / C*`` above which inertia counts for less than 1e-4 of the time: the flow remains, after
the noise has come up."""


class Best(NamedTuple):
    """The fastest way to a goal.

    Attributes:
        ratio: ``C / C*``.
        time: Settling time, in units of ``1 / C*``, that is of ``lr^(-2/3) / C*`` steps.
    """

    ratio: float
    time: float


def settling_time(ratio: ArrayLike, fraction: float) -> NDArray[np.float64]:
    """When ``x^2`` has fallen to ``fraction`` of its start for good, from rest.

    Args:
        ratio: ``C / C*``, positive, any shape.
        fraction: What a goal leaves of an excess that is quadratic in the displacement, in (0, 1).

    Returns:
        Times in units of ``1 / C*``, in the shape of ``ratio``.

    Raises:
        ValueError: If an argument is out of its range.
    """
    ratios = np.asarray(ratio, dtype=np.float64)
    if not (np.isfinite(ratios).all() and (ratios > 0).all()):
        raise ValueError(f"ratio must be positive and finite, got {ratios.min()}")
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be in (0, 1), got {fraction}")
    found = [_last_crossing(float(q), fraction**0.5) for q in ratios.ravel()]
    return np.array(found).reshape(ratios.shape)


@functools.cache
def best_ratio(fraction: float) -> Best:
    """The C that settles first, as a ratio to ``C*``, and its time.

    Goals that leave much (above 0.3) are met by the first overshoot of any C: for them there is no
    best, less is faster, and the least ratio looked at is returned.

    Args:
        fraction: What the goal leaves of an excess that is quadratic in the displacement.
    """
    times = settling_time(RATIOS, fraction)
    best = int(np.argmin(times))
    near = RATIOS[max(best - 1, 0)], RATIOS[min(best + 1, len(RATIOS) - 1)]
    found = minimize_scalar(
        lambda q: float(settling_time(q, fraction)), bounds=near, method="bounded"
    )
    if found.fun < times[best]:
        return Best(float(found.x), float(found.fun))
    return Best(float(RATIOS[best]), float(times[best]))


def _last_crossing(q: float, band: float) -> float:
    if q > CREEPING:
        return float(4 * q**2 * np.log(1 / band) + 1 / q)

    def derivative(t: float, state: NDArray[np.float64]) -> list[float]:
        x, v = state
        return [v, -q * v + np.expm1(-q * t) * x / (4 * q)]

    def edge(t: float, state: NDArray[np.float64]) -> float:
        return abs(float(state[0])) - band

    # The envelope falls as exp(-q t / 2) underdamped, the creep as exp(-t / (4 q^2)) overdamped.
    end = (2 / q + 4 * q**2) * (2 + np.log(1 / band)) + 10
    solution = solve_ivp(
        derivative, (0, end), [1.0, 0.0], method="LSODA", events=edge, rtol=1e-7, atol=1e-9
    )
    return float(solution.t_events[0][-1])
