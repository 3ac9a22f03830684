"""Two more ways to kappa, tried on the lab's problems: both ask where the sharpness ends.

*Curvature.* On a parabola with any floor, ``kappa = (s^2 / 4) T''``, with T the trace along the
direction in which the weights drift. Second differences of the trace of the retracted weights give
it, ``T''`` along the manifold, at the cost of three retractions.

*Fit.* In the limit of much friction such a landscape's trace falls as

    T(k) = end + (T_0 - end) exp(-2 kappa (lr / mu)^2 k),

and an overdamped pilot run's curve is fitted with both numbers free.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from flatfast.calibration import Calibration, calibrate
from flatfast.calibration.along import drift_cutoff
from flatfast.calibration.result import DAMPING
from flatfast.calibration.tangent import solve
from flatfast.lab.calibration import ProblemLandscape
from flatfast.lab.descent import descend
from flatfast.lab.problem import Problem
from flatfast.law import GAMMA
from flatfast.timescales import prefactor_from_kappa
from studies.calibration.cases import CENTRE_BUDGET, Case
from studies.calibration.walk import Walk

FALL = 0.02
"""Share of the trace that a step along its slope takes off, to first order."""

PRODUCTS = 24

SLOW = 5.0
"""Friction of the pilot run, in units of the calibrated one."""

ENOUGH = 0.4
"""Share of the trace by which it has to have fallen when the pilot ends."""

RECORDS, ROUNDS = 12, 8
"""Readings a round, and rounds at most; a round is the time that the calibrated kappa makes of the
fall."""


def candidates(case: Case) -> dict[str, Any]:
    """Both estimates of C, None where they fail, and the pilot's steps."""
    problem = case.load()
    with jax.enable_x64(False):
        landscape = ProblemLandscape(problem)
        found = calibrate(landscape, case.lr, budget=CENTRE_BUDGET)
        fitted, steps = fit(problem, case.lr, found)
        return {
            "curvature": curvature(problem, landscape, found),
            "fit": fitted,
            "fit_steps": steps,
        }


def curvature(problem: Problem, landscape: ProblemLandscape, found: Calibration) -> float | None:
    """C from the trace's second difference along the drift; None where it is not convex."""
    trace = problem.metrics["trace"]
    start = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), problem.start())
    flat, tree = ravel_pytree(start)
    slope = ravel_pytree(jax.grad(trace)(start))[0]
    y = solve(landscape, slope, drift_cutoff(found.kappa, found.lr), PRODUCTS).y
    direction = y / jnp.linalg.norm(y)

    @jax.jit
    def at(way: jax.Array) -> jax.Array:
        retracted = descend(problem.loss, tree(flat + way * direction), problem.cooling)
        return jnp.asarray(trace(retracted))

    way = FALL * float(trace(start)) / float(slope @ direction)
    second = (float(at(way)) - 2 * float(at(0.0)) + float(at(-way))) / way**2
    strength = found.noise / found.sharpness
    return _prefactor(strength / 4 * second)


def fit(problem: Problem, lr: float, found: Calibration) -> tuple[float | None, int]:
    """C from a pilot's curve, None where it does not fall enough; and the steps made."""
    mu = min(SLOW * found.C * lr**GAMMA, 1.0)
    pace = (lr / mu) ** 2
    walk = Walk(problem, lr, mu)
    steps, traces = [0], [float(walk.trace(walk.params))]
    stride = max(round(-np.log(1 - ENOUGH) / (2 * found.kappa * pace) / RECORDS), 1)
    while traces[-1] > (1 - ENOUGH) * traces[0] and len(steps) <= RECORDS * ROUNDS:
        walk.to(walk.done + stride)
        steps.append(walk.done)
        traces.append(float(walk.trace(walk.cooled())))
    # What the noise needs to come up is not the landscape's.
    late = np.array(steps) >= min(2 / mu, steps[-1] / 4)
    kappa = fitted(pace * np.array(steps)[late], np.array(traces)[late])
    enough = traces[-1] <= (1 - ENOUGH) * traces[0]
    return (_prefactor(kappa) if enough else None), walk.done


def fitted(time: NDArray[np.float64], trace: NDArray[np.float64]) -> float:
    """Rate kappa of a fall ``end + height exp(-2 kappa time)``, end not below zero; NaN if none."""
    span, first = time[-1] - time[0], trace[0]

    def curve(
        t: NDArray[np.float64], end: float, height: float, rate: float
    ) -> NDArray[np.float64]:
        return np.asarray(first * (end + height * np.exp(-rate * (t - time[0]) / span)))

    start = (0.5, 0.5, 1.0)
    bounds = ((0.0, 0.0, 1e-3), (1.5, 1.5, 50.0))
    try:
        (_, _, rate), _ = curve_fit(curve, time, trace, start, bounds=bounds)
    except RuntimeError:  # it does not converge
        return float("nan")
    return float(rate / span / 2)


def _prefactor(kappa: float) -> float | None:
    return DAMPING * float(prefactor_from_kappa(kappa)) if kappa > 0 else None
