"""The manifold of minimizers Γ: ways onto it, and its tangent and normal directions.

Two maps lead to Γ. :func:`flow_end` is the end of gradient flow, the Φ of the theory (Li, Wang and
Arora, ICLR 2022): noise drives SGD along Γ through Φ's second derivative. :func:`nearest` goes by
Gauss-Newton steps of least norm. From a distance r of Γ both arrive at points that differ by
O(r^2): the flow favours steep directions, the nearest point does not.
"""

import warnings
from collections.abc import Callable
from typing import Literal, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jax.typing import ArrayLike

from flatfast.theory.frame import along
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.size import check_square, fits_dense, jacobian_size

IMPLICIT_UP_TO = 400
"""Parameters up to which the flow is solved implicitly, with a dense Hessian."""

RANK_TOLERANCE = 1e-10
"""Singular values below this share of the largest count as zero."""

STEP_SOLVED_TO = 1e-8
"""Relative error to which a matrix-free Gauss-Newton step is solved for, if it can be: where Γ is
nearly flat across, the step stays short, as the dense one does below :data:`RANK_TOLERANCE`."""

MOST_ITERATIONS = 1000
"""Of conjugate gradients, for such a step."""

TINY = 1e-300

Product = Callable[[jax.Array], jax.Array]
Method = Literal["dense", "matrix-free"]


class NotOnManifoldError(ValueError):
    """A point from which Γ was not reached, or that is not on it."""


class Projection(NamedTuple):
    """A point on Γ.

    Attributes:
        point: Where (D,).
        loss: What is left of the loss there.
        distance: How far from the starting point.
    """

    point: Array
    loss: float
    distance: float


@in_double_precision
def jacobian(model: SquaredError, point: ArrayLike) -> Array:
    """Jacobian of the residuals, (P * K, D)."""
    return np.asarray(_jacobian(model, model.checked(point)))


@in_double_precision
def nearest(
    model: SquaredError, point: ArrayLike, *, tolerance: float = 1e-24, steps: int = 100
) -> Projection:
    """The point on Γ to which Gauss-Newton steps of least norm lead.

    Steps are dense where the Jacobian fits, else by conjugate gradients, of which a warning tells.

    Args:
        model: The model.
        point: Where to start, (D,); close to Γ.
        tolerance: Loss that counts as zero.
        steps: Steps at most.

    Raises:
        NotOnManifoldError: If the loss stays above ``tolerance``.
        ValueError: If the point or the residuals there are not finite.
    """
    start = model.checked(point)
    way = chosen_method(model, None)

    def advance(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        at, step = state
        return at - _gauss_newton(model, at, way), step + 1

    def unfinished(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        at, step = state
        return (model.loss_at(at) > tolerance) & (step < steps)

    end, _ = jax.lax.while_loop(unfinished, advance, (start, jnp.zeros((), jnp.int64)))
    return _arrived(model, start, end, tolerance, f"{steps} Gauss-Newton steps")


@in_double_precision
def flow_end(
    model: SquaredError, point: ArrayLike, *, tolerance: float = 1e-24, max_time: float = 1e8
) -> Projection:
    """The end of gradient flow ``dw/dt = -∇L``.

    The flow is followed, with a relative error of 1e-9 a step, until the loss has fallen by 12
    orders of magnitude; from there Gauss-Newton steps end it, which differ from the flow by the
    square of what is left.

    Args:
        model: The model.
        point: Where to start, (D,).
        tolerance: Loss that counts as zero.
        max_time: Time at most, in units of the inverse curvature.

    Raises:
        NotOnManifoldError: If the flow does not arrive.
        ValueError: If the point or the residuals there are not finite.
    """
    start = model.checked(point)
    first = model.loss_at(start)
    if first <= tolerance:
        return _arrived(model, start, start, tolerance, "no step")
    low = jnp.maximum(1e-12 * first, tolerance)
    stiff = model.size <= IMPLICIT_UP_TO
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, w, args: -jax.grad(model.loss_at)(w)),
        diffrax.Kvaerno5() if stiff else diffrax.Tsit5(),
        t0=0.0,
        t1=max_time,
        dt0=None,
        y0=start,
        stepsize_controller=diffrax.PIDController(rtol=1e-9, atol=1e-11),
        event=diffrax.Event(lambda t, y, args, **kwargs: model.loss_at(y) < low),
        max_steps=100_000,
        throw=False,
    )
    assert solution.ys is not None
    near = solution.ys[-1]
    left = float(model.loss_at(near))
    if not left <= 1e-6 * float(first):
        raise NotOnManifoldError(
            f"gradient flow did not reach zero loss: it went from {float(first):.3g} to "
            f"{left:.3g}; start nearer, or give more parameters than residuals"
        )
    end = nearest(model, near, tolerance=tolerance)
    return end._replace(distance=float(np.linalg.norm(end.point - np.asarray(start))))


