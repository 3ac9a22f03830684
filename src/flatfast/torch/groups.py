"""Momentum and learning rate of a parameter group, wherever the optimizer keeps them.

SGD and RMSprop have ``momentum``; the Adam family has it as ``betas[0]``, an average of gradients
rather than a sum.
"""

import sys
from typing import Any

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


def momentum_of(group: Group) -> float:
    """The group's momentum; :data:`LEAST` is read as 0.

    Raises:
        KeyError: If it has none.
    """
    momentum = float(group["momentum"] if "momentum" in group else group["betas"][0])
    return momentum if momentum > LEAST else 0.0


def set_momentum(group: Group, momentum: float) -> Any:
    """Write the group's momentum; 0 becomes :data:`LEAST`.

    Returns:
        What the group now holds: the momentum, or its betas.
    """
    kept = momentum if momentum > 0 else LEAST
    if "momentum" in group:
        group["momentum"] = kept
        return kept
    group["betas"] = betas = type(group["betas"])((kept, *group["betas"][1:]))
    return betas


def scheduled_lr(optimizer: Optimizer) -> float:
    """Learning rate of the first group, or its schedule's base rate if that is larger."""
    group = optimizer.param_groups[0]
    return max(float(group["lr"]), float(group.get("initial_lr", 0.0)))


def unwrapped(optimizer: Any) -> Optimizer:
    """The optimizer inside the wrappers of training frameworks.

    Raises:
        TypeError: If there is none inside.
    """
    while not hasattr(optimizer, "_optimizer_step_pre_hooks") and hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}"
        )
    return optimizer
