"""One parameter group of a coupled optimizer: its law, and what was written in it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer

from flatfast.law import MomentumLaw, effective_step, memory, out_of_range
from flatfast.torch.groups import (
    LEAST,
    Group,
    check_dampening,
    is_dampened,
    key_of,
    momentum_of,
    write,
    written_momentum,
)
from flatfast.torch.laws import Law, in_group, momentum_by, refuse_where_none


@dataclass(frozen=True)
class CoupledGroup:
    """What a parameter group used at its last step; before the first, what it would use now.

    Attributes:
        lr: Learning rate.
        momentum: Momentum.
        memory: How long a gradient is remembered, ``1 / (1 - momentum)`` steps.
        effective_step: ``lr / (1 - momentum)``; ``lr`` where momentum weighs an average of
            gradients and not their sum, as in Adam and Muon, and with dampening.
    """

    lr: float
    momentum: float
    memory: float
    effective_step: float

    @classmethod
    def of(cls, lr: float, momentum: float, *, average: bool = False) -> "CoupledGroup":
        """The reading of a learning rate and a momentum, of a sum or an average of gradients."""
        step = lr if average else effective_step(lr, momentum)
        return cls(lr, momentum, memory(momentum), step)


@dataclass
class Followed:
    """A parameter group whose momentum follows its learning rate.

    Attributes:
        group: The optimizer's own dictionary.
        law: Its law; None for a group that came later, where each has its own.
        original: The number that stood for the momentum before the coupling, or that another hand
            has written since.
        expected: The momentum that the group holds if nobody else has written it.
        loaded: Another that it may hold, from a checkpoint that was loaded by a wrapper.
        lr: The learning rate that was last seen, the group's own object: one look tells whether it
            has changed.
        value: What was last written, likewise.
        used: Learning rate and momentum of the last step; None before the first.
        still: Steps for which another hand, to which the momentum is left, has not written it; None
            where the law writes it.
        turns: How often another hand has begun to write.
        averages: Whether a dampening that equals the momentum makes an average of the velocity;
            None where the group has no dampening.
        dampening: The dampening that was left in the group, its own object.
    """

    group: Group
    law: Law | None
    original: float
    expected: float
    loaded: float | None = None
    lr: Any = None
    value: Any = None
    used: tuple[float, float] | None = None
    still: int | None = None
    turns: int = 0
    averages: bool | None = None
    dampening: Any = None

    def __post_init__(self) -> None:
        self._take_dampening()

    def _take_dampening(self) -> None:
        self.averages, self.dampening = is_dampened(self.group), self.group.get("dampening")

    def _put(self, number: float) -> None:
        self.value = write(self.group, number, self.averages)
        self.dampening = self.group.get("dampening")

    @property
    def applied(self) -> Law | None:
        """The law in the convention of the group's momentum, by which it is written."""
        return in_group(self.law, self.averages)

    def momentum(self, index: int, lr: float, left: int | None) -> float:
        """The momentum for a step.

        Args:
            index: The group's place, for messages.
            lr: Learning rate.
            left: How many steps remain, beyond which nothing is remembered; None or below 1 where
                that is not known.

        Raises:
            TypeError: If the law gives no number.
            ValueError: If there is no law, or it leaves [0, 1).
        """
        law = self.applied
        if law is None:
            raise ValueError(
                f"parameter group {index} was added after the coupling and has no "
                f"law; give it one: coupling.set_law({index}, law)"
            )
        momentum = momentum_by(law, lr)
        return momentum if left is None or left < 1 else min(momentum, 1 - 1 / left)

    def at_floor(self) -> str | None:
        """That the law's floor holds at the last learning rate, in a sentence, where it does.

        Not the ceiling: every warm-up from 0 and every decay to 0 meets it.
        """
        law = self.applied
        if self.used is None or not isinstance(law, MomentumLaw):
            return None
        lr, momentum = self.used
        if momentum > law.min_momentum or law.min_momentum == law.max_momentum:
            return None
        return out_of_range(law, lr) if lr > law.range()[1] else None

    def written_by_another(self) -> bool:
        """Whether the group holds another momentum than was left there."""
        return momentum_of(self.group) not in (self.expected, self.loaded)

    def dampened_by_another(self) -> bool:
        """Whether the group holds a dampening that makes something else of its velocity.

        One that is written with the momentum, to equal it, does not, nor does one that a wrapper
        has loaded.
        """
        now = self.group.get("dampening")
        if self.averages is None or now == self.dampening:
            return False
        if self.loaded is not None:
            self._take_dampening()
            return False
        return not (self.averages and now == written_momentum(self.group))

    def write(self, lr: float, momentum: float) -> None:
        """Put a momentum in the group, for a step at this learning rate."""
        self.lr, self.loaded = self.group["lr"], None
        self._put(momentum if momentum > 0 else LEAST)
        self.expected = momentum_of(self.group)  # betas may be tensors, of less precision
        self.used = lr, momentum

    def leave(self, lr: float) -> None:
        """What another has written stays, for a step at this learning rate."""
        self.lr = self.value = self.loaded = None  # to be looked at before the next step
        self.expected = momentum_of(self.group)
        self.used = lr, self.expected

    def before(self) -> tuple[float, tuple[float, float] | None]:
        """What a write replaces, for :meth:`take_back`."""
        return written_momentum(self.group), self.used

    def take_back(self, written: float, used: tuple[float, float] | None) -> None:
        """The last write was for no step: go back to the number that was there before it."""
        self._put(written)
        self.expected, self.used = momentum_of(self.group), used
        self.lr = self.value = None

    def adopt(self, group: Group) -> None:
        """A checkpoint was loaded: what it holds is expected."""
        self.group, self.expected = group, momentum_of(group)
        self._take_dampening()
        self.lr = self.value = self.used = self.loaded = None

    def await_loaded(self, momentum: float) -> None:
        """A wrapper has loaded a checkpoint, which may or may not come through to the group."""
        self.loaded = momentum
        self.lr = self.used = None

    def give_back(self) -> None:
        """The momentum of before the coupling; one that is left to another stays."""
        if self.still is None:
            self._put(self.original)

    def settings(self) -> dict[str, Any]:
        """What a copy's group needs, for :meth:`restore`."""
        names = "law", "original", "expected", "loaded", "used", "still", "turns"
        return {name: getattr(self, name) for name in names}

    def restore(self, settings: dict[str, Any]) -> None:
        """Go on where the group stands of which this one is a copy."""
        for name, value in settings.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        law = "no law" if self.law is None else repr(self.applied)
        if self.averages:
            law += " (momentum averages gradients, as dampening equals it)"
        if self.used is None:
            return f"{law}, no step yet"
        by = law if self.still is None else f"another, still for {self.still} steps; then {law}"
        return f"lr {self.used[0]:g}, momentum {self.used[1]:.6g} by {by}"


