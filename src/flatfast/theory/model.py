"""A model with squared error, seen as residuals at flat points in double precision.

``L(w) = 1/(2P) sum_i |r_i(w)|^2`` over P examples. Its zeros, where there are more parameters than
residuals, form the manifold of minimizers, called Γ here. On Γ the Hessian is ``J^T J / P``, J the
Jacobian of the residuals.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from numpy.typing import NDArray

Params = Any
"""A pytree of floating-point arrays."""

Array = NDArray[np.float64]

P = ParamSpec("P")
T = TypeVar("T")


def in_double_precision(function: Callable[P, T]) -> Callable[P, T]:
    """Compute in float64, whatever JAX's setting: projections lose all digits in float32."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped


@dataclass(frozen=True, eq=False)
class SquaredError:
    """A model and its data.

    ::

        model = SquaredError(lambda p: jnp.vdot(p["u"], p["v"]) - 1, params)

    The functions of this package take and give points and directions as flat vectors (D,); ``flat``
    and ``tree`` go between these and pytrees. Results are NumPy arrays in float64.

    Attributes:
        residuals: ``params -> (P,) or (P, K)``, outputs minus targets; a scalar for one example.
        example: Parameters, for their structure and shapes.
        trace: ``params -> |J|^2 / P``, where there is a cheaper way than through the Jacobian; None
            to take that.
    """

    residuals: Callable[[Params], jax.Array]
    example: Params
    trace: Callable[[Params], jax.Array] | None = None

    @functools.cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the residuals, (P,) or (P, K)."""
        found = jax.eval_shape(self.residuals, self.example).shape
        return found or (1,)

    @property
    def examples(self) -> int:
        """P."""
        return self.shape[0]

    @property
    def residual_count(self) -> int:
        """P * K."""
        return math.prod(self.shape)

    @functools.cached_property
    def size(self) -> int:
        """D, the number of parameters."""
        return int(sum(np.size(leaf) for leaf in jax.tree.leaves(self.example)))

    @in_double_precision
    def flat(self, params: Params) -> Array:
        """Parameters as a vector (D,).

        Raises:
            ValueError: If a parameter is not finite.
        """
        found = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
        vector = ravel_pytree(found)[0]
        if not bool(jnp.isfinite(vector).all()):
            raise ValueError("parameters must be finite, got NaN or infinity among them")
        return np.asarray(vector)

    @in_double_precision
    def tree(self, point: ArrayLike) -> Params:
        """A vector (D,) as parameters."""
        return jax.tree.map(np.asarray, self.tree_at(jnp.asarray(point, jnp.float64)))

    def residuals_at(self, point: jax.Array) -> jax.Array:
        """Residuals (P * K,) at a point; for use in traced functions."""
        return jnp.ravel(self.residuals(self.tree_at(point)))

    def loss_at(self, point: jax.Array) -> jax.Array:
        """``|r|^2 / (2P)`` at a point; for use in traced functions."""
        return jnp.sum(self.residuals_at(point) ** 2) / (2 * self.examples)

    def tree_at(self, point: jax.Array) -> Params:
        """A vector (D,) as parameters; for use in traced functions."""
        leaves, structure = jax.tree.flatten(self.example)
        bounds = np.cumsum([np.size(leaf) for leaf in leaves])[:-1]
        parts = jnp.split(point, bounds)
        shaped = [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)]
        return jax.tree.unflatten(structure, shaped)
