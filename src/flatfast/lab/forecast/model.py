"""A problem of the lab as the theory sees it: a model, a point on its manifold, label noise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.descent import descend
from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Metric, Params, Problem
from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    flow_end,
    hessian_trace,
    jacobian,
    nearest,
)
from flatfast.theory.flow import method_for

NEAR = 0.2
"""Distance from Γ, as a share of a start's norm, below which the nearest point serves for the end
of the flow: they differ by its square."""

NEAREST_STEPS = 30

SAME_TRACE = 1e-6
"""Relative difference up to which a metric ``trace`` is the Hessian's."""


def model_of(problem: Problem) -> tuple[SquaredError, NDArray[np.float64], float]:
    """A problem as the theory sees it: its residuals, the end of its start's flow, its label noise.

    With minibatches the noise is that of the batch: its standard deviation is scaled so that
    ``noise_std^2 / P`` is that of a batch.

    Raises:
        ValueError: If the problem has no residuals or no label noise.
        NotOnManifoldError: If gradient flow does not lead from the start to zero loss.
    """
    if problem.residuals is None:
        raise ValueError(f"problem {problem.name!r} has no residuals: its loss is no squared error")
    noise_std = float(problem.settings.get("noise_std", 0.0))
    if not noise_std > 0:
        raise ValueError(f"noise_std must be positive for a drift, got {noise_std}")
    params = problem.start()
    model = SquaredError(problem.residuals, params, _own_trace(problem, params))
    batch = int(problem.settings.get("batch_size", 0)) or model.examples
    return (
        model,
        _on_manifold(problem, model),
        noise_std * (model.examples / batch) ** 0.5,
    )


def _own_trace(problem: Problem, params: Params) -> Metric | None:
    """The problem's metric ``trace``, if that is the Hessian's on the manifold: a cheaper way."""
    metric = problem.metrics.get("trace")
    if metric is None or problem.residuals is None:
        return None
    exact = SquaredError(problem.residuals, params)
    cheap, point = replace(exact, trace=metric), exact.flat(params)
    agree = np.isclose(hessian_trace(cheap, point), hessian_trace(exact, point), rtol=SAME_TRACE)
    return metric if agree else None


def _on_manifold(problem: Problem, model: SquaredError) -> NDArray[np.float64]:
    """Where a run's start lies on Γ.

    The nearest point if the start interpolates, else its flow's end. Large models have modes so
    flat that neither is reached in any time that a run has; theirs is what the lab calls back on
    the manifold, the start after cooling.
    """
    point = model.flat(problem.start())
    if method_for(model) == "matrix-free":
        with jax.enable_x64(True):
            cooled = descend(problem.loss, model.tree_at(jnp.asarray(point)), problem.cooling)
        return model.flat(cooled)
    try:
        end = nearest(model, point, steps=NEAREST_STEPS)
    except NotOnManifoldError:
        return flow_end(model, point).point
    near = end.distance <= NEAR * float(np.linalg.norm(point))
    return end.point if near else flow_end(model, point).point


def metric_on_points(
    problem: Problem, model: SquaredError
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The goal's metric on points (..., D) of the manifold, which need no cooling."""
    metric = problem.metrics[problem.goal.metric.removeprefix(COOLED)]
    each = jax.jit(lambda points: jax.lax.map(lambda w: metric(model.tree_at(w)), points))

    def read(points: NDArray[np.float64]) -> NDArray[np.float64]:
        with jax.enable_x64(True):
            values = each(jnp.asarray(points).reshape(-1, model.size))
            return np.asarray(values).reshape(points.shape[:-1])

    return read


def curvatures(model: SquaredError, point: Any) -> NDArray[np.float64]:
    """The Hessian's eigenvalues across Γ at a point (D,), ascending, (M,)."""
    J = jacobian(model, point)
    found: NDArray[np.float64] = np.linalg.eigvalsh(J @ J.T) / model.examples
    return np.maximum(found, 0.0)


def effective_modes(eigenvalues: NDArray[np.float64]) -> float:
    """How many equal modes would average their amplitudes out as well: ``(Σ λ)^2 / Σ λ^2``.

    The sharpness is the sum of the eigenvalues, and by each mode's amplitude its own pulls. (On the
    lab's problems the count by the slopes of the eigenvalues along the drift is the same to a
    tenth.)
    """
    return float(eigenvalues.sum() ** 2 / (eigenvalues @ eigenvalues))
