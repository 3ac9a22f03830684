"""SGD with label noise, many runs for several prefactors at once, read at the limit's times.

The runs of all C advance together and share their noise: a step costs what its batch costs, and
every C has as many steps. One compiled program serves all learning rates of a model.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.law import GAMMA
from flatfast.theory import SquaredError
from studies.limit.ensemble import Array

Read = Callable[[jax.Array], jax.Array]


def steps_at(times: ArrayLike, lr: float) -> NDArray[np.int64]:
    """Steps at the limit's times, whole: off by half a step at most."""
    return np.asarray(np.rint(np.asarray(times) / lr**GAMMA), np.int64)


def readings_of_sgd(
    model: SquaredError,
    start: ArrayLike,
    read: Read,
    *,
    noise_std: float,
    C: ArrayLike,
    lr: float,
    times: ArrayLike,
    runs: int,
    key: jax.Array,
) -> Array:
    """Readings of SGD in double precision, with ``1 - momentum = C lr^(2/3)``, from rest.

    Args:
        model: The model, whose every step takes all examples with fresh label noise.
        start: (D,).
        read: What is read of a point (D,), (K,); for use in traced functions.
        noise_std: Standard deviation of the label noise.
        C: Prefactors, (N,).
        lr: Learning rate.
        times: When to read, increasing from 0, (T,), in units of ``lr^(-2/3)`` steps.
        runs: Runs for each C, R.
        key: Draws the noise.

    Returns:
        (N, R, T - 1, K), at all times but the first.

    Raises:
        ValueError: If a momentum would be outside [0, 1).
    """
    mu = np.asarray(C, np.float64) * lr**GAMMA
    for value in mu[~((mu > 0) & (mu <= 1))]:
        raise ValueError(f"1 - momentum must be in (0, 1], got {value:g} at lr {lr:g}")
    at = steps_at(times, lr)
    with jax.enable_x64(True):
        w = jnp.broadcast_to(jnp.asarray(start, jnp.float64), (len(mu), runs, model.size))
        state = (w, jnp.zeros_like(w))
        found = []
        for first, last in pairwise(at):
            state, values = _advance(model, read, noise_std, state, lr, mu, first, last, key)
            found.append(np.asarray(values))
    return np.stack(found, axis=2)


State = tuple[jax.Array, jax.Array]


@partial(jax.jit, static_argnums=(0, 1, 2))
def _advance(
    model: SquaredError,
    read: Read,
    noise_std: float,
    state: State,
    lr: jax.Array,
    mu: jax.Array,
    first: jax.Array,
    last: jax.Array,
    key: jax.Array,
) -> tuple[State, jax.Array]:
    """Steps from ``first`` to ``last``, then a reading (N, R, K)."""
    shape = (state[0].shape[1], model.residual_count)
    memory = (1 - mu)[:, None, None]

    def gradient(w: jax.Array, noise: jax.Array) -> jax.Array:
        residuals, back = jax.vjp(model.residuals_at, w)
        found: jax.Array = back((residuals - noise) / model.examples)[0]
        return found

    def step(number: jax.Array, state: State) -> State:
        w, p = state
        noise = noise_std * jax.random.normal(jax.random.fold_in(key, number), shape)
        slope = jax.vmap(jax.vmap(gradient), in_axes=(0, None))(w, noise)
        p = memory * p + slope
        return w - lr * p, p

    state = jax.lax.fori_loop(first, last, step, state)
    return state, jax.vmap(jax.vmap(read))(state[0])