@in_double_precision
def tangent(
    model: SquaredError, point: ArrayLike, directions: ArrayLike, *, method: Method | None = None
) -> Array:
    """The part of a direction along Γ, at a point on it.

    Args:
        model: The model.
        point: On Γ, (D,).
        directions: One (D,) or several (N, D).
        method: ``dense`` from the Jacobian's singular vectors, ``matrix-free`` by conjugate
            gradients on ``J J^T``. By default dense where the Jacobian fits
            (:mod:`flatfast.theory.size`), else matrix-free, of which a warning tells.

    Returns:
        In the shape of ``directions``.

    Raises:
        ValueError: If ``J J^T`` is singular and conjugate gradients do not converge, or a direction
            or the point is not finite.
    """
    at, given = model.checked(point), jnp.asarray(directions, jnp.float64)
    if given.ndim not in (1, 2) or given.shape[-1] != model.size:
        raise ValueError(f"directions must have shape (..., {model.size}), got {given.shape}")
    if not bool(jnp.isfinite(given).all()):
        raise ValueError("directions must be finite, got NaN or infinity among them")
    if chosen_method(model, method) == "dense":
        across = _across(model, at)
        return np.asarray(given - (given @ across.T) @ across)
    parts, errors = jax.lax.map(lambda d: _matrix_free(model, at, d), jnp.atleast_2d(given))
    if not errors.max() < 1e-6:
        raise ValueError(
            f"conjugate gradients on J J^T stopped at a relative error of {errors.max():.2g}: "
            "residuals are nearly dependent here; use method='dense'"
        )
    return np.asarray(parts.reshape(given.shape))


@in_double_precision
def normal_projector(model: SquaredError, point: ArrayLike) -> Array:
    """The dense projector (D, D) onto the normal space of Γ.

    Raises:
        TooLargeError: If the matrix is too large.
    """
    check_square(model, "the projector")
    across = _across(model, model.checked(point))
    return np.asarray(across.T @ across)


@in_double_precision
def check_on_manifold(
    model: SquaredError, point: ArrayLike, within: float = 1e-3, floor: float | None = None
) -> None:
    """Check that Γ is near.

    Where the Jacobian does not fit the step is found by conjugate gradients, of which a warning
    tells.

    Args:
        model: The model.
        point: Where, (D,).
        within: Largest distance, as the length of a Gauss-Newton step over that of the point.
        floor: Take the step without the Jacobian, and eigenvalues below this share of the largest
            count for less and less: distance along nearly flat directions is none.

    Raises:
        NotOnManifoldError: If it is farther; says how far.
        ValueError: If the point or the residuals there are not finite.
    """
    at = model.checked(point)
    if floor is None:
        step = _gauss_newton(model, at, chosen_method(model, None))
    else:
        step = along(model, at, jnp.zeros_like(at), floor, 1e-4)
    away = float(jnp.linalg.norm(step) / jnp.maximum(jnp.linalg.norm(at), TINY))
    if not away <= within:
        raise NotOnManifoldError(
            f"the point is off the zero-loss manifold by {away:.2g} of its norm (loss "
            f"{float(model.loss_at(at)):.3g}), at most {within:g} serves: pass the end of flow_end "
            "or nearest"
        )


def _jacobian(model: SquaredError, point: jax.Array) -> jax.Array:
    differentiate = jax.jacrev if model.residual_count <= model.size else jax.jacfwd
    found: jax.Array = differentiate(model.residuals_at)(point)
    return found


def _across(model: SquaredError, at: jax.Array) -> jax.Array:
    """An orthonormal basis (M, D) of the normal space; rows of lost rank are zero."""
    _, values, vectors = jnp.linalg.svd(_jacobian(model, at), full_matrices=False)
    kept: jax.Array = jnp.where(values > RANK_TOLERANCE * values[0], 1.0, 0.0)[:, None] * vectors
    return kept


def _gauss_newton(model: SquaredError, at: jax.Array, method: Method) -> jax.Array:
    """The step of least norm from Γ, as far as the residuals are linear, to here."""
    residuals = model.residuals_at(at)
    if method == "dense":
        return jnp.linalg.lstsq(_jacobian(model, at), residuals, rcond=RANK_TOLERANCE)[0]
    _, backward, gram = _products(model, at)
    weights, _ = cg(gram, residuals, tol=STEP_SOLVED_TO, maxiter=MOST_ITERATIONS)
    return backward(weights)


def _matrix_free(
    model: SquaredError, at: jax.Array, direction: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The part along Γ, and the relative error of the equations solved for it."""
    forward, backward, gram = _products(model, at)
    image = forward(direction)
    weights, _ = cg(gram, image, tol=1e-12, maxiter=10 * image.size)
    error = jnp.linalg.norm(gram(weights) - image) / jnp.maximum(jnp.linalg.norm(image), TINY)
    return direction - backward(weights), error


def _products(model: SquaredError, at: jax.Array) -> tuple[Product, Product, Product]:
    """Products with J, with ``J^T``, and with ``J J^T``."""
    _, forward = jax.linearize(model.residuals_at, at)
    transposed = jax.linear_transpose(forward, at)

    def backward(residual: jax.Array) -> jax.Array:
        product: jax.Array = transposed(residual)[0]
        return product

    return forward, backward, lambda residual: forward(backward(residual))


def chosen_method(model: SquaredError, method: Method | None) -> Method:
    """The method asked for, else the one that fits; a warning tells of the matrix-free one."""
    if method is not None or fits_dense(model):
        return method or "dense"
    warnings.warn(
        f"{jacobian_size(model)}: it is not made, and products with it take its place "
        "(matrix-free)",
        stacklevel=2,
    )
    return "matrix-free"


def _arrived(
    model: SquaredError, start: jax.Array, end: jax.Array, tolerance: float, after: str
) -> Projection:
    left = float(model.loss_at(end))
    if not left <= tolerance:
        raise NotOnManifoldError(
            f"the loss is {left:.3g} after {after}, not below {tolerance:g}; start nearer to the "
            "manifold, or use flow_end"
        )
    return Projection(np.asarray(end), left, float(jnp.linalg.norm(end - start)))
