"""The drift that theory has: the flow ``-(s^2 / 4) ∇ tr G`` along the manifold, step by step.

The networks are small enough that the manifold's tangent is read off all eigenvalues of G.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from flatfast.lab.problem import Problem

FLAT = 1e-9
"""Eigenvalues of G below this share of the largest are the manifold's own."""

FALL_OF_STEP = 0.002
"""Share of the trace that a step of the flow takes off."""

BACK = 3
"""Steps of Gauss and Newton back to the manifold after each."""


def flow(problem: Problem, strength: float, until: float) -> tuple[Any, Any]:
    """Follow the flow from the problem's start until the trace has this share of its own.

    Args:
        problem: With residuals or logits, and the metric ``trace``.
        strength: ``s^2``.
        until: Share of the trace at which it ends.

    Returns:
        Times in ``(lr / mu)^2`` times steps, and the traces there over the start's, (N,) each.
    """
    with jax.enable_x64(True):
        start = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem.start())
        w, tree = ravel_pytree(start)

        def trace(w: jax.Array) -> jax.Array:
            return problem.metrics["trace"](tree(w))

        value_and_slope = jax.jit(jax.value_and_grad(trace))
        pull = jax.jit(jax.grad(lambda w: problem.loss(tree(w))))
        matrix = jax.jit(lambda w: _gauss_newton(problem, tree, w))
        first = float(trace(w))
        times, shares = [0.0], [1.0]
        while shares[-1] > until:
            values, modes = np.linalg.eigh(np.asarray(matrix(w)))
            tangent = modes[:, values < FLAT * values[-1]]
            value, slope = value_and_slope(w)
            along = tangent @ (tangent.T @ np.asarray(slope))
            rate = strength / 4 * float(along @ along)
            time = FALL_OF_STEP * float(value) / rate
            w = w - time * strength / 4 * along
            steep = values >= FLAT * values[-1]
            across, inverse = modes[:, steep], 1 / values[steep]
            for _ in range(BACK):
                w = w - across @ (inverse * (across.T @ np.asarray(pull(w))))
            times.append(times[-1] + time)
            shares.append(float(trace(w)) / first)
    return np.array(times), np.array(shares)


def _gauss_newton(problem: Problem, tree: Any, w: jax.Array) -> jax.Array:
    """G (D, D): the outputs' Hessian between the rows of their Jacobian."""
    outputs = problem.logits or problem.residuals
    assert outputs is not None
    rows = jax.jacfwd(lambda at: outputs(tree(at)))(w)
    rows = rows.reshape(rows.shape[0] if rows.ndim > 1 else 1, -1, len(w))
    if problem.logits is None:
        return jnp.einsum("pkd,pke->de", rows, rows) / len(rows)
    chances = jax.nn.softmax(problem.logits(tree(w)))
    mean = jnp.einsum("pk,pkd->pd", chances, rows)
    whole = jnp.einsum("pk,pkd,pke->de", chances, rows, rows)
    return (whole - mean.T @ mean) / len(rows)
