"""Γ around a point, in traced functions: its modes, what is along it and what is across.

Dense: one evaluation makes the Jacobian and the eigenvectors of ``J J^T``.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from flatfast.theory.model import SquaredError

FLOOR = 1e-4
"""Eigenvalues below this share of the largest count for less and less, by default.

Where Γ has a singular point, as where a factor loses rank, modes across it fade into directions
along it, and the frame turns without bound; a floor keeps the path integrable past such points.
"""


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
