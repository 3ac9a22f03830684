"""SGD on a problem of the lab, many runs at once, each with a momentum that may change."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.problem import Problem
from flatfast.lab.simulation.batch import read_metrics

Floats = NDArray[np.float64]


class Together:
    """N runs from the problem's start, at rest; their noise is that of a sweep's runs by the seed.

    Attributes:
        done: Steps made.
        lr: The learning rate.
    """

    def __init__(self, problem: Problem, lr: float, seeds: ArrayLike, dtype: str) -> None:
        """At the start.

        Args:
            problem: The experiment.
            lr: Learning rate.
            seeds: (N,) whole numbers that draw the noise.
            dtype: ``float32`` or ``float64``; the latter under ``jax.enable_x64``.
        """
        drawn = np.asarray(seeds, np.uint32)
        start = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), problem.start())
        self._params = jax.tree.map(lambda w: jnp.broadcast_to(w, (len(drawn), *w.shape)), start)
        self._velocity = jax.tree.map(jnp.zeros_like, self._params)
        self._keys = jax.vmap(jax.random.key)(jnp.asarray(drawn))
        self.done, self.lr = 0, lr
        name = problem.goal.metric

        def step(params: Any, velocity: Any, key: jax.Array, mu: jax.Array, k: jax.Array) -> Any:
            slope = problem.gradient(params, jax.random.fold_in(key, k))
            velocity = jax.tree.map(lambda p, g: (1 - mu) * p + g, velocity, slope)
            return jax.tree.map(lambda w, p: w - lr * p, params, velocity), velocity

        steps: Any = jax.vmap(step, in_axes=(0, 0, 0, 0, None))

        @jax.jit
        def go(params: Any, velocity: Any, keys: Any, mu: Any, first: Any, count: Any) -> Any:
            def one(k: jax.Array, state: Any) -> Any:
                at, velocity = state
                found: Any = steps(at, velocity, keys, mu, first + k)
                return found

            return jax.lax.fori_loop(jnp.uint32(0), count, one, (params, velocity))

        def read(params: Any) -> jax.Array:
            return jnp.asarray(read_metrics(problem, (name,), params)[name])

        self._go, self._read = go, jax.jit(jax.vmap(read))

    def to(self, step: int, mu: ArrayLike) -> None:
        """Go on until this many steps have been made, with ``1 - momentum`` of each run (N,)."""
        state = self._params, self._velocity, self._keys, jnp.asarray(mu, self._dtype)
        first, count = np.uint32(self.done), np.uint32(step - self.done)
        self._params, self._velocity = self._go(*state, first, count)
        self.done = step

    @property
    def _dtype(self) -> Any:
        return jax.tree.leaves(self._params)[0].dtype

    def goal(self) -> Floats:
        """(N,) the goal's metric, after cooling where the goal asks for it."""
        return np.asarray(self._read(self._params), np.float64)

    def params(self, run: int) -> Any:
        """The parameters of one run."""
        return jax.tree.map(lambda w: w[run], self._params)
