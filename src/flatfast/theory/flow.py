"""The flow along Γ: what is left of the limit dynamics below the exponent 2/3.

There the inertia drops out, and in the time ``(lr / (1 - momentum))^2 k`` over k steps the iterate
follows ``dw/ds = -eps^2 / (4P) ∇_Γ tr H`` (Li, Wang and Arora, ICLR 2022).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from flatfast.theory.checks import check_noise, checked_times
from flatfast.theory.frame import FLOOR, Frame, along
from flatfast.theory.manifold import Method, check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.sharpness import trace_at
from flatfast.theory.solver import check_followed, integrate, reached

DENSE_UP_TO = 1_000_000
"""Entries of the Jacobian up to which it is made, and its modes found, at every point."""

SOLVED_TO = 0.1
"""Relative error of the matrix-free projection, as a share of that of the solver's step."""


class FlowPath(NamedTuple):
    """A path of the flow.

    Attributes:
        times: (N,), in units of ``(lr / (1 - momentum))^-2`` steps.
        points: (N, D).
        evaluations: Frames of the manifold that were made on the way.
    """

    times: Array
    points: Array
    evaluations: int


@in_double_precision
def flow_on_manifold(
    model: SquaredError,
    start: ArrayLike,
    *,
    noise_std: float,
    times: ArrayLike,
    tolerance: float = 1e-6,
    floor: float = FLOOR,
    method: Method | None = None,
) -> FlowPath:
    """The flow ``dw/ds = -eps^2 / (4P) ∇_Γ tr H`` from a point of Γ.

    Args:
        model: The model; with batches of B examples its P must be B.
        start: On Γ, (D,).
        noise_std: Standard deviation of the label noise.
        times: When to read the path, increasing, (N,).
        tolerance: Relative error of a step of the solver.
        floor: Eigenvalues below this share of the largest count for less and less.
        method: ``dense`` makes the Jacobian and its modes at every point, ``matrix-free`` takes
            products; by default dense where the Jacobian is small (:data:`DENSE_UP_TO`).

    Raises:
        NotOnManifoldError: If the start is off Γ.
        PathEndedError: If the path cannot be followed to its end.
    """
    check_noise(noise_std)
    check_on_manifold(model, start)
    strength = noise_std**2 / (4 * model.examples)
    return follow_flow(model, start, strength, checked_times(times), tolerance, floor, method)


@in_double_precision
def follow_flow(
    model: SquaredError,
    start: ArrayLike,
    strength: float,
    times: ArrayLike,
    tolerance: float,
    floor: float,
    method: Method | None = None,
) -> FlowPath:
    """The flow ``dw/ds = -strength ∇_Γ tr H``, from a point that need not be checked."""
    at, read = jnp.asarray(start, jnp.float64), jnp.asarray(times, jnp.float64)
    dense = (method or method_for(model)) == "dense"
    points, evaluations = _flow(model, at, read, strength, tolerance, floor, dense)
    there = reached(points)
    path = FlowPath(np.asarray(read)[:there], np.asarray(points)[:there], int(evaluations))
    check_followed(path, np.asarray(read))
    return path


def method_for(model: SquaredError) -> Method:
    """How a model's flow is followed, unless told otherwise."""
    return "dense" if model.size * model.residual_count <= DENSE_UP_TO else "matrix-free"


@in_double_precision
def slope(
    model: SquaredError,
    point: ArrayLike,
    *,
    tolerance: float = 1e-6,
    floor: float = FLOOR,
    method: Method | None = None,
) -> Array:
    """The flow's own ``∇_Γ tr H`` (D,), with a floor under the eigenvalues, at a point of Γ.

    Args:
        model: The model.
        point: On Γ, (D,).
        tolerance: Relative error of the matrix-free projection.
        floor: Eigenvalues below this share of the largest count for less and less.
        method: As in :func:`flow_on_manifold`.
    """
    dense = (method or method_for(model)) == "dense"
    at = jnp.asarray(point, jnp.float64)
    found: Array = np.asarray(-_velocity(model, at, 1.0, tolerance, floor, dense))
    return found


@functools.partial(jax.jit, static_argnums=(0, 6))
def _flow(
    model: SquaredError,
    start: jax.Array,
    times: jax.Array,
    strength: jax.Array,
    tolerance: jax.Array,
    floor: jax.Array,
    dense: bool,
) -> tuple[jax.Array, jax.Array]:

    def derivative(t: object, w: jax.Array, args: object) -> jax.Array:
        found: jax.Array = _velocity(model, w, strength, SOLVED_TO * tolerance, floor, dense)
        return found

    return integrate(derivative, start, times, tolerance)


@functools.partial(jax.jit, static_argnums=(0, 5))
def _velocity(
    model: SquaredError,
    w: jax.Array,
    strength: float | jax.Array,
    tolerance: ArrayLike,
    floor: ArrayLike,
    dense: bool,
) -> jax.Array:
    down = -strength * jax.grad(lambda w: trace_at(model, w))(w)
    if dense:
        return Frame(model, w, floor).along(down)
    return along(model, w, down, floor, tolerance)
