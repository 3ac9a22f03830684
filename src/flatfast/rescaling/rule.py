"""What a rule is: what it asks for, and what it says that it keeps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from flatfast.rescaling.change import Change
from flatfast.rescaling.setting import Setting

Family = Literal["sgd", "adaptive", "any"]
"""What a rule was derived for: steps as long as the gradient, steps of their own length, or all."""


@dataclass(frozen=True)
class Asked:
    """What a rule asks for, whether an optimizer can do it or not.

    Attributes:
        lr: Learning rate, in the setting's own convention.
        complement: 1 minus the decay of gradients; None where that stays as it is.
        squares: Power to which the decays of squared gradients are raised.
        eps: Factor of eps.
    """

    lr: float
    complement: float | None = None
    squares: float = 1.0
    eps: float = 1.0


@dataclass(frozen=True)
class Rule:
    """A way to carry a setting to another batch or learning rate.

    Attributes:
        name: Its name.
        keeps: What is the same before and after, in words.
        exact_where: The situation in which that is all that counts.
        source: Who found it.
        family: What it was derived for.
        takes_lr: Whether it serves any learning rate that is asked for; others set it themselves.
        sets_momentum: Whether it changes the decay of gradients to do so.
        ask: What it asks for.
        kept: The numbers that it promises to keep, by name, of a setting at a batch.
        short_memory: Whether it fails where a memory in samples is shorter than the new batch.
    """

    name: str
    keeps: str
    exact_where: str
    source: str
    family: Family
    takes_lr: bool
    sets_momentum: bool
    ask: Callable[[Setting, Change], Asked]
    kept: Callable[[Setting, float], Mapping[str, float]]
    short_memory: bool = False
