"""A problem seen by the theory: its start, where its drift rests, and the flow between."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast import timescales
from flatfast.lab.forecast.model import model_of
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems import load
from flatfast.theory import (
    Modes,
    SquaredError,
    curvature_range,
    flow_on_manifold,
    flow_relaxation,
    hessian_modes,
    hessian_trace,
    nearest,
)

KEPT = 1e-6
"""Share of the largest curvature below which a mode is lost."""

FAINT = 0.1
"""Share of the largest singular value of a factor below which the drift removes it."""

MODES = ("softest", "steepest")


class Setting(NamedTuple):
    """A problem as the theory sees it.

    Attributes:
        problem: From its start, for the simulator.
        resting: The same from where its drift rests, with modes' coordinates for metrics.
        model: For the theory.
        start: On the manifold, (D,).
        modes: The softest and the steepest where the drift rests.
        noise_std: Of the labels.
        flow_time: In which the flow brings the trace to 1/e of its excess.
        end: The trace at the flow's end.
        prefactor: ``C`` at which the closed forms of both times meet.
    """

    problem: Problem
    resting: Problem
    model: SquaredError
    start: NDArray[np.float64]
    modes: Modes
    noise_std: float
    flow_time: float
    end: float
    prefactor: float

    def numbers(self) -> dict[str, Any]:
        """What the result tells of it."""
        softest, steepest = curvature_range(self.model, self.start)
        return {
            "flow_time": self.flow_time,
            "prefactor": self.prefactor,
            "trace": {"start": hessian_trace(self.model, self.start), "end": self.end},
            "curvature_at_start": [softest, steepest],
            "curvature_at_rest": [float(curvature) for curvature in self.modes.curvature],
        }


@functools.cache
def prepare(name: str) -> Setting:
    """Follow the flow from the problem's start to its rest."""
    problem = load(name)
    model, start, noise_std = model_of(problem)
    relaxed = flow_relaxation(model, start)
    # With this noise the flow's own time is the S of the relaxation.
    unit = 2 * model.examples**0.5
    times = np.linspace(0, 16 * relaxed.time, 3)
    flow = flow_on_manifold(model, start, noise_std=unit, times=times, tolerance=1e-4, floor=1e-2)
    rest = nearest(model, without_faint(model, flow.points[-1])).point
    modes = hessian_modes(model, rest)
    kept = np.flatnonzero(modes.curvature > KEPT * modes.curvature[-1])
    kept = np.unique(kept[[0, -1]])
    shown = modes._replace(
        curvature=modes.curvature[kept],
        direction=modes.direction[kept],
        residual=modes.residual[kept],
    )
    return Setting(
        problem,
        at_rest(problem, model, rest, shown),
        model,
        start,
        shown,
        noise_std,
        float(relaxed.time),
        relaxed.end,
        float(timescales.prefactor_from_curvature(noise_std, relaxed.rate, model.examples)),
    )


def without_faint(model: SquaredError, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """A factor without the singular values that the drift has all but removed."""
    params = model.tree(point)
    if "U" not in params:
        return point
    left, values, right = np.linalg.svd(params["U"])
    return model.flat({"U": (left * np.where(values > FAINT * values[0], values, 0.0)) @ right})


def at_rest(
    problem: Problem, model: SquaredError, rest: NDArray[np.float64], modes: Modes
) -> Problem:
    """The problem from a point, with the coordinates of modes for metrics."""
    assert problem.residuals is not None
    residuals = problem.residuals

    def coordinate(mode: int) -> Callable[[Params], jax.Array]:
        weights = modes.residual[mode] / (modes.examples * modes.curvature[mode]) ** 0.5

        def read(params: Params) -> jax.Array:
            found = jnp.ravel(residuals(params))
            return jnp.vdot(jnp.asarray(weights, found.dtype), found)

        return read

    metrics = {
        name: coordinate(mode)
        for name, mode in zip(MODES, range(len(modes.curvature)), strict=False)
    }
    point = model.tree(rest)
    return dataclasses.replace(
        problem, start=lambda: point, metrics=metrics, goal=Goal(MODES[0], 0.5)
    )
