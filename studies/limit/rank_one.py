"""A slow coordinate with any number of modes: ``u v^T`` fitted to a rank-one matrix.

For ``u`` and ``v`` of length m, loss ``|u v^T - T|^2 / 2`` and ``|T| = 1``, the minimizers are one
curve, ``|u| = e^q, |v| = e^-q``: the hyperbola of ``u v = 1``, which is m = 1. Across it there are
2m - 1 modes: ``u`` and ``v`` scaled together, λ = |u|^2 + |v|^2; m - 1 turns of ``v``, λ = |u|^2;
m - 1 turns of ``u``, λ = |v|^2. All of them push q. With noise of ``eps / sqrt(m)`` on every entry
their mean force is that of m = 1, so that only the number of modes changes.
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from flatfast.theory import SquaredError

Array = NDArray[np.float64]


def rank_one(m: int, eps: float) -> tuple[SquaredError, float]:
    """The model, and the standard deviation of its label noise.

    The model's loss is a mean over the m^2 entries, so residuals and noise are m times as large.
    """

    def residuals(params: dict[str, jax.Array]) -> jax.Array:
        return m * (jnp.outer(params["u"], params["v"]) - 1 / m).ravel()

    return SquaredError(residuals, {"u": np.ones(m), "v": np.ones(m)}), eps * m**0.5


def start_of(m: int) -> Array:
    """The point with q = 1, (2m,)."""
    return np.asarray(np.repeat([np.e, 1 / np.e], m) / m**0.5, np.float64)


def sharpness(q: ArrayLike) -> Array:
    """λ of the three kinds of mode, and their derivatives, (2, 3, ...)."""
    u, v = np.exp(2 * np.asarray(q)), np.exp(-2 * np.asarray(q))
    return np.array([[u + v, u, v], [2 * (u - v), 2 * u, -2 * v]])


def mean_field(m: int, *, C: float, eps: float, times: ArrayLike) -> Array:
    """``|u|^2 - |v|^2`` of the limit with every mode's mean variance, (T,)."""
    count = np.array([1, m - 1, m - 1])
    source = eps**2 / (2 * m)

    def derivative(t: float, state: Array) -> Array:
        q, speed, c = state[0], state[1], state[2:]
        value, slope = sharpness(q)
        force = -(slope[0] * speed**2 + count * c @ slope) / (2 * value[0]) - C * speed
        return np.array([speed, force, *(-C * c + source - c * slope / value * speed / 2)])

    read = np.asarray(times)
    start = np.array([1.0, 0, 0, 0, 0])
    path = solve_ivp(derivative, (0, read[-1]), start, t_eval=read, rtol=1e-9, atol=1e-12)
    return np.asarray(2 * np.sinh(2 * path.y[0]))


def random_amplitudes(
    m: int,
    *,
    C: float,
    eps: float,
    times: ArrayLike,
    runs: int,
    key: jax.Array,
    step: float = 0.01,
) -> Array:
    """``|u|^2 - |v|^2`` of the limit with random amplitudes, (runs, T).

    Args:
        m: Length of ``u`` and ``v``.
        C: The law's prefactor.
        eps: Label noise, as for m = 1.
        times: Regular, from 0, (T,).
        runs: How many paths.
        key: Draws the Brownian motions.
        step: Of the solver (Heun), in units of ``min(1, 1 / C)``.

    Raises:
        ValueError: If ``times`` are not regular from 0.
    """
    read = np.asarray(times, np.float64)
    if read[0] != 0 or not np.allclose(np.diff(read), read[1]):
        raise ValueError(f"times must be regular from 0, got {read[:3]} ...")
    each = int(np.ceil(read[1] / (step * min(1.0, 1 / C))))
    dt = read[1] / each
    kinds = np.repeat([0, 1, 2], [1, m - 1, m - 1])
    strength = eps / (2 * m**0.5) * dt**0.5
    with jax.enable_x64(True):
        state = (jnp.ones(runs), jnp.zeros(runs), jnp.zeros((runs, len(kinds), 2)))
        found = [np.full(runs, 2 * np.sinh(2.0))]
        for first in range(0, each * (len(read) - 1), each):
            state, values = _advance(state, kinds, C, dt, strength, first, first + each, key)
            found.append(np.asarray(values))
    return np.stack(found, axis=1)


State = tuple[jax.Array, jax.Array, jax.Array]


@jax.jit
def _advance(
    state: State,
    kinds: jax.Array,
    C: jax.Array,
    dt: jax.Array,
    strength: jax.Array,
    first: jax.Array,
    last: jax.Array,
    key: jax.Array,
) -> tuple[State, jax.Array]:
    """The solver's steps from ``first`` to ``last``, then ``|u|^2 - |v|^2``."""

    def derivative(state: State) -> State:
        q, speed, a = state  # (R,), (R,), (R, modes, 2)
        u, v = jnp.exp(2 * q), jnp.exp(-2 * q)
        value = jnp.stack([u + v, u, v], axis=-1)[:, kinds]
        slope = 2 * jnp.stack([u - v, u, -v], axis=-1)[:, kinds]
        push = slope[:, 0] * speed**2 + jnp.sum(slope * jnp.sum(a**2, axis=-1), axis=-1)
        decay = C / 2 + slope / value * speed[:, None] / 4
        return speed, -C * speed - push / (2 * (u + v)), -decay[..., None] * a

    def moved(state: State, rate: State, by: jax.Array) -> State:
        found: State = jax.tree.map(lambda x, r: x + by * r, state, rate)
        return found

    def advance(number: jax.Array, state: State) -> State:
        noise = strength * jax.random.normal(jax.random.fold_in(key, number), state[2].shape)
        here = derivative(state)
        q, speed, a = moved(state, here, dt)
        ahead = derivative((q, speed, a + noise))
        q, speed, a = moved(moved(state, here, dt / 2), ahead, dt / 2)
        return q, speed, a + noise

    state = jax.lax.fori_loop(first, last, advance, state)
    return state, 2 * jnp.sinh(2 * state[0])
