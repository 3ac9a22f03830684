"""Sharpness on the manifold of minimizers: ``tr H = |J|^2 / P`` and its gradient along Γ."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from flatfast.estimate import Estimate
from flatfast.theory.manifold import Method, tangent
from flatfast.theory.model import Array, SquaredError, in_double_precision


class EstimatedGradient(NamedTuple):
    """A gradient's mean over random probes (D,), and its standard error, elementwise."""

    value: Array
    error: Array


@in_double_precision
def hessian_trace(model: SquaredError, point: ArrayLike) -> float:
    """Trace of the Hessian at a point (D,) on Γ, exactly, one residual after the other."""
    return float(_trace(model, model.checked(point)))


@in_double_precision
def hessian_traces(model: SquaredError, points: ArrayLike) -> Array:
    """The same at many points (N, D), compiled once for a model and a number of points."""
    return np.asarray(_traces(model, jnp.asarray(points, jnp.float64)))


@functools.partial(jax.jit, static_argnums=0)
def _traces(model: SquaredError, points: jax.Array) -> jax.Array:
    traces: jax.Array = jax.lax.map(lambda at: _trace(model, at), points)
    return traces


def trace_at(model: SquaredError, at: jax.Array) -> jax.Array:
    """The trace at a point, by the model's own way if it has one; for use in traced functions."""
    if model.trace is not None:
        return model.trace(model.tree_at(at))
    return jnp.sum(jax.jacrev(model.residuals_at)(at) ** 2) / model.examples


@in_double_precision
def trace_gradient(model: SquaredError, point: ArrayLike, *, method: Method | None = None) -> Array:
    """Gradient along Γ of the trace, ``∇_Γ tr H`` (D,)."""
    at = model.checked(point)
    gradient = jax.grad(lambda w: _trace(model, w))(at)
    return tangent(model, at, gradient, method=method)


@in_double_precision
def hutchinson_trace(
    model: SquaredError, point: ArrayLike, key: jax.Array, probes: int
) -> Estimate:
    """Trace by random signs z over the residuals: the mean of ``|J^T z|^2 / P``.

    Raises:
        ValueError: If ``probes`` is below 2.
    """
    at = model.checked(point)
    values = jax.lax.map(lambda z: _probe(model, at, z), _signs(model, key, probes))
    mean, error = _mean_of(np.asarray(values))
    return Estimate(float(mean), float(error))


@in_double_precision
def hutchinson_trace_gradient(
    model: SquaredError,
    point: ArrayLike,
    key: jax.Array,
    probes: int,
    *,
    method: Method | None = None,
) -> EstimatedGradient:
    """Gradient along Γ of the trace by random signs, (D,) with its standard error.

    Raises:
        ValueError: If ``probes`` is below 2.
    """
    at = model.checked(point)
    one = jax.grad(lambda w, z: _probe(model, w, z))
    drawn = jax.lax.map(lambda z: one(at, z), _signs(model, key, probes))
    return EstimatedGradient(*_mean_of(tangent(model, at, drawn, method=method)))


def _mean_of(drawn: Array) -> tuple[Array, Array]:
    """With its standard error."""
    error: Array = drawn.std(axis=0, ddof=1) / len(drawn) ** 0.5
    mean: Array = drawn.mean(axis=0)
    return mean, error


def _trace(model: SquaredError, at: jax.Array) -> jax.Array:
    if model.trace is not None:
        return model.trace(model.tree_at(at))
    _, backward = jax.vjp(model.residuals_at, at)
    rows = jnp.eye(model.residual_count)
    squares = jax.lax.map(lambda row: jnp.sum(backward(row)[0] ** 2), rows)
    return jnp.sum(squares) / model.examples


def _probe(model: SquaredError, at: jax.Array, signs: jax.Array) -> jax.Array:
    _, backward = jax.vjp(model.residuals_at, at)
    return jnp.sum(backward(signs)[0] ** 2) / model.examples


def _signs(model: SquaredError, key: jax.Array, probes: int) -> jax.Array:
    if probes < 2:
        raise ValueError(f"probes must be at least 2 for a standard error, got {probes}")
    return jax.random.rademacher(key, (probes, model.residual_count), dtype=jnp.float64)
