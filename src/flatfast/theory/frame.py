"""Γ around a point, in traced functions: its modes, what is along it and what is across.

Two ways to the same function. :class:`Frame` is dense: one evaluation makes the Jacobian and the
eigenvectors of ``J J^T``, which give the modes too. :func:`along` needs the modes no more than the
flow does, and works by products with ``J`` alone.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jax.typing import ArrayLike

from flatfast.theory.model import SquaredError

FLOOR = 1e-4
"""Eigenvalues below this share of the largest count for less and less, by default.

Where Γ has a singular point, as where a factor loses rank, modes across it fade into directions
along it, and the frame turns without bound; a floor keeps the path integrable past such points.
"""


LANCZOS_STEPS = 24
"""To the largest eigenvalue, of which the floor is a share."""


class Frame:
    """Γ around a point: its modes, and what is along it and across."""

    def __init__(self, model: SquaredError, w: jax.Array, floor: ArrayLike = FLOOR) -> None:
        self._model, self._w = model, w
        self._J = jax.jacrev(model.residuals_at)(w)
        # Eigenvectors in the space of residuals: few, and never those of eigenvalue zero.
        values, self._modes = jnp.linalg.eigh(self._J @ self._J.T)
        self._inverse = values / (values**2 + (floor * values[-1]) ** 2)
        self.inverse_eigenvalues = self._inverse * model.examples

    def _pseudo_inverse(self, residual: jax.Array) -> jax.Array:
        found: jax.Array = self._J.T @ (self._modes @ (self._inverse * (self._modes.T @ residual)))
        return found

    def tangent(self, direction: jax.Array) -> jax.Array:
        """The part along Γ."""
        return direction - self._pseudo_inverse(self._J @ direction)

    def along(self, direction: jax.Array) -> jax.Array:
        """The part along Γ, and back to Γ within a unit of time."""
        away = self._J @ direction + self._model.residuals_at(self._w)
        return direction - self._pseudo_inverse(away)

    def turning(self, v: jax.Array) -> jax.Array:
        """The acceleration across Γ that keeps a velocity v along it."""

        def slope(w: jax.Array) -> jax.Array:
            found: jax.Array = jax.jvp(self._model.residuals_at, (w,), (v,))[1]
            return found

        return -self._pseudo_inverse(jax.jvp(slope, (self._w,), (v,))[1])

    def back(self) -> jax.Array:
        """Against the solver's small steps off Γ: back to it within a unit of time."""
        return -self._pseudo_inverse(self._model.residuals_at(self._w))

    def weighted_gradient(self, weights: jax.Array) -> jax.Array:
        """``sum_i weights_i ∇λ_i``, with the modes held fixed, as first order allows."""

        def weighted(w: jax.Array) -> jax.Array:
            return jnp.sum(weights * jnp.sum(self._rows(w) ** 2, axis=1)) / self._model.examples

        gradient: jax.Array = jax.grad(weighted)(self._w)
        return gradient

    def eigenvalue_rates(self, v: jax.Array) -> jax.Array:
        """``dλ_i/dt`` along a velocity v."""
        now, rate = jax.jvp(self._rows, (self._w,), (v,))
        return 2 * jnp.sum(now * rate, axis=1) / self._model.examples

    def _rows(self, w: jax.Array) -> jax.Array:
        """The Jacobian at w, seen from the modes: (M, D), with ``|row_i|^2 / P = λ_i`` here."""
        _, backward = jax.vjp(self._model.residuals_at, w)
        found: jax.Array = jax.vmap(lambda mode: backward(mode)[0])(self._modes.T)
        return found


def along(
    model: SquaredError,
    w: jax.Array,
    direction: jax.Array,
    floor: ArrayLike,
    tolerance: ArrayLike,
) -> jax.Array:
    """As :meth:`Frame.along`, without the Jacobian: ``d - J^T (G^2 + f^2)^-1 G (J d + r)``.

    With ``G = J J^T`` and f the floor. A floor of 1e-2 bounds the condition number, and with it the
    conjugate gradients needed, whatever the model's size.

    Args:
        model: The model.
        w: The point, (D,).
        direction: (D,).
        floor: Eigenvalues below this share of the largest count for less and less.
        tolerance: Relative error of the equations solved.
    """
    _, forward = jax.linearize(model.residuals_at, w)
    backward = jax.linear_transpose(forward, w)

    def gram(residual: jax.Array) -> jax.Array:
        found: jax.Array = forward(backward(residual)[0])
        return found

    ground = floor * _largest(gram, model.residual_count, w.dtype)
    away = gram(forward(direction) + model.residuals_at(w))
    weights, _ = cg(
        lambda residual: gram(gram(residual)) + ground**2 * residual,
        away,
        tol=tolerance,
        maxiter=10 * model.residual_count,
    )
    found: jax.Array = direction - backward(weights)[0]
    return found


def _largest(
    product: Callable[[jax.Array], jax.Array], size: int, dtype: jnp.dtype[Any]
) -> jax.Array:
    """Largest eigenvalue of a symmetric product, by Lanczos steps from a fixed start.

    Fixed, so that the eigenvalue is a smooth function of where the product is taken.
    """

    def step(
        state: tuple[jax.Array, jax.Array, jax.Array], _: None
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
        before, vector, coupling = state
        grown = product(vector) - coupling * before
        share = jnp.vdot(vector, grown)
        grown -= share * vector
        coupling = jnp.linalg.norm(grown)
        return (vector, grown / jnp.maximum(coupling, tiny), coupling), (share, coupling)

    tiny = jnp.finfo(dtype).tiny
    begin = jax.random.normal(jax.random.key(0), (size,), dtype)
    first = (jnp.zeros_like(begin), begin / jnp.linalg.norm(begin), jnp.zeros((), dtype))
    _, (shares, couplings) = jax.lax.scan(step, first, None, length=min(LANCZOS_STEPS, size))
    beside = jnp.diag(couplings[:-1], 1)
    found: jax.Array = jnp.linalg.eigvalsh(jnp.diag(shares) + beside + beside.T)[-1]
    return found
