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
"""

import functools
from typing import NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np
from jax.typing import ArrayLike

from flatfast.theory.checks import check_noise, check_positive, checked_times
from flatfast.theory.frame import FLOOR, Frame
from flatfast.theory.manifold import check_on_manifold
from flatfast.theory.model import Array, SquaredError, in_double_precision
from flatfast.theory.size import check_dense
from flatfast.theory.solver import check_followed, integrate, reached


class Path(NamedTuple):
    """A path on Γ.

    Attributes:
        times: (N,), in units of ``lr^(-2/3)`` steps.
        points: (N, D).
        velocities: (N, D).
        variances: (N, M), of the modes by increasing eigenvalue, in units of ``lr^(1/3)``.
        evaluations: Frames of the manifold that were made on the way.
    """

    times: Array
    points: Array
    velocities: Array
    variances: Array
    evaluations: int


@in_double_precision
def limit_path(
    model: SquaredError,
    start: ArrayLike,
    *,
    C: float,
    noise_std: float,
    times: ArrayLike,
    tolerance: float = 1e-6,
    floor: float = FLOOR,
    max_steps: int | None = None,
) -> Path:
    """The limit's mean path from rest, and from no noise, at a point of Γ.

    Args:
        model: The model; with batches of B examples its P must be B.
        start: On Γ, (D,).
        C: The law's prefactor.
        noise_std: Standard deviation of the label noise.
        times: When to read the path, increasing, (N,).
        tolerance: Relative error of a step of the solver.
        floor: Eigenvalues below this share of the largest count for less and less.
        max_steps: Steps of the solver at most; by default 20,000.

    Raises:
        NotOnManifoldError: If the start is off Γ.
        ValueError: If ``C`` is not positive, or an argument not finite.
        TooLargeError: If the model is too large for its Jacobian.
        PathEndedError: If the path cannot be followed to its end.
    """
    at, read = _checked(model, start, C, noise_std, times, "the limit's path")
    source = noise_std**2 / (2 * model.examples)
    states, evaluations = _mean_path(model, at, read, C, source, tolerance, floor, max_steps)
    there = reached(states)
    w, v, c = np.split(np.asarray(states)[:there], [model.size, 2 * model.size], axis=1)
    path = Path(np.asarray(read)[:there], w, v, c, int(evaluations))
    check_followed(path, np.asarray(read), max_steps)
    return path


@functools.partial(jax.jit, static_argnums=(0, 7))
def _mean_path(
    model: SquaredError,
    start: jax.Array,
    times: jax.Array,
    C: jax.Array,
    source: jax.Array,
    tolerance: jax.Array,
    floor: jax.Array,
    max_steps: int | None,
) -> tuple[jax.Array, jax.Array]:
    """States (N, 2D + M). Compiled once for a model, so that many C cost little more than one."""

    def derivative(t: object, state: jax.Array, args: object) -> jax.Array:
        w, v, c = jnp.split(state, [model.size, 2 * model.size])
        motion, growth = _motion(model, w, v, c, C, floor)
        return jnp.concatenate([motion, -C * c + source - c * growth / 2])

    rest = jnp.zeros(model.size + model.residual_count)
    return integrate(derivative, jnp.concatenate([start, rest]), times, tolerance, max_steps)


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
        ValueError: If ``C`` is not positive, ``runs`` below 1, or an argument not finite.
        TooLargeError: If the model is too large for its Jacobian.
    """
    if runs < 1:
        raise ValueError(f"runs must be at least 1, got {runs}")
    at, read = _checked(model, start, C, noise_std, times, "the limit's ensemble")
    strength = noise_std / (2 * model.examples**0.5)
    keys = jax.random.split(key, runs)
    return np.asarray(_random_paths(model, at, read, C, strength, step * min(1.0, 1 / C), keys))


@functools.partial(jax.jit, static_argnums=0)
def _random_paths(
    model: SquaredError,
    start: jax.Array,
    times: jax.Array,
    C: jax.Array,
    strength: jax.Array,
    dt: jax.Array,
    keys: jax.Array,
) -> jax.Array:
    """Points (R, N, D)."""
    modes, size = model.residual_count, model.size
    where = jnp.concatenate([jnp.zeros(2 * size), jnp.full(2 * modes, strength)])

    def derivative(t: object, state: jax.Array, args: object) -> jax.Array:
        w, v, a = jnp.split(state, [size, 2 * size])
        real, imaginary = jnp.split(a, 2)
        motion, growth = _motion(model, w, v, real**2 + imaginary**2, C, FLOOR)
        return jnp.concatenate([motion, -(C / 2 + jnp.tile(growth, 2) / 4) * a])

    def one(key: jax.Array) -> jax.Array:
        # Steps are fixed and no gradient is asked for: each increment can be drawn as it comes.
        noise = diffrax.UnsafeBrownianPath((where.size,), key)
        along = diffrax.ControlTerm(
            lambda t, state, args: lineax.DiagonalLinearOperator(where), noise
        )
        solution = diffrax.diffeqsolve(
            diffrax.MultiTerm(diffrax.ODETerm(derivative), along),
            diffrax.Heun(),
            t0=0.0,
            t1=times[-1],
            dt0=dt,
            y0=jnp.concatenate([start, jnp.zeros(size + 2 * modes)]),
            saveat=diffrax.SaveAt(ts=times),
            max_steps=None,
            adjoint=diffrax.DirectAdjoint(),
        )
        assert solution.ys is not None
        points: jax.Array = solution.ys[:, :size]
        return points

    return jax.vmap(one)(keys)


def _motion(
    model: SquaredError, w: jax.Array, v: jax.Array, c: jax.Array, C: jax.Array, floor: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """``(dw/dt, dv/dt)`` in one vector (2D,), and ``d(ln λ_i)/dt`` (M,)."""
    frame = Frame(model, w, floor)
    pull = frame.weighted_gradient(c)
    velocity = frame.tangent(v) + frame.back()
    acceleration = frame.tangent(-C * v - pull / 2) + frame.turning(v)
    growth = frame.eigenvalue_rates(v) * frame.inverse_eigenvalues
    return jnp.concatenate([velocity, acceleration]), growth


def _checked(
    model: SquaredError,
    start: ArrayLike,
    C: float,
    noise_std: float,
    times: ArrayLike,
    what: str,
) -> tuple[jax.Array, jax.Array]:
    """Start and times of a path, after checks of all that a user gives for it."""
    check_positive("C", C)
    check_noise(noise_std)
    read = checked_times(times)
    check_dense(model, what)
    check_on_manifold(model, start)
    return jnp.asarray(start, jnp.float64), read
