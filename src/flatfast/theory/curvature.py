"""The curvature of ``tr H`` along Γ at a point: local values of the flow's rate h.

They agree with the flow's own (:func:`flatfast.theory.prefactor.flow_relaxation`) where ``tr H`` is
a parabola of one curvature along the whole way.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator, eigsh

from flatfast.theory.flow import slope
from flatfast.theory.frame import FLOOR
from flatfast.theory.manifold import Method, check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.sharpness import hessian_trace, trace_at
from flatfast.theory.size import check_dense

RIDGE = 1e-10
"""Keeps projections differentiable where residuals are dependent, as a share of the trace."""

NO_PART = 1e-9
"""Share of a direction along Γ that counts as none."""

STEP = 1e-4
"""Of the central difference along the drift, as a share of the point's norm."""


@in_double_precision
def excess_rate(
    model: SquaredError,
    point: ArrayLike,
    end: float,
    *,
    floor: float = FLOOR,
    method: Method | None = None,
) -> float:
    """The rate h from the slope and what is left to fall: ``|∇_Γ tr H|^2 / (2 (tr H - end))``.

    Args:
        model: The model.
        point: On Γ, (D,).
        end: ``tr H`` where the flow comes to rest.
        floor: Eigenvalues below this share of the largest count for less and less.
        method: As in :func:`flatfast.theory.flow.flow_on_manifold`.

    Raises:
        ValueError: If ``tr H`` is not above its end.
    """
    left = hessian_trace(model, point) - end
    if not left > 0:
        raise ValueError(f"tr H must be above its end, {end:.4g}, got {end + left:.4g}")
    steep = slope(model, point, floor=floor, method=method)
    return float(steep @ steep / (2 * left))


@in_double_precision
def drift_curvature(
    model: SquaredError,
    point: ArrayLike,
    *,
    floor: float = FLOOR,
    method: Method | None = None,
) -> float:
    """Curvature of ``tr H`` along Γ in the drift's own direction.

    By a central difference of the slope, so that the Jacobian need not be made:
    :func:`trace_curvature` in the direction of ``∇_Γ tr H``, with a floor.

    Args:
        model: The model.
        point: On Γ, (D,).
        floor: Eigenvalues below this share of the largest count for less and less.
        method: As in :func:`flatfast.theory.flow.flow_on_manifold`.
    """
    at = np.asarray(point, np.float64)

    def steep(where: Array) -> Array:
        return slope(model, where, tolerance=1e-8, floor=floor, method=method)

    direction = steep(at)
    direction = direction / np.linalg.norm(direction)
    step = STEP * np.linalg.norm(at)
    change = steep(at + step * direction) - steep(at - step * direction)
    return float(direction @ change / (2 * step))


@in_double_precision
def trace_curvature(model: SquaredError, point: ArrayLike, direction: ArrayLike) -> float:
    """Curvature of ``tr H`` along Γ in a direction: ``v·Hess v / v·v`` for the part v along Γ.

    Args:
        model: The model.
        point: On Γ, (D,).
        direction: (D,); the drift's own is ``trace_gradient``.

    Raises:
        NotOnManifoldError: If the point is off Γ.
        ValueError: If the direction has no part along Γ.
        TooLargeError: If the model is too large for its Jacobian.
    """
    check_dense(model, "the curvature of tr H")
    at, v = jnp.asarray(point, jnp.float64), jnp.asarray(direction, jnp.float64)
    check_on_manifold(model, at)
    v = v / jnp.linalg.norm(v)
    share = float(jnp.vdot(v, _tangent(model, at, v)))
    if not share > NO_PART:
        raise ValueError(f"direction must have a part along the manifold, its share is {share:.2g}")
    return float(jnp.vdot(v, _curvature_product(model, at, v))) / share


@in_double_precision
def trace_curvatures(
    model: SquaredError, point: ArrayLike, count: int, *, largest: bool = True
) -> Array:
    """Extreme curvatures of ``tr H`` along Γ (count,), ascending, by Lanczos iteration.

    Directions across Γ count as curvature 0.

    Raises:
        NotOnManifoldError: If the point is off Γ.
        ValueError: If ``count`` is not in ``[1, D - 1)``.
        TooLargeError: If the model is too large for its Jacobian.
    """
    if not 1 <= count < model.size - 1:
        raise ValueError(f"count must be in [1, {model.size - 1}), got {count}")
    check_dense(model, "the curvature of tr H")
    at = jnp.asarray(point, jnp.float64)
    check_on_manifold(model, at)

    def product(v: Array) -> Array:
        with jax.enable_x64(True):
            return np.asarray(_curvature_product(model, at, jnp.asarray(v).ravel()))

    operator = LinearOperator((model.size, model.size), matvec=product, dtype=np.float64)
    found = eigsh(
        operator, k=count, which="LA" if largest else "SA", return_eigenvectors=False, tol=1e-6
    )
    return np.sort(np.asarray(found))


@functools.partial(jax.jit, static_argnums=0)
def _curvature_product(model: SquaredError, at: jax.Array, v: jax.Array) -> jax.Array:
    """Hess v = P D(P ∇ tr H)[P v]: the derivative of the gradient along Γ, and its part along."""
    along = _tangent(model, at, v)

    def steep(w: jax.Array) -> jax.Array:
        return _tangent(model, w, jax.grad(lambda w: trace_at(model, w))(w))

    return _tangent(model, at, jax.jvp(steep, (at,), (along,))[1])


def _tangent(model: SquaredError, at: jax.Array, v: jax.Array) -> jax.Array:
    J = jax.jacrev(model.residuals_at)(at)
    gram = J @ J.T
    gram = gram + RIDGE * jnp.trace(gram) * jnp.eye(len(gram))
    along: jax.Array = v - J.T @ jnp.linalg.solve(gram, J @ v)
    return along
