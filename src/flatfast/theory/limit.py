"""The limit dynamics at the law's exponent: a heavy ball that rolls on the sharpness of Γ.

With ``1 - momentum = C lr^(2/3)`` and time ``t = k lr^(2/3)`` over k steps, every term of SGD's
motion is of the same order as ``lr -> 0``, and the iterate's place w on Γ, its velocity v and the
variances ``lr^(1/3) c_i`` of the modes across Γ follow

    dw/dt = v
    Dv/dt = -C v - 1/2 sum_i c_i ∇_Γ λ_i
    dc_i/dt = -C c_i + eps^2 / (2P) - 1/2 c_i d(ln λ_i)/dt

D is the covariant derivative along Γ, λ_i are the Hessian's eigenvalues that are not zero. The last
term keeps the mode's action ``c_i sqrt(λ_i)`` while its frequency changes slowly.

That is the limit for many modes, whose variances average out (:func:`limit_path`). For few, c_i is
random even as ``lr -> 0``: the squared modulus of a complex amplitude,

    da_i = -(C/2 + 1/4 d(ln λ_i)/dt) a_i dt + eps / (2 sqrt(P)) (dW_i + i dW'_i)

with two Brownian motions, whose mean square obeys the equation above (:func:`limit_ensemble`).

For exponents below 2/3 the inertia drops out, and in the time ``(lr / (1 - momentum))^2 k`` what is
left is the flow ``dw/ds = -eps^2 / (4P) ∇_Γ tr H`` (:func:`flow_on_manifold`).
"""

from collections.abc import Callable
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jax.typing import ArrayLike

from flatfast.theory.manifold import check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision

FLOOR = 1e-4
"""Eigenvalues below this share of the largest count for less and less.

Where Γ has a singular point, as where a factor loses rank, modes across it fade into directions
along it, and the frame turns without bound; a floor keeps the path integrable past such points.
"""

MAX_STEPS = 20_000
"""Steps of the solver on a path."""


class Path(NamedTuple):
    """A path on Γ.

    Attributes:
        times: (N,), in units of ``lr^(-2/3)`` steps for the limit, of ``(lr / (1 - momentum))^-2``
            steps for the flow.
        points: (N, D).
        velocities: (N, D).
        variances: (N, M), of the modes by increasing eigenvalue, in units of ``lr^(1/3)``; none for
            the flow.
    """

    times: Array
    points: Array
    velocities: Array
    variances: Array


@in_double_precision
def limit_path(
    model: SquaredError,
    start: ArrayLike,
    *,
    C: float,
    noise_std: float,
    times: ArrayLike,
    tolerance: float = 1e-6,
) -> Path:
    """The limit's mean path from rest, and from no noise, at a point of Γ.

    Args:
        model: The model; with batches of B examples its P must be B.
        start: On Γ, (D,).
        C: The law's prefactor.
        noise_std: Standard deviation of the label noise.
        times: When to read the path, increasing, (N,).
        tolerance: Relative error of a step of the solver.

    Raises:
        NotOnManifoldError: If the start is off Γ.
        ValueError: If ``C`` is not positive.
        RuntimeError: If the path cannot be followed to its end.
    """
    _check_positive(C)
    at = jnp.asarray(start)
    check_on_manifold(model, at)
    source = noise_std**2 / (2 * model.examples)
    modes = model.residual_count

    def derivative(t: object, state: jax.Array, args: object) -> jax.Array:
        w, v, c = jnp.split(state, [model.size, 2 * model.size])
        motion, growth = _motion(model, w, v, c, C)
        return jnp.concatenate([motion, -C * c + source - c * growth / 2])

    rest = jnp.zeros(model.size + modes)
    states = _solve(derivative, jnp.concatenate([at, rest]), jnp.asarray(times), tolerance)
    w, v, c = np.split(states, [model.size, 2 * model.size], axis=1)
    return Path(np.asarray(times, np.float64), w, v, c)


