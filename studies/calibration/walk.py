"""SGD on a problem of the lab, one run, whose weights can be looked at on the way."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from flatfast.lab.descent import descend
from flatfast.lab.problem import Problem


class Walk:
    """One run from the problem's start, in single precision as the sweeps are.

    Attributes:
        params: Where it is.
        done: Steps made.
        trace: ``params -> tr H``.
    """

    def __init__(self, problem: Problem, lr: float, mu: float, seed: int = 0) -> None:
        """At the start, at rest.

        Args:
            problem: With a metric ``trace``.
            lr: Learning rate.
            mu: ``1 - momentum``.
            seed: Draws the noise.
        """
        self.params: Any = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), problem.start())
        self.done = 0
        self._velocity = jax.tree.map(jnp.zeros_like, self.params)
        self._key = jax.random.key(seed)

        @jax.jit
        def go(state: Any, key: jax.Array, first: jax.Array, count: jax.Array) -> Any:
            def step(k: jax.Array, state: Any) -> Any:
                params, velocity = state
                slope = problem.gradient(params, jax.random.fold_in(key, first + k))
                velocity = jax.tree.map(lambda p, g: (1 - mu) * p + g, velocity, slope)
                return jax.tree.map(lambda w, p: w - lr * p, params, velocity), velocity

            return jax.lax.fori_loop(0, count, step, state)

        self._go = go
        self._cooled = jax.jit(lambda params: descend(problem.loss, params, problem.cooling))
        self.trace: Callable[[Any], jax.Array] = jax.jit(problem.metrics["trace"])

    def to(self, step: int) -> None:
        """Go on until this many steps have been made."""
        state = self.params, self._velocity
        self.params, self._velocity = self._go(state, self._key, self.done, step - self.done)
        self.done = step

    def cooled(self) -> Any:
        """The weights after noise-free descent, on the manifold."""
        return self._cooled(self.params) if self.done else self.params