def follow_group(optimizer: Optimizer, index: int, group: Group, law: Law | None) -> Followed:
    """Begin to follow a group.

    Args:
        optimizer: Its optimizer.
        index: Its place.
        group: The group.
        law: Its law, if it has one yet.

    Raises:
        ValueError: If its momentum cannot follow, or not this law.
    """
    keys = ", ".join(key for key in group if key != "params")
    name = type(optimizer).__name__
    if key_of(group) is None:
        raise ValueError(
            f"{name} has neither momentum nor betas in parameter group {index}; its keys are {keys}"
        )
    if "lr" not in group:
        raise ValueError(f"{name} has no lr in parameter group {index}; its keys are {keys}")
    check_dampening(index, group)
    refuse_where_none(optimizer, group, law)
    return Followed(group, law, written_momentum(group), momentum_of(group))


def known(groups: Iterable[Group], followed: Iterable[Followed]) -> list[Followed | None]:
    """Of each group the one that follows it, or followed one with its parameters that it replaces.

    Loading a checkpoint makes the groups anew.
    """
    before: dict[int, Followed] = {}
    for each in followed:
        before |= dict.fromkeys(_identities(each.group), each)
    found = []
    for group in groups:
        each_or_none = next((before[key] for key in _identities(group) if key in before), None)
        if each_or_none is not None:
            each_or_none.group = group
        found.append(each_or_none)
    return found


def _identities(group: Group) -> list[int]:
    return [id(group), id(group["params"]), *(id(p) for p in group["params"][:1])]
