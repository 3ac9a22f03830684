"""Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101)."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from flatfast.lab.problem import Params
from flatfast.lab.simulation.optimizers.adam import Adam
from flatfast.lab.simulation.optimizers.rule import Memory, check_not_negative


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam's step on weights that are first multiplied by ``1 - lr * weight_decay``.

    Attributes:
        beta2: As Adam's.
        eps: As Adam's.
        weight_decay: At least 0; the default is PyTorch's.

    Raises:
        ValueError: If a setting is out of range.
    """

    weight_decay: float = 0.01

    name: ClassVar[str] = "adamw"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative("weight_decay", self.weight_decay)

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
        kept = 1 - lr * self.weight_decay
        decayed = jax.tree.map(lambda w: kept * w, params)
        return super().step(decayed, gradient, memory, lr, momentum, count)
