"""Momentum and learning rate of a parameter group, wherever the optimizer keeps them.

SGD and RMSprop have ``momentum``; the Adam family has it as ``betas[0]``, an average of gradients
rather than a sum. SGD's is an average too where its dampening equals its momentum.
"""

import sys
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

Group = dict[str, Any]

LEAST = sys.float_info.min
"""What is written in place of a momentum of 0.

Optimizers take 0 to mean "no momentum": SGD then neither makes nor updates its buffer, so that a
later momentum would pick up a stale one; RMSprop never makes it and fails later. This number is the
smallest that is not 0. In an update it gives what 0 would give.
"""


def key_of(group: Group) -> str | None:
    """``momentum`` or ``betas``, whichever the group has; None if neither."""
    return next((key for key in ("momentum", "betas") if key in group), None)


def written_momentum(group: Group) -> float:
    """The number that stands for the momentum in the group.

    Raises:
        KeyError: If there is none.
    """
    return float(group["momentum"] if "momentum" in group else group["betas"][0])


def momentum_of(group: Group) -> float:
    """The group's momentum; :data:`LEAST` is read as 0.

    Raises:
        KeyError: If it has none.
    """
    momentum = written_momentum(group)
    return momentum if momentum > LEAST else 0.0


def is_average(optimizer: Optimizer, group: Group) -> bool:
    """Whether the group's momentum weighs an average of gradients, not a sum of them.

    Of Muon, and of what joins it with Adam, that is all groups.
    """
    return ("betas" in group and "momentum" not in group) or is_muon(optimizer)


def is_muon(optimizer: Optimizer) -> bool:
    """Whether it is Muon, known by its name, which those that join it with Adam bear too."""
    return "muon" in type(optimizer).__name__.lower()


def is_dampened(group: Group) -> bool | None:
    """Whether dampening makes an average of the group's velocity; None where it has no dampening.

    Dampening then equals the momentum, and is written with it.
    """
    return bool(group["dampening"]) if "momentum" in group and "dampening" in group else None


def check_dampening(index: int, group: Group) -> None:
    """Check that the momentum of a group sums gradients or averages them.

    Raises:
        ValueError: If its dampening makes it something in between.
    """
    momentum = written_momentum(group)
    if (dampening := group.get("dampening", 0)) not in (0, momentum):
        raise ValueError(
            f"dampening must be 0, where momentum sums gradients, or the momentum itself, where it "
            f"averages them; parameter group {index} has {dampening} with momentum "
            f"{momentum:g}, and no law for what is in between"
        )


def set_momentum(group: Group, momentum: float, dampened: bool | None) -> Any:
    """Write the group's momentum; 0 becomes :data:`LEAST`.

    Args:
        group: The group.
        momentum: Its momentum to be.
        dampened: Whether its velocity is an average by a dampening that equals the momentum.

    Returns:
        What the group now holds: the momentum, or its betas.
    """
    return write(group, momentum if momentum > 0 else LEAST, dampened)


def write(group: Group, number: float, dampened: bool | None) -> Any:
    """Put a number in the momentum's place, as it is, and in its dampening's; see above.

    Returns:
        What the group now holds: the momentum, or its betas.
    """
    if "momentum" in group:
        group["momentum"] = number
        if dampened:  # the velocity stays an average
            group["dampening"] = number
        return number
    betas = group["betas"]
    if isinstance(betas[0], Tensor):  # where both are, one program serves all their values
        betas[0].fill_(number)
        return betas
    group["betas"] = betas = type(betas)((number, *betas[1:]))
    return betas


def part_betas(groups: list[Group]) -> None:
    """Where several groups share the tensor of their first beta, give each but the first its own.

    The one that an optimizer is given as its default is that of all its groups, and each is to hold
    what follows from its own learning rate.
    """
    taken: set[int] = set()
    for group in groups:
        betas = () if "momentum" in group else group.get("betas", ())
        if not betas or not isinstance(betas[0], Tensor):
            continue
        if id(betas[0]) in taken:
            group["betas"] = betas = type(betas)((betas[0].clone(), *betas[1:]))
        taken.add(id(betas[0]))


def coarsest_type(group: Group) -> torch.dtype | None:
    """Of the types of the group's parameters, in which velocities are kept; None without any."""
    types = {p.dtype for p in group["params"] if p.is_floating_point() or p.is_complex()}
    return max(types, key=lambda dtype: torch.finfo(dtype).eps, default=None)


def scheduled_lr(optimizer: Optimizer) -> float:
    """Learning rate of the first group, or its schedule's base rate if that is larger."""
    group = optimizer.param_groups[0]
    return max(float(group["lr"]), float(group.get("initial_lr", 0.0)))


def give_buffers(optimizer: Optimizer) -> None:
    """Give RMSprop the velocities that it lacks, where its state was made without momentum.

    It makes them together with the rest of its state or not at all.
    """
    if not isinstance(optimizer, torch.optim.RMSprop):
        return
    for parameter, state in optimizer.state.items():
        if state and state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(parameter)
