"""Across Γ: the Hessian's modes at a point, and tau_1, the time of the slowest of them.

On Γ the Hessian is ``J^T J / P``, and its eigenvalues that are not zero are those of ``J J^T / P``,
whose side is the number of residuals. As a function of the curvature alone, a mode's time falls,
stays, and rises again (overdamped, underdamped, alternating), so that the slowest mode is the
softest or the steepest: the two extremes of the spectrum are enough.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from flatfast import timescales
from flatfast.theory.manifold import (
    RANK_TOLERANCE,
    Method,
    check_on_manifold,
    chosen_method,
    jacobian,
)
from flatfast.theory.model import Array, SquaredError, in_double_precision

LANCZOS_TOLERANCE = 1e-6
"""Relative error of an extreme eigenvalue."""

SOFTEST = 1e-9
"""Share of the largest eigenvalue below which Lanczos iteration cannot tell one from zero."""

EQUALLY_SLOW = 1e-9
"""Relative difference of times that count as one."""


class Modes(NamedTuple):
    """The Hessian's modes at a point of Γ, by increasing curvature.

    Attributes:
        curvature: Eigenvalues that are not zero, (M,).
        direction: Their eigenvectors in the space of parameters, one a row, (M, D).
        residual: Their images in the space of residuals, one a row, (M, P * K): a step x along a
            mode changes its residual by ``sqrt(P curvature) x``.
        examples: P.
    """

    curvature: Array
    direction: Array
    residual: Array
    examples: int

    def coordinates(self, residuals: ArrayLike) -> Array:
        """How far iterates are from Γ along each mode, to first order in the distance.

        The residuals tell it better than the parameters do: they are zero everywhere on Γ, so that
        motion along it does not show.

        Args:
            residuals: Of the iterates, (..., P * K).

        Returns:
            (..., M), in units of the parameters.
        """
        per_step = np.sqrt(self.examples * self.curvature)
        return np.asarray(residuals, np.float64) @ self.residual.T / per_step


class SlowestMode(NamedTuple):
    """``tau_1`` at a point of Γ.

    Attributes:
        time: In steps; infinite if the mode is unstable.
        curvature: The mode's eigenvalue.
        regime: How it moves, as :func:`flatfast.timescales.regime` says.
    """

    time: float
    curvature: float
    regime: str


@in_double_precision
def hessian_modes(model: SquaredError, point: ArrayLike) -> Modes:
    """All modes at a point (D,), dense.

    Raises:
        NotOnManifoldError: If the point is off Γ.
    """
    at = jnp.asarray(point, jnp.float64)
    check_on_manifold(model, at)
    left, values, right = np.linalg.svd(jacobian(model, at), full_matrices=False)
    kept = np.flatnonzero(values > RANK_TOLERANCE * values[0])[::-1]
    return Modes(values[kept] ** 2 / model.examples, right[kept], left.T[kept], model.examples)


@in_double_precision
def curvature_range(
    model: SquaredError, point: ArrayLike, *, method: Method | None = None
) -> tuple[float, float]:
    """The smallest and the largest of the Hessian's eigenvalues that are not zero.

    Args:
        model: The model.
        point: On Γ, (D,).
        method: ``dense`` from the Jacobian's singular values, ``matrix-free`` by Lanczos iteration
            on products with the Jacobian; by default dense where the Jacobian fits.

    Raises:
        NotOnManifoldError: If the point is off Γ.
        ValueError: If residuals are too nearly dependent for Lanczos iteration.
    """
    side = min(model.residual_count, model.size)
    if chosen_method(model, method) == "dense" or side < 3:
        curvature = hessian_modes(model, point).curvature
        return float(curvature[0]), float(curvature[-1])
    at = jnp.asarray(point, jnp.float64)
    check_on_manifold(model, at)
    operator = _gram(model, at)
    largest = _extreme(operator, "LA")
    smallest = _extreme(operator, "SA")
    if not smallest > SOFTEST * largest:
        raise ValueError(
            f"the smallest eigenvalue of J J^T is {smallest:.2g}, the largest {largest:.2g}: "
            "residuals are dependent here; use method='dense', which leaves zeros out"
        )
    return smallest / model.examples, largest / model.examples


def slowest_mode(curvature: ArrayLike, lr: float, momentum: float) -> SlowestMode:
    """``tau_1`` from the modes' curvatures.

    Args:
        curvature: Eigenvalues of the Hessian, positive, all or the extremes, (M,).
        lr: Learning rate, positive.
        momentum: In [0, 1).

    Raises:
        ValueError: If an argument is out of range, or there is no mode.
    """
    modes = np.sort(np.ravel(np.asarray(curvature, np.float64)))
    if not modes.size:
        raise ValueError("curvature must have at least one mode, got none")
    times = np.asarray(timescales.tau_1(lr, momentum, modes))
    # Underdamped modes are equally slow: the softest stands for them, whatever the last digits say.
    slowest = int(np.argmax(times >= (1 - EQUALLY_SLOW) * times.max()))
    found = float(modes[slowest])
    return SlowestMode(float(times[slowest]), found, timescales.regime(lr, momentum, found))


def transverse_time(
    model: SquaredError,
    point: ArrayLike,
    *,
    lr: float,
    momentum: float,
    method: Method | None = None,
) -> SlowestMode:
    """``tau_1``: the time in which every motion across Γ has decayed to 1/e.

    Args:
        model: The model.
        point: On Γ, (D,).
        lr: Learning rate, positive.
        momentum: In [0, 1).
        method: As in :func:`curvature_range`.

    Raises:
        NotOnManifoldError: If the point is off Γ.
        ValueError: As :func:`curvature_range` and :func:`slowest_mode`.
    """
    extremes = np.array(curvature_range(model, point, method=method))
    return slowest_mode(extremes, lr, momentum)


def _gram(model: SquaredError, at: jax.Array) -> LinearOperator:
    """``J J^T``, or ``J^T J`` if that is smaller, as products."""
    _, forward = jax.linearize(model.residuals_at, at)
    backward = jax.linear_transpose(forward, at)
    if model.residual_count <= model.size:
        side, dot = model.residual_count, jax.jit(lambda v: forward(backward(v)[0]))
    else:
        side, dot = model.size, jax.jit(lambda v: backward(forward(v))[0])

    def product(v: Array) -> Array:
        return np.asarray(dot(jnp.asarray(v, jnp.float64).ravel()))

    return LinearOperator((side, side), matvec=product, dtype=np.float64)


def _extreme(operator: LinearOperator, which: str) -> float:
    # A fixed start makes the answer the same every time.
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    options = {"which": which, "return_eigenvectors": False, "tol": LANCZOS_TOLERANCE}
    try:
        return float(eigsh(operator, k=1, v0=start, **options)[0])
    except ArpackNoConvergence as error:
        raise ValueError(
            "Lanczos iteration did not find the softest mode: residuals are nearly dependent here; "
            "use method='dense'"
        ) from error
