"""Adam with label noise: where it drifts along Γ, how fast, and what v has to do with it.

A step of Adam is ``m <- beta1 m + (1 - beta1) g``, ``v <- beta2 v + (1 - beta2) g^2``,
``w <- w - lr m / (sqrt(v) + eps)``, after the first steps and their corrections. Near Γ the
gradient is noise of covariance ``s^2 H``, with ``s^2 = noise_std^2 / P``, and what the swing across
Γ adds, of covariance S. So v settles at

    v = s^2 diag(H) + diag(H S H),    D = 1 / (sqrt(v) + eps),    S = lr s^2 / 2 * D across Γ.

With D held, ``D^(-1/2) w`` does SGD where the Hessian is ``A = D^(1/2) H D^(1/2)``: it drifts down
its trace. To the first order in lr and without eps, s cancels:

    dw/dk = - lr^2 / 2 * Π D ∇ tr Diag(H)^(1/2),    D = diag(H)^(-1/2),

in steps k, where Π is the projection along Γ that is orthogonal in the metric ``D^-1``. (The
potential is that of arXiv 2511.02773.)

But D is not held: v follows the swing, as far as it forgets faster than that swings, and m does not
average it away. This is a second drift of the same order, with
``K = D^(1/2) A χ(lr A) D^(-1/2)`` and χ between 0 and 1 of :func:`flatfast.theory.betas.following`:

    + lr^2 s^4 / 4 * Π D_i^2 v_i^(-1/2) sum_j (∂_j H_ii) K_ji.

With one residual it takes the whole first drift back where χ is 1; with many it is small.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from flatfast.theory.betas import check_beta, rate_limit, share_followed
from flatfast.theory.checks import check_positive
from flatfast.theory.manifold import check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.size import check_square

ITERATIONS = 12
"""Of the equation for v, whose steps shrink by four or more each."""

MOST_SHARE = 0.5
"""Of the largest stable rate: above, the swing is not that of the first order at all."""

FLOOR = 1e-3
"""Modes whose ``D^(1/2) H D^(1/2)`` is below this share of the largest count as along Γ, by and by:
as in :mod:`flatfast.theory.frame`."""


class AdamSettings(NamedTuple):
    """The settings of Adam.

    Attributes:
        lr: Learning rate.
        beta1: Decay of gradients, in [0, 1).
        beta2: Decay of their squares, in [0, 1).
        eps: Added to the root of v, at least 0.
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 0.0


class AdamDrift(NamedTuple):
    """Adam near a point of Γ.

    Attributes:
        drift: (D,), a step.
        held: (D,), the part of it that there is with v held; the rest is that of a v that follows
            the swing.
        preconditioner: ``1 / (sqrt(v) + eps)``, (D,); 0 for weights that no residual depends on.
        rates: (M,) of the swing, ``lr`` times the eigenvalues of ``D^(1/2) H D^(1/2)``: all is to
            the first order in them.
    """

    drift: Array
    held: Array
    preconditioner: Array
    rates: Array


@in_double_precision
def adam_drift(
    model: SquaredError, point: ArrayLike, noise_std: float, settings: AdamSettings
) -> AdamDrift:
    """Adam's drift along Γ under label noise, all examples in a step; dense.

    Args:
        model: The model; with batches of B examples its P must be B.
        point: On Γ, (D,).
        noise_std: Standard deviation of the label noise, positive: without it v does not settle.
        settings: Adam's.

    Raises:
        NotOnManifoldError: If the point is off Γ.
        ValueError: If a setting is out of its range, or lr so large for so little noise that the
            swing is bounded by v alone.
        TooLargeError: If a matrix of the weights' number squared is too large.
    """
    check_square(model, "what v follows")
    check_positive("noise_std", noise_std)
    check_positive("lr", settings.lr)
    check_beta("beta1", settings.beta1)
    check_beta("beta2", settings.beta2)
    if not 0 <= settings.eps < np.inf:
        raise ValueError(f"eps must be finite and at least 0, got {settings.eps}")
    check_on_manifold(model, point)
    s = noise_std / model.examples**0.5
    found = AdamDrift(*map(np.asarray, _near(model, model.checked(point), s, settings)))
    share = float(found.rates.max()) / rate_limit(settings.beta1)
    if not share < MOST_SHARE:
        raise ValueError(
            f"lr {settings.lr:g} is too large for noise_std {noise_std:g}: the swing is at "
            f"{share:.2g} of the largest that is stable, where at most {MOST_SHARE:g} serves"
        )
    return found


