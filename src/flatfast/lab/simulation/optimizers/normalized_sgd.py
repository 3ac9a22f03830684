"""SGD whose momentum is an average of gradients, not their sum."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from flatfast.lab.problem import Params
from flatfast.lab.simulation.optimizers.rule import Memory


@dataclass(frozen=True)
class NormalizedSGD:
    """``m <- momentum * m + (1 - momentum) * g``, ``w <- w - lr * m``.

    Heavy ball at the learning rate ``lr * (1 - momentum)``, to rounding. ``torch.optim.SGD`` with
    ``dampening == momentum`` differs in its first step alone, whose gradient it takes whole.
    """

    name: ClassVar[str] = "normalized-sgd"

    def begin(self, params: Params) -> Memory:
        """An average of zero."""
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
        new = 1 - momentum
        average = jax.tree.map(lambda m, g: momentum * m + new * g, memory, gradient)
        return jax.tree.map(lambda w, m: w - lr * m, params, average), average
