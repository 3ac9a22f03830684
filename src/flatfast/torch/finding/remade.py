"""Optimizers for short runs: made anew for each, with the options and groups of the user's own."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from flatfast.torch.finding.grid import Pair
from flatfast.torch.groups import (
    Group,
    check_dampening,
    is_average,
    is_dampened,
    key_of,
    momentum_of,
    set_momentum,
)
from flatfast.torch.wrappers import unwrapped


class Remade:
    """Makes optimizers like a given one; plain SGD where none is given.

    Attributes:
        averages: Whether momentum weighs an average of gradients.
        first: Effective step from which to start: the given optimizer's; None without one.
        under_way: Whether the given optimizer has made steps.
        assumed: In words, what short runs take for granted of it.
    """

    def __init__(self, optimizer: Any, params: list[Tensor]) -> None:
        """Read its groups; it is not touched.

        Args:
            optimizer: The user's, perhaps wrapped; None for SGD without weight decay.
            params: What is trained where there is none.

        Raises:
            TypeError: If it is no optimizer, or cannot be made anew of its groups.
            ValueError: If it has no momentum or one out of [0, 1), a dampening between 0 and it,
                ascends, or its learning rate is not above 0 and finite.
        """
        self.first: float | None = None
        self.under_way = False
        if optimizer is None:
            self._kind: Any = torch.optim.SGD
            self._groups: list[Group] = [{"params": params, "momentum": 0.0}]
            self._shares, self.averages = [1.0], False
            self.assumed = "SGD without weight decay or Nesterov; optimizer= takes yours"
            return
        inner = unwrapped(optimizer)
        for index, group in enumerate(inner.param_groups):
            _check(type(inner).__name__, index, group)
        own = inner.param_groups[0]
        rates = [max(float(g["lr"]), float(g.get("initial_lr", 0.0))) for g in inner.param_groups]
        if not 0 < rates[0] < math.inf:
            raise ValueError(
                f"optimizer's learning rate must be above 0 and finite, got {float(own['lr']):g}"
            )
        dampened = {bool(is_dampened(group)) for group in inner.param_groups}
        if len(dampened) > 1:
            raise ValueError(
                "all parameter groups must have dampening, or none: one learning rate is sought"
            )
        self._shares = [rate / rates[0] for rate in rates]
        self.averages = is_average(inner, own) or dampened == {True}
        self.under_way = bool(inner.state)
        # Subclasses may ask for more; their steps are SGD's with another momentum.
        self._kind = torch.optim.SGD if isinstance(inner, torch.optim.SGD) else type(inner)
        self._groups = [_copied(group) for group in inner.param_groups]
        complement = 1 - momentum_of(own)
        self.first = rates[0] if self.averages else rates[0] / complement
        self.assumed = f"the options of your {type(inner).__name__}, its state begun anew"
        if len(set(self._shares)) > 1:
            self.assumed += (
                "; the learning rate is that of the first parameter group, and those of the others "
                "stay in proportion to it"
            )
        try:
            self.make(Pair(rates[0], 0.5, rates[0]))
        except TypeError as error:
            raise TypeError(
                f"{type(inner).__name__} cannot be made anew of its parameter groups ({error}): "
                "leave optimizer= out, for SGD"
            ) from None

    def make(self, pair: Pair) -> torch.optim.Optimizer:
        """An optimizer without state, at a pair."""
        groups = [_copied(group) for group in self._groups]
        for group, share in zip(groups, self._shares, strict=True):
            group["lr"] = pair.lr * share
            set_momentum(group, pair.momentum, is_dampened(group))
        made: torch.optim.Optimizer = self._kind(groups)
        return made

    def params(self) -> Iterator[Tensor]:
        """All that it trains; what is frozen is not among them, and no run moves it."""
        for group in self._groups:
            yield from group["params"]


def _check(optimizer: str, index: int, group: Group) -> None:
    if key_of(group) is None:
        raise ValueError(f"{optimizer} has no momentum to be found")
    if group.get("maximize"):
        raise ValueError("optimizer must descend, got one with maximize=True")
    if not 0 <= (momentum := momentum_of(group)) < 1:
        raise ValueError(
            f"optimizer's momentum must be in [0, 1), got {momentum:g} in parameter group {index}"
        )
    check_dampening(index, group)


def _copied(group: Group) -> Group:
    """A group with the same parameters and options of its own: tensors in it are written to.

    Frozen parameters are left out: one with a gradient from before it was frozen would be moved.
    """
    found = {key: _apart(value) for key, value in group.items() if key != "params"}
    return {"params": [p for p in group["params"] if p.requires_grad], **found}


def _apart(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, list | tuple):
        return type(value)(map(_apart, value))
    return value
