"""SGD with heavy-ball momentum, in PyTorch's convention, or with Nesterov's."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from flatfast.lab.problem import Params
from flatfast.lab.simulation.optimizers.rule import Memory


@dataclass(frozen=True)
class SGD:
    """``p <- momentum * p + g``, ``w <- w - lr * p``.

    Attributes:
        nesterov: ``w <- w - lr * (g + momentum * p)`` in place of the second.
    """

    nesterov: bool = False

    name: ClassVar[str] = "sgd"

    def begin(self, params: Params) -> Memory:
        """A velocity of zero."""
        return jax.tree.map(jnp.zeros_like, params)

    def step(
        self,
        params: Params,
        gradient: Params,
        memory: Memory,
        lr: jax.Array,
        momentum: jax.Array,
        count: jax.Array,
    ) -> tuple[Params, Memory]:
        """See :class:`flatfast.lab.simulation.optimizers.rule.Rule`."""
        velocity = jax.tree.map(lambda p, g: momentum * p + g, memory, gradient)
        moved = velocity
        if self.nesterov:
            moved = jax.tree.map(lambda p, g: g + momentum * p, velocity, gradient)
        return jax.tree.map(lambda w, p: w - lr * p, params, moved), velocity
