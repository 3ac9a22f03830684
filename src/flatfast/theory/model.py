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
            ValueError: If they have another structure or shape than the example, or a parameter is
                not finite; says which.
        """
        wanted: Any = jax.tree.structure(self.example)
        given: Any = jax.tree.structure(params)
        if given != wanted:
            raise ValueError(f"parameters must have the structure {wanted}, got {given}")
        for (path, leaf), like in zip(
            jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(self.example), strict=True
        ):
            if np.shape(leaf) != np.shape(like):
                name = f"parameter {jax.tree_util.keystr(path)}" if path else "the parameter"
                raise ValueError(f"{name} must have shape {np.shape(like)}, got {np.shape(leaf)}")
        found = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
        vector = np.asarray(ravel_pytree(found)[0])
        self._check_finite(vector)
        return vector

    def checked(self, point: ArrayLike) -> jax.Array:
        """A point that a user gave, as an array (D,) of the precision in force.

        Raises:
            ValueError: If it has another shape, or it or the residuals there are not finite; says
                which.
        """
        at = np.asarray(point, np.float64)
        if at.shape != (self.size,):
            raise ValueError(f"the point must have shape ({self.size},), got {at.shape}")
        self._check_finite(at)
        array = jnp.asarray(at)
        residuals = np.asarray(self.residuals_at(array))
        if not np.isfinite(residuals).all():
            lost = np.flatnonzero(~np.isfinite(residuals))
            raise ValueError(
                f"residuals must be finite, got {residuals[lost[0]]} for residual {lost[0]}, one "
                f"of {len(lost):,} lost of {len(residuals):,} at this point"
            )
        return array

    def _check_finite(self, vector: Array) -> None:
        lost = np.flatnonzero(~np.isfinite(vector))
        if not len(lost):
            return
        first = int(lost[0])
        leaves = jax.tree_util.tree_leaves_with_path(self.example)
        ends = np.cumsum([np.size(leaf) for _, leaf in leaves])
        which = int(np.searchsorted(ends, first, side="right"))
        path, leaf = leaves[which]
        place = np.unravel_index(first - int(ends[which]) + np.size(leaf), np.shape(leaf))
        name = jax.tree_util.keystr(path) + (f"[{', '.join(map(str, place))}]" if place else "")
        raise ValueError(
            f"parameters must be finite, got {vector[first]} for {name or 'the parameter'}, one of "
            f"{len(lost):,} lost"
        )

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