@in_double_precision
def root_trace(model: SquaredError, point: ArrayLike) -> float:
    """``tr Diag(H)^(1/2)`` at a point (D,) on Γ: what Adam descends as SGD does ``tr H``."""
    check_square(model, "the Jacobian")
    J = jax.jacrev(model.residuals_at)(model.checked(point))
    return float(jnp.sum(jnp.sqrt(jnp.sum(J**2, axis=0) / model.examples)))


@functools.partial(jax.jit, static_argnums=0)
def _near(
    model: SquaredError, w: jax.Array, s: float | jax.Array, settings: AdamSettings
) -> tuple[jax.Array, ...]:
    lr, beta1, beta2, eps = settings
    P = model.examples
    J = jax.jacrev(model.residuals_at)(w) / P**0.5
    felt = jnp.sum(J**2, axis=0) > 0

    def preconditioner(v: jax.Array) -> jax.Array:
        return jnp.where(felt, 1 / (jnp.sqrt(jnp.where(felt, v, 1.0)) + eps), 0.0)

    def modes(D: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Of ``D^(1/2) H D^(1/2)``, from the residuals, and the swing over that at small lr."""
        values, U = jnp.linalg.eigh((J * D) @ J.T)
        values = jnp.maximum(values, 0.0)
        # Above the limit there is no stationary swing; the bound keeps the numbers finite.
        share = jnp.minimum(lr * values / rate_limit(beta1), MOST_SHARE)
        return values, U, 1 / (1 - share)

    def settle(_: object, v: jax.Array) -> jax.Array:
        values, U, swing = modes(preconditioner(v))
        turned = jnp.sum((U.T @ J) ** 2 * (values * swing)[:, None], axis=0)
        wanted = s**2 * (jnp.sum(J**2, axis=0) + lr / 2 * turned)
        # Between v^0, where noise makes it, and v^(-1/2), where the swing does.
        between: jax.Array = wanted**0.75 * v**0.25
        return between

    v = jax.lax.fori_loop(0, ITERATIONS, settle, s**2 * jnp.sum(J**2, axis=0) + (~felt))
    D = preconditioner(v)
    values, U, swing = modes(D)
    # D + D^(1/2) Q (swing - 1) Q^T D^(1/2): across Γ the swing's shape, along it of no effect.
    beyond = lr / rate_limit(beta1) * swing
    root = (D[:, None] * (J.T @ U)) * jnp.sqrt(beyond)

    def sharpness(at: jax.Array) -> jax.Array:
        there = jax.jacrev(model.residuals_at)(at) / P**0.5
        return jnp.sum(there**2 * D) + jnp.sum((there @ root) ** 2)

    held = -(lr**2) * s**2 / 4 * D * jax.grad(sharpness)(w)
    weight = swing * share_followed(lr * values, beta1, beta2)
    K = (D[:, None] * J.T) @ ((U * weight) @ U.T) @ J
    unit = jnp.eye(model.size)

    def turning(i: jax.Array) -> jax.Array:
        """``sum_j (∂_j H_ii) K_ji``."""

        def column(at: jax.Array) -> jax.Array:
            found: jax.Array = jax.jvp(model.residuals_at, (at,), (unit[i],))[1]
            return found

        own, along = jax.jvp(column, (w,), (K[:, i],))
        return 2 * jnp.vdot(own, along) / P

    followed = jax.lax.map(turning, jnp.arange(model.size))
    root_v = jnp.sqrt(jnp.where(felt, v, 1.0))
    extra = lr**2 * s**4 / 4 * D**2 / root_v * followed
    steady = held - _across(J, D, J @ held)
    drift = steady + extra - _across(J, D, J @ extra)
    return drift, steady, D, lr * values


def _across(J: jax.Array, D: jax.Array, image: jax.Array) -> jax.Array:
    """``D J^T (J D J^T)^+ image``, with a floor under the eigenvalues."""
    values, U = jnp.linalg.eigh((J * D) @ J.T)
    inverse = values / (values**2 + (FLOOR * values[-1]) ** 2)
    found: jax.Array = D * (J.T @ (U @ (inverse * (U.T @ image))))
    return found
