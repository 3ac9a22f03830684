"""Adam (Kingma and Ba, arXiv 1412.6980), with its bias corrections."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from flatfast.lab.problem import Params
from flatfast.lab.simulation.optimizers.rule import Memory, check_not_negative, check_share


@dataclass(frozen=True)
class Adam:
    """``m / (1 - beta1^t)`` over ``sqrt(v / (1 - beta2^t)) + eps``; a run's momentum is beta1.

    ``m <- beta1 * m + (1 - beta1) * g`` and ``v <- beta2 * v + (1 - beta2) * g^2``, as
    ``torch.optim.Adam`` and ``optax.adam`` have them.

    Attributes:
        beta2: Of the average of squared gradients, in [0, 1).
        eps: Added to the root, at least 0.

    Raises:
        ValueError: If a setting is out of range.
    """

    beta2: float = 0.999
    eps: float = 1e-8

    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        check_share("beta2", self.beta2)
        check_not_negative("eps", self.eps)

    def begin(self, params: Params) -> Memory:
        """Both averages zero."""
        return jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)

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
        first, second = averages(gradient, memory, momentum, self.beta2)
        rate, root = corrections(lr, momentum, self.beta2, count)
        moved = jax.tree.map(
            lambda w, m, v: w - rate * m / (root * jnp.sqrt(v) + self.eps), params, first, second
        )
        return moved, (first, second)


def averages(gradient: Params, memory: Memory, beta1: jax.Array, beta2: float) -> Any:
    """The averages of gradients and of their squares after a step."""
    first, second = memory
    new = 1 - beta1
    first = jax.tree.map(lambda m, g: beta1 * m + new * g, first, gradient)
    second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, gradient)
    return first, second


def corrections(
    lr: jax.Array, beta1: jax.Array, beta2: float, count: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """``lr / (1 - beta1^t)`` and ``1 / sqrt(1 - beta2^t)``: two numbers a run, none a weight."""
    t = count.astype(lr.dtype)
    return lr / (1 - beta1**t), 1 / jnp.sqrt(1 - beta2**t)
