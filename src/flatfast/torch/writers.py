"""Who else writes an optimizer's momentum, and what it means there."""

import gc
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from flatfast.torch.followed import Followed
from flatfast.torch.groups import coarsest_type, is_muon, momentum_of, scheduled_lr
from flatfast.torch.laws import Law

VELOCITIES = (torch.optim.SGD, torch.optim.RMSprop)
"""Whose momentum is known to be the factor of a velocity, ``v <- momentum * v + g``."""


CHOICES = (
    "others='yield', for the law to wait until the other has kept still, or others='override', "
    "for it to write last"
)
"""What may be done about another hand, in words."""


class MomentumConflictError(RuntimeError):
    """Something else writes the momentum of a coupled optimizer."""


def refuse_other_writers(layers: list[Any], others: str = "raise") -> None:
    """Refuse optimizers whose momentum somebody else writes, or must not be written at all.

    Args:
        layers: The optimizer and what it wraps; the last makes the steps.
        others: A scheduler is refused where this is ``raise``.

    Raises:
        MomentumConflictError: If a scheduler cycles the momentum.
        ValueError: If the optimizer keeps two sets of weights, one to train and one to use.
            Momentum then says where between them the gradient is taken, and the way back is
            computed from it.
    """
    optimizer = layers[-1]
    if all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval")):
        raise ValueError(
            f"{type(optimizer).__name__} cannot be coupled: it goes between weights to train and "
            "weights to use by its momentum, which must then stay as it is"
        )
    if others == "raise" and (schedulers := _cycling_schedulers(layers)):
        raise MomentumConflictError(_twice(schedulers))


def conflict(layers: list[Any], index: int, momentum: float) -> MomentumConflictError:
    """That somebody else has written this momentum in this group; who, where it can be found."""
    if schedulers := _cycling_schedulers(layers):
        return MomentumConflictError(_twice(schedulers))
    return MomentumConflictError(
        f"the momentum of parameter group {index} was set to {momentum:g} since the last step, not "
        "by the coupling; let one of the two write it (coupling.remove() ends the coupling), or "
        f"couple with {CHOICES}"
    )


def dampening_conflict(index: int, each: Followed) -> MomentumConflictError:
    """That somebody else has made something else of a group's velocity."""
    kind = "an average of gradients" if each.averages else "a sum of gradients"
    return MomentumConflictError(
        f"the dampening of parameter group {index} was set to {each.group.get('dampening')} since "
        f"the last step, not by the coupling. Its velocity is {kind}, and does not "
        f"become another midway: put the dampening back to {each.dampening:g}, or make another "
        "optimizer with it, and couple that"
    )


def coupled_twice(optimizer: Optimizer) -> MomentumConflictError:
    """That an earlier coupling writes the momentum."""
    return MomentumConflictError(
        f"the momentum of this {type(optimizer).__name__} follows its learning rate already; "
        "coupling.remove() ends an earlier coupling"
    )


def _cycling_schedulers(layers: list[Any]) -> list[str]:
    """Schedulers that cycle the momentum of one of these optimizers, by name.

    The search goes through all objects of the process, so it is only made where a group shows that
    such a scheduler has been there.
    """
    optimizers = [layer for layer in layers if hasattr(layer, "param_groups")]
    if not any("base_momentum" in group for each in optimizers for group in each.param_groups):
        return []
    return [
        type(found).__name__
        for found in gc.get_objects()
        if issubclass(type(found), LRScheduler)  # isinstance would wake lazy modules
        and any(getattr(found, "optimizer", None) is each for each in optimizers)
        and getattr(found, "cycle_momentum", False)
    ]


def _twice(schedulers: list[str]) -> str:
    return (
        f"{' and '.join(schedulers)} writes the momentum of this optimizer too; pass "
        f"cycle_momentum=False to it, do not couple, or couple with {CHOICES}"
    )


def what_is_doubtful(optimizer: Optimizer, law: Law | None) -> str | None:
    """In which way an optimizer's momentum is not that of the theory, SGD's; None if it is.

    Args:
        optimizer: The optimizer.
        law: That of its first group, for an example.
    """
    name = type(optimizer).__name__
    averaging = [group for group in optimizer.param_groups if "momentum" not in group]
    if averaging:
        example = ""
        if law is not None and (lr := scheduled_lr(optimizer)) > 0:
            now = momentum_of(averaging[0])
            example = f" (at learning rate {lr:g} from {now:g} to {law(lr):.4g})"
        return (
            f"{name} has no momentum but beta1, the weight betas[0] of an average of gradients, "
            f"and the coupling changes it{example}. There is no law of it: for Adam, which was "
            "measured, there is no best beta1 at a learning rate but a plateau with an edge "
            "(docs/adam.md). Where the average is divided by 1 - beta1^step, as in Adam, steps "
            "grow against the learning rate for a while after it falls: with a larger beta1 a full "
            "average is taken for one that has yet to fill"
        )
    if is_muon(optimizer):
        return (
            f"{name}'s momentum is the weight of an average of gradients, of which it takes the "
            "direction alone. Nobody has measured what momentum serves it at a learning rate"
        )
    if not isinstance(optimizer, VELOCITIES):
        return (
            f"the momentum of {name} is taken for the factor of a velocity, v <- momentum v + g, "
            "as in torch.optim.SGD. If it is anything else there, do not couple"
        )
    return None


def rounding(written: Followed) -> str | None:
    """That velocities never decay in their type, if so.

    A number of that type times the momentum is rounded to the number itself where ``1 - momentum``
    is below half the type's precision.
    """
    lr, momentum = written.used or (0.0, 0.0)
    # The first two look at numbers alone: this is asked at every step that changes.
    if momentum < 0.99 or lr == 0 or (dtype := coarsest_type(written.group)) is None:
        return None
    half = torch.finfo(dtype).eps / 2
    if 1 - momentum >= half:
        return None
    return (
        f"the precision of {str(dtype).removeprefix('torch.')} is too low for momentum "
        f"{momentum:.6g} (at learning rate {lr:g}): a velocity times it is rounded to the "
        "velocity, and nothing is forgotten. Keep the weights in float32 (with autocast, if it is "
        f"for the speed), or give the law max_momentum={1 - half:.3g}"
    )
