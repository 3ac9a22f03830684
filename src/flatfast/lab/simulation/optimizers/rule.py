"""What an optimizer is to the simulator: a memory at the start, and a step."""

from dataclasses import fields
from typing import Any, ClassVar, Protocol, TypeAlias

import jax

from flatfast.lab.problem import Params

Memory: TypeAlias = Any
"""A pytree of arrays: what an optimizer keeps of one run from step to step."""


class Rule(Protocol):
    """An update rule of one run; the simulator batches it.

    A frozen dataclass, whose fields are the settings that all runs share: they go into the compiled
    program. Learning rate and momentum are each run's own.
    """

    name: ClassVar[str]
    """As the command line and the store have it."""

    def __hash__(self) -> int:
        """Of the settings: rules that are equal share a compiled program."""
        ...

    def begin(self, params: Params) -> Memory:
        """The memory before the first step.

        Args:
            params: Of one run.

        Raises:
            ValueError: If the rule cannot move parameters of such shapes.
        """
        ...

    def step(
        self,
        params: Params,
        gradient: Params,
        memory: Memory,
        lr: jax.Array,
        momentum: jax.Array,
        count: jax.Array,
    ) -> tuple[Params, Memory]:
        """One step.

        Args:
            params: Where the gradient was taken.
            gradient: Of the structure of ``params``.
            memory: After the step before.
            lr: Learning rate.
            momentum: In [0, 1): of heavy ball, or beta 1.
            count: Number of this step, from 1.

        Returns:
            Parameters and memory after the step.
        """
        ...


NESTEROV = "nesterov"
"""A setting that is given apart from the others, and stored apart from them."""


def identity_of(rule: Rule) -> dict[str, Any]:
    """A rule as the store writes it: its name, and its settings without Nesterov's."""
    given = (field.name for field in fields(rule))  # type: ignore[arg-type]
    settings = {name: getattr(rule, name) for name in given if name != NESTEROV}
    return {"name": rule.name, **settings}


def check_share(name: str, value: float) -> None:
    """Check that a setting lies in [0, 1).

    Raises:
        ValueError: If it does not.
    """
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")


def check_not_negative(name: str, value: float) -> None:
    """Check that a setting is at least 0 and finite.

    Raises:
        ValueError: If it is not.
    """
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be at least 0 and finite, got {value}")