@in_double_precision
def limit_ensemble(
    model: SquaredError,
    start: ArrayLike,
    *,
    C: float,
    noise_std: float,
    times: ArrayLike,
    runs: int,
    key: jax.Array,
    step: float = 0.02,
) -> Array:
    """Paths of the limit with random amplitudes, from rest and from no noise.

    Args:
        model: The model; with batches of B examples its P must be B.
        start: On Γ, (D,).
        C: The law's prefactor.
        noise_std: Standard deviation of the label noise.
        times: When to read the paths, increasing, (N,).
        runs: How many paths, R.
        key: Draws the Brownian motions.
        step: Step of the solver, in units of ``min(1, 1 / C)``.

    Returns:
        Points (R, N, D).

    Raises:
        NotOnManifoldError: If the start is off Γ.
        ValueError: If ``C`` is not positive or ``runs`` below 1.
    """
    _check_positive(C)
    if runs < 1:
        raise ValueError(f"runs must be at least 1, got {runs}")
    at, read = jnp.asarray(start), jnp.asarray(times)
    check_on_manifold(model, at)
    modes, size = model.residual_count, model.size
    strength = noise_std / (2 * model.examples**0.5)
    where = jnp.concatenate([jnp.zeros(2 * size), jnp.full(2 * modes, strength)])
    dt = step * min(1.0, 1 / C)

    def derivative(t: object, state: jax.Array, args: object) -> jax.Array:
        w, v, a = jnp.split(state, [size, 2 * size])
        real, imaginary = jnp.split(a, 2)
        motion, growth = _motion(model, w, v, real**2 + imaginary**2, C)
        return jnp.concatenate([motion, -(C / 2 + jnp.tile(growth, 2) / 4) * a])

    def one(key: jax.Array) -> jax.Array:
        noise = diffrax.VirtualBrownianTree(0.0, read[-1], dt / 2, (where.size,), key)
        along = diffrax.ControlTerm(
            lambda t, state, args: lineax.DiagonalLinearOperator(where), noise
        )
        solution = diffrax.diffeqsolve(
            diffrax.MultiTerm(diffrax.ODETerm(derivative), along),
            diffrax.Heun(),
            t0=0.0,
            t1=read[-1],
            dt0=dt,
            y0=jnp.concatenate([at, jnp.zeros(size + 2 * modes)]),
            saveat=diffrax.SaveAt(ts=read),
            max_steps=None,
            adjoint=diffrax.DirectAdjoint(),
        )
        assert solution.ys is not None
        points: jax.Array = solution.ys[:, :size]
        return points

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(key, runs)))


@in_double_precision
def flow_on_manifold(
    model: SquaredError,
    start: ArrayLike,
    *,
    noise_std: float,
    times: ArrayLike,
    tolerance: float = 1e-6,
) -> Path:
    """The flow ``dw/ds = -eps^2 / (4P) ∇_Γ tr H`` from a point of Γ.

    Args:
        model: The model; with batches of B examples its P must be B.
        start: On Γ, (D,).
        noise_std: Standard deviation of the label noise.
        times: When to read the path, increasing, (N,).
        tolerance: Relative error of a step of the solver.

    Raises:
        NotOnManifoldError: If the start is off Γ.
        RuntimeError: If the path cannot be followed to its end.
    """
    at = jnp.asarray(start)
    check_on_manifold(model, at)
    strength = noise_std**2 / (4 * model.examples)

    def derivative(t: object, w: jax.Array, args: object) -> jax.Array:
        frame = _Frame(model, w)
        down = frame.weighted_gradient(jnp.ones(model.residual_count))
        return frame.tangent(-strength * down) + frame.back()

    points = _solve(derivative, at, jnp.asarray(times), tolerance)
    velocities = np.stack([np.asarray(derivative(0.0, jnp.asarray(w), None)) for w in points])
    return Path(np.asarray(times, np.float64), points, velocities, np.zeros((len(points), 0)))


def _motion(
    model: SquaredError, w: jax.Array, v: jax.Array, c: jax.Array, C: float
) -> tuple[jax.Array, jax.Array]:
    """``(dw/dt, dv/dt)`` in one vector (2D,), and ``d(ln λ_i)/dt`` (M,)."""
    frame = _Frame(model, w)
    pull = frame.weighted_gradient(c)
    velocity = frame.tangent(v) + frame.back()
    acceleration = frame.tangent(-C * v - pull / 2) + frame.turning(v)
    growth = frame.eigenvalue_rates(v) * frame.inverse_eigenvalues
    return jnp.concatenate([velocity, acceleration]), growth


def _check_positive(C: float) -> None:
    if not C > 0:
        raise ValueError(f"C must be positive, got {C}")


class _Frame:
    """Γ around a point: its modes, and what is along it and across."""

    def __init__(self, model: SquaredError, w: jax.Array) -> None:
        self._model, self._w = model, w
        self._J = jax.jacrev(model.residuals_at)(w)
        # Eigenvectors in the space of residuals: few, and never those of eigenvalue zero.
        values, self._modes = jnp.linalg.eigh(self._J @ self._J.T)
        self._inverse = values / (values**2 + (FLOOR * values[-1]) ** 2)
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


def _solve(
    derivative: Callable[[object, jax.Array, object], jax.Array],
    start: jax.Array,
    times: jax.Array,
    tolerance: float,
) -> Array:
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(derivative),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=1e-3 * tolerance),
        max_steps=MAX_STEPS,
        throw=False,
    )
    states = np.asarray(solution.ys)
    there = np.isfinite(states).all(axis=1)
    if not there.all():
        reached = np.asarray(times)[there].max(initial=0.0)
        raise RuntimeError(
            f"the path could be followed to t = {reached:g} of {float(times[-1]):g} in {MAX_STEPS} "
            "steps of the solver, which are small near singular points of the manifold: end "
            "earlier, or raise tolerance"
        )
    return states
