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
from flatfast.theory.frame import FLOOR, Frame
from flatfast.theory.manifold import check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.solver import check_followed, integrate, reached


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
) -> FlowPath:
    """The flow ``dw/ds = -eps^2 / (4P) ∇_Γ tr H`` from a point of Γ.

    Args:
        model: The model; with batches of B examples its P must be B.
        start: On Γ, (D,).
        noise_std: Standard deviation of the label noise.
        times: When to read the path, increasing, (N,).
        tolerance: Relative error of a step of the solver.
        floor: Eigenvalues below this share of the largest count for less and less.

    Raises:
        NotOnManifoldError: If the start is off Γ.
        PathEndedError: If the path cannot be followed to its end.
    """
    check_noise(noise_std)
    check_on_manifold(model, start)
    strength = noise_std**2 / (4 * model.examples)
    return follow_flow(model, start, strength, checked_times(times), tolerance, floor)


@in_double_precision
def follow_flow(
    model: SquaredError,
    start: ArrayLike,
    strength: float,
    times: ArrayLike,
    tolerance: float,
    floor: float,
) -> FlowPath:
    """The flow ``dw/ds = -strength ∇_Γ tr H``, from a point that need not be checked."""
    at, read = jnp.asarray(start, jnp.float64), jnp.asarray(times, jnp.float64)
    points, evaluations = _flow(model, at, read, strength, tolerance, floor)
    there = reached(points)
    path = FlowPath(np.asarray(read)[:there], np.asarray(points)[:there], int(evaluations))
    check_followed(path, np.asarray(read))
    return path


@functools.partial(jax.jit, static_argnums=0)
def _flow(
    model: SquaredError,
    start: jax.Array,
    times: jax.Array,
    strength: jax.Array,
    tolerance: jax.Array,
    floor: jax.Array,
) -> tuple[jax.Array, jax.Array]:

    def derivative(t: object, w: jax.Array, args: object) -> jax.Array:
        frame = Frame(model, w, floor)
        down = frame.weighted_gradient(jnp.ones(model.residual_count))
        return frame.tangent(-strength * down) + frame.back()

    return integrate(derivative, start, times, tolerance)
