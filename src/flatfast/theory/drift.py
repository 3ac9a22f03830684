"""The drift along the manifold of minimizers that gradient noise causes.

A step of size ``s = lr / (1 - momentum)`` with gradient noise of covariance Σ moves the slow
coordinate Φ(w), the end of gradient flow, by ``s^2 / 2 * ∂²Φ[Σ]`` in the mean. All functions give
this for s = 1: multiply by ``(lr / (1 - momentum))^2`` for a displacement per step.

For label noise ``Σ = (eps^2 / P) H`` it is ``-(eps^2 / 4P) ∇_Γ tr H`` (Blanc et al., COLT 2020;
Damian, Ma and Lee, NeurIPS 2021). For any Σ, Li, Wang and Arora (ICLR 2022, lemma on the second
derivative of the limit map) give

    ∂²Φ[Σ] = - H^+ ∂²(∇L)[Σ_TT] - P_T ∂²(∇L)[X(Σ_NN)] - 2 P_T ∂²(∇L)[H^+ Σ_NT],

with P_T the projector along Γ, T and N the tangent and normal parts, H^+ the pseudo-inverse, and X
the solution of the Lyapunov equation ``H X + X H = Σ_NN``: the shape of the stationary cloud of
iterates. The first term keeps the point on the curved Γ.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from flatfast.theory.checks import check_noise
from flatfast.theory.manifold import (
    RANK_TOLERANCE,
    Method,
    check_on_manifold,
    jacobian,
)
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.sharpness import trace_gradient
from flatfast.theory.size import check_square


@in_double_precision
def label_noise_drift(
    model: SquaredError, point: ArrayLike, noise_std: float, *, method: Method | None = None
) -> Array:
    """Drift (D,) under label noise of standard deviation ``noise_std`` on every output.

    Args:
        model: The model; with batches of B examples its P must be B.
        point: On Γ, (D,).
        noise_std: In units of the targets.
        method: As in :func:`flatfast.theory.manifold.tangent`.

    Raises:
        NotOnManifoldError: If the point is off Γ.
    """
    check_noise(noise_std)
    check_on_manifold(model, point)
    gradient = trace_gradient(model, point, method=method)
    return -(noise_std**2) / (4 * model.examples) * gradient


@in_double_precision
def drift(model: SquaredError, point: ArrayLike, covariance: ArrayLike) -> Array:
    """Drift (D,) under gradient noise of any covariance (D, D); dense.

    Raises:
        NotOnManifoldError: If the point is off Γ.
        ValueError: If the covariance has another shape, is not finite or not symmetric.
        TooLargeError: If a matrix of its shape is too large.
    """
    check_square(model, "the covariance")
    at, noise = jnp.asarray(point, jnp.float64), jnp.asarray(covariance, jnp.float64)
    _check_covariance(noise, model.size)
    check_on_manifold(model, at)
    J = jacobian(model, at)
    values, V = jnp.linalg.eigh(J.T @ J / model.examples)
    normal = values > RANK_TOLERANCE * values[-1]
    inverse = jnp.where(normal, 1 / jnp.where(normal, values, 1.0), 0.0)
    # In the Hessian's eigenvectors the Lyapunov equation and both projectors are diagonal.
    S = V.T @ noise @ V
    N, T = normal.astype(S.dtype), 1.0 - normal
    sums = jnp.where(jnp.outer(N, N) > 0, values[:, None] + values[None, :], 1.0)
    cloud = S * jnp.outer(N, N) / sums
    mixed = inverse[:, None] * S * jnp.outer(N, T)

    def curved(M: jax.Array) -> jax.Array:
        """``∂²(∇L)[M]``, all in the eigenvectors' coordinates."""
        found: jax.Array = V.T @ _third_derivative(model, at, V @ (M + M.T) @ V.T / 2)
        return found

    second = -inverse * curved(S * jnp.outer(T, T)) - T * curved(cloud) - 2 * T * curved(mixed)
    return np.asarray(V @ second / 2)


@in_double_precision
def label_noise_covariance(model: SquaredError, point: ArrayLike, noise_std: float) -> Array:
    """Covariance (D, D) of the gradient under label noise: ``(eps^2 / P) H``.

    Raises:
        TooLargeError: If the matrix is too large.
    """
    check_square(model, "the covariance")
    check_noise(noise_std)
    J = jacobian(model, point)
    return noise_std**2 / model.examples**2 * (J.T @ J)


@in_double_precision
def minibatch_covariance(
    model: SquaredError, point: ArrayLike, batch_size: int, noise_std: float = 0.0
) -> Array:
    """Covariance (D, D) of the gradient of a batch drawn with replacement, with label noise.

    On Γ the batch alone makes no noise: all residuals are zero.

    Raises:
        ValueError: If ``batch_size`` is below 1.
        TooLargeError: If the matrix is too large.
    """
    check_square(model, "the covariance")
    check_noise(noise_std)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    at = model.checked(point)
    outputs = model.shape[1] if len(model.shape) > 1 else 1
    J = jacobian(model, at).reshape(model.examples, outputs, model.size)
    residuals = model.residuals_at(at).reshape(model.examples, outputs)
    gradients = jnp.einsum("pk,pkd->pd", residuals, J)
    centred = gradients - gradients.mean(axis=0)
    of_examples = centred.T @ centred / model.examples
    of_labels = noise_std**2 * jnp.einsum("pkd,pke->de", J, J) / model.examples
    return np.asarray((of_examples + of_labels) / batch_size)


def _third_derivative(model: SquaredError, at: jax.Array, M: jax.Array) -> jax.Array:
    """``∂²(∇L)[M]``: the gradient of ``tr(∇²L M)`` with M (D, D) held fixed."""

    def contraction(w: jax.Array) -> jax.Array:
        return jnp.vdot(jax.hessian(model.loss_at)(w), M)

    gradient: jax.Array = jax.grad(contraction)(at)
    return gradient


def _check_covariance(noise: jax.Array, size: int) -> None:
    if noise.shape != (size, size):
        raise ValueError(f"covariance must have shape ({size}, {size}), got {noise.shape}")
    if not bool(jnp.isfinite(noise).all()):
        raise ValueError("covariance must be finite, got NaN or infinity among its entries")
    if not bool(jnp.allclose(noise, noise.T, rtol=1e-6, atol=1e-12 * float(jnp.abs(noise).max()))):
        raise ValueError("covariance must be symmetric")
