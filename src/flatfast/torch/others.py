"""What a coupling does where another hand writes the momentum too: raise, yield or override.

Training programs warm momentum up by writing it at every iteration, schedulers cycle it. ``raise``
says so and ends. ``override`` lets the law write last. ``yield`` leaves the momentum to the other
until that has kept still, and takes over then; if the other comes back, it yields again and waits
twice as long, so that a hand that writes now and then is not fought over every few steps.
"""

import math
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, get_args

from flatfast.law import memory
from flatfast.torch.followed import Followed
from flatfast.torch.groups import momentum_of, written_momentum
from flatfast.torch.warned import warn
from flatfast.torch.writers import conflict, dampening_conflict

Others: TypeAlias = Literal["raise", "yield", "override"]
"""What becomes of a momentum that another has written."""

LEAST_STILL = 10
"""Steps without another's write after which the law takes over, at least.

A warm-up or a cycle writes another value at every step, so a few would do; with accumulated
gradients or a write every other step, ten are still no pause.
"""

MOST_STILL = 1000
"""The same at most, before it is doubled for a hand that comes back."""

STILL, TURNS = "coupled_still", "coupled_turns"
"""Keys of a group in which a checkpoint keeps for how long the other has kept still, -1 where the
law writes, and how often it has begun: whole numbers, which all utilities take."""


def checked_others(others: Any) -> Others:
    """The word.

    Raises:
        ValueError: If it is none of the three.
    """
    if others not in get_args(Others):
        raise ValueError(f"others must be 'raise', 'yield' or 'override', got {others!r}")
    found: Others = others
    return found


def steps_of_stillness(momentum: float, turns: int) -> int:
    """After how many steps without another's write the law takes over.

    As many as the other's momentum remembers, ``1 / (1 - momentum)``: then the velocity is what
    that momentum makes it, and a schedule that moves no faster could not be told from a constant.

    Args:
        momentum: What the other has left.
        turns: How often the other has begun, 1 for the first time.
    """
    remembered = memory(momentum) if 0 <= momentum < 1 else math.inf
    still = math.ceil(min(max(remembered, LEAST_STILL), MOST_STILL))
    return int(still * 2 ** (turns - 1))


class OtherWriters:
    """Decides at each step whose momentum stands.

    Attributes:
        others: What is done about another's.
    """

    def __init__(self, others: Others, layers: list[Any]) -> None:
        """No other has been seen.

        Args:
            others: ``raise``, ``yield`` or ``override``.
            layers: The optimizer and what it wraps, to name a scheduler by.

        Raises:
            ValueError: If ``others`` is none of these.
        """
        self.others = checked_others(others)
        self._layers = layers
        self._told = False

    def keep(self, index: int, each: Followed) -> bool:
        """Whether the momentum that another has written stays, for the step to come.

        Args:
            index: The group's place.
            each: The group.

        Raises:
            MomentumConflictError: If another has written it and that is an error, or has written
                the dampening, which always is.
        """
        if each.dampened_by_another():
            raise dampening_conflict(index, each)
        if each.written_by_another():
            return self._found(index, each)
        if each.still is None:
            return False
        if each.still < steps_of_stillness(momentum_of(each.group), each.turns):
            return True
        each.still = None
        return False

    def count(self, followed: Iterable[Followed]) -> None:
        """A step was made."""
        if self.others == "yield":
            for each in followed:
                if each.still is not None:
                    each.still += 1

    def save(self, followed: Iterable[Followed]) -> None:
        """Put into the groups, before a checkpoint, what a resumed training has to know."""
        if self.others == "yield":
            for each in followed:
                each.group[STILL] = -1 if each.still is None else each.still
                each.group[TURNS] = each.turns

    def load(self, followed: Iterable[Followed]) -> None:
        """Take it from the groups again; a checkpoint without it knows of no other hand."""
        if self.others == "yield":
            for each in followed:
                still = each.group.get(STILL, -1)
                each.still = still if still >= 0 else None
                each.turns = each.group.get(TURNS, 0)

    def forget(self, followed: Iterable[Followed]) -> None:
        """Leave nothing in the groups."""
        for each in followed:
            for key in (STILL, TURNS):
                each.group.pop(key, None)

    def _found(self, index: int, each: Followed) -> bool:
        momentum = momentum_of(each.group)
        if self.others == "raise":
            raise conflict(self._layers, index, momentum)
        each.original = written_momentum(each.group)  # what the group would have by itself
        if self.others == "override":
            self._tell(
                f"the momentum of parameter group {index} was set to {momentum:g} since the last "
                "step, not by the coupling, which writes over it at every step, as "
                "others='override' asks for"
            )
            return False
        if each.still is None:
            each.turns += 1
        each.still = 0
        if each.turns > 1:
            steps = steps_of_stillness(momentum, each.turns)
            self._tell(
                f"the momentum of parameter group {index} is written by another again (to "
                f"{momentum:g}), after the law had taken over: it is left to it until that keeps "
                f"still for {steps} steps. If it writes to the end of the training, choose: "
                "others='override', or no coupling"
            )
        return True

    def _tell(self, text: str) -> None:
        if not self._told:
            self._told = True
            warn(text)
