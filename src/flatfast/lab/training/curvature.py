"""The trace of the Hessian, exactly and by random probes, and its largest eigenvalue.

On the zero-loss manifold the Hessian of a squared error is ``(1/P) J^T J`` (the residuals' own
curvature drops out), so its trace is the squared Frobenius norm of the Jacobian over the number of
examples. Label noise drives SGD towards small trace (Li, Wang, Arora, ICLR 2022).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree


class TraceEstimate(NamedTuple):
    """A trace with its standard error over the probes."""

    trace: jax.Array
    standard_error: jax.Array


def hessian_trace(loss: Callable[[Any], jax.Array], params: Any) -> jax.Array:
    """The exact trace of the Hessian of ``loss``, by one product per parameter.

    Costs as many Hessian-vector products as there are parameters: for small models and tests.
    """
    flat, unravel = ravel_pytree(params)

    def entry(direction: jax.Array) -> jax.Array:
        return direction @ _product(loss, unravel, flat, direction)

    return jnp.sum(jax.lax.map(entry, jnp.eye(flat.size, dtype=flat.dtype)))


def hutchinson_trace(
    loss: Callable[[Any], jax.Array], params: Any, key: jax.Array, probes: int
) -> TraceEstimate:
    """The trace of the Hessian of ``loss`` by random signs (Hutchinson 1990).

    The same ``key`` at two points gives the same probes, so that most of the noise cancels in the
    difference of their traces.

    Args:
        loss: Scalar function of ``params``.
        params: Pytree of arrays.
        key: Draws the probes.
        probes: How many, at least 2 (one gives no standard error).

    Returns:
        The mean over the probes, and its standard error.

    Raises:
        ValueError: If ``probes`` is below 2.
    """
    _check_probes(probes)
    flat, unravel = ravel_pytree(params)
    signs = jax.random.rademacher(key, (probes, flat.size), dtype=flat.dtype)

    def estimate(direction: jax.Array) -> jax.Array:
        return direction @ _product(loss, unravel, flat, direction)

    return _estimate(jax.lax.map(estimate, signs))


def jacobian_trace(
    outputs: Callable[[Any], jax.Array], params: Any, key: jax.Array, probes: int
) -> TraceEstimate:
    """``(1/P) |J|^2`` by random signs: the trace of a squared error's Hessian on the manifold.

    Args:
        outputs: ``params -> (P,) or (P, K)``, with derivative J.
        params: Pytree of arrays.
        key: Draws the probes; the same at two points gives the same.
        probes: How many, at least 2 (one gives no standard error).

    Returns:
        The mean over the probes of ``|J^T s|^2 / P``, s random signs, and its standard error.

    Raises:
        ValueError: If ``probes`` is below 2.
    """
    _check_probes(probes)
    found, backward = jax.vjp(outputs, params)

    def probe(key: jax.Array) -> jax.Array:
        signs = jax.random.rademacher(key, found.shape, found.dtype)
        squares = [jnp.sum(leaf**2) for leaf in jax.tree.leaves(backward(signs)[0])]
        return jnp.sum(jnp.stack(squares)) / len(found)

    return _estimate(jax.lax.map(probe, jax.random.split(key, probes)))


def largest_eigenvalue(
    loss: Callable[[Any], jax.Array], params: Any, *, iterations: int = 50
) -> jax.Array:
    """The Hessian's largest eigenvalue in absolute value, by power iteration.

    The Rayleigh quotient approaches it from below for a positive semi-definite Hessian; with 50
    iterations it is accurate to a few per cent unless the top eigenvalues nearly coincide, in which
    case it is accurate all the same.
    """
    flat, unravel = ravel_pytree(params)
    start = jax.random.normal(jax.random.key(0), flat.shape, flat.dtype)

    def iterate(_: Any, direction: jax.Array) -> jax.Array:
        direction = direction / jnp.maximum(jnp.linalg.norm(direction), 1e-30)
        return _product(loss, unravel, flat, direction)

    direction = jax.lax.fori_loop(0, iterations, iterate, start)
    direction = direction / jnp.maximum(jnp.linalg.norm(direction), 1e-30)
    quotient: jax.Array = direction @ _product(loss, unravel, flat, direction)
    return quotient


def _check_probes(probes: int) -> None:
    if probes < 2:
        raise ValueError(f"probes must be at least 2 for a standard error, got {probes}")


def _estimate(values: jax.Array) -> TraceEstimate:
    return TraceEstimate(jnp.mean(values), jnp.std(values, ddof=1) / len(values) ** 0.5)


def _product(
    loss: Callable[[Any], jax.Array],
    unravel: Callable[[jax.Array], Any],
    flat: jax.Array,
    direction: jax.Array,
) -> jax.Array:
    """The product of the Hessian with a flat direction, forward over reverse."""
    gradient = jax.grad(lambda point: loss(unravel(point)))
    product: jax.Array = jax.jvp(gradient, (flat,), (direction,))[1]
    return product
