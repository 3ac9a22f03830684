"""Schedules of a rescaled optimizer: what they multiply, and where they end.

A schedule writes the learning rate anew from numbers of its own. Those are rescaled, and the rest
follows: PyTorch's schedules are homogeneous, so every later learning rate is what it would have
been times the same factor. Where a schedule cycles the momentum as well, low learning rates go with
``max_momentum`` and the peak with ``base_momentum``, and each pair goes through the rule.
"""

import gc
import math
from collections.abc import Iterable
from typing import Any

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from flatfast.torch.groups import Group
from flatfast.torch.rescaling.cells import Cells
from flatfast.torch.rescaling.marks import (
    LRS_OF_SCHEDULER,
    MOMENTA_OF_SCHEDULER,
    SINGLE,
    are_numbers,
    is_there,
)
from flatfast.torch.rescaling.moves import Factors, Momentum, Moved
from flatfast.torch.warned import warn

LRS_OF_GROUP = {
    "lr": "now",
    "initial_lr": "base",
    "min_lr": "base",
    "max_lr": "peak",
    "swa_lr": "now",
}
"""Learning rates that PyTorch's schedulers keep in a parameter group, and their factor."""

Way = list[tuple[Factors, Momentum]]
"""By how much each group's numbers in a scheduler change."""

OURS = ("torch.", "transformers.", "lightning.", "pytorch_lightning.")
"""Packages whose schedulers are known."""


def schedulers_of(optimizers: Iterable[Any], given: Any) -> list[LRScheduler]:
    """All schedulers of an optimizer, those that were given and those that there are.

    The search goes through all objects of the process.

    Args:
        optimizers: The optimizer and what it wraps.
        given: A scheduler, or several; wrapped or not.

    Raises:
        TypeError: If one that was given is none of PyTorch's kind.
        ValueError: If one belongs to another optimizer.
    """
    layers = list(optimizers)
    found: dict[int, LRScheduler] = {}
    for each in given if isinstance(given, Iterable) else (given,):
        scheduler = each if isinstance(each, LRScheduler) else getattr(each, "scheduler", each)
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(
                "schedulers must be of torch.optim.lr_scheduler, got "
                f"{type(each).__name__}: rescale its learning rates by hand"
            )
        if not _is_of(scheduler, layers):
            raise ValueError(
                f"{type(scheduler).__name__} is a scheduler of another optimizer: give it to the "
                "rescale of that one"
            )
        found[id(scheduler)] = scheduler
    kinds = _kinds(LRScheduler)
    # By type: isinstance would wake lazy modules, and takes its time.
    for each in [each for each in gc.get_objects() if type(each) in kinds]:
        if _is_of(each, layers):
            found[id(each)] = each
    return list(found.values())


def _is_of(scheduler: LRScheduler, layers: list[Any]) -> bool:
    """Whether it writes to one of these, by itself or through a wrapper that has its groups."""
    own = getattr(scheduler, "optimizer", None)
    if any(own is layer for layer in layers):
        return True
    # Whatever else is in the process may have anything there.
    theirs = getattr(own, "param_groups", None)
    written = {id(group) for group in theirs} if isinstance(theirs, list) else set()
    return any(id(group) in written for group in layers[-1].param_groups)


def warn_of_unseen(groups: list[Group], found: list[LRScheduler]) -> None:
    """Where a schedule has left its base rate, and no scheduler is found that would be its own.

    Other packages have schedulers that are no ``LRScheduler``, and ``gc.freeze`` hides all that was
    made before.
    """
    if not found and any("initial_lr" in group for group in groups):
        warn(
            "a schedule has left an initial_lr in a parameter group, and no scheduler of PyTorch's "
            "kind was found. If there is one, it goes on to write the tuned learning rates: give "
            "it as schedulers=..., or, if it is of another kind, rescale first and make it then"
        )


def _kinds(kind: type) -> set[type]:
    """A class and all that inherit from it."""
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


def put_group(moved: Moved, cells: Cells, owner: Group | None = None) -> None:
    """A group's learning rates, and the ends of the cycle of its momentum, to be written.

    Args:
        moved: The group, or what of it is to be written.
        cells: Where.
        owner: The group that holds it, if it is a part.
    """
    group = moved.group
    owner = group if owner is None else owner
    for name, which in LRS_OF_GROUP.items():
        if name in group:
            cells.put(owner, name, float(group[name]) * getattr(moved.factors, which))
    for name in ("base_momentum", "max_momentum"):
        if name in group:
            cells.put(owner, name, moved.momentum(float(group[name])))


def put_scheduler(scheduler: LRScheduler, groups: list[Moved], cells: Cells) -> None:
    """A scheduler's numbers, to be written; afterwards it is to be marked.

    Raises:
        ValueError: If it has one number for groups that change by different factors.
    """
    if is_there(scheduler, groups[0].record):
        return
    ways = _ways(groups)
    way = next((way for way in ways if _leads_there(scheduler, groups, way)), None)
    if way is None and not any(each.moves for each in groups):
        warn(
            f"the base rates of {type(scheduler).__name__} belong neither to the rescaled "
            "optimizer nor to the tuned one: they are left as they are"
        )
        return
    way = way or ways[0]
    _put_lrs(scheduler, [factors for factors, _ in way], cells)
    kept = vars(scheduler)
    for name in MOMENTA_OF_SCHEDULER:
        for index, (momentum, (_, carry)) in enumerate(
            zip(kept.get(name) or (), way, strict=False)
        ):
            cells.put(kept[name], index, carry(float(momentum)))
    _warn_of_others(scheduler)


def _ways(groups: list[Moved]) -> list[Way]:
    """What a scheduler may need: the step of now, all since the groups were tuned, or nothing."""
    return [
        [(each.factors, each.momentum) for each in groups],
        [(each.since, each.momentum_since) for each in groups],
        [(Factors(), float) for _ in groups],
    ]


def _put_lrs(scheduler: LRScheduler, factors: list[Factors], cells: Cells) -> None:
    kept = vars(scheduler)
    for name, which in LRS_OF_SCHEDULER.items():
        for index, lr in enumerate(kept.get(name) or ()):
            of = factors[min(index, len(factors) - 1)]
            cells.put(kept[name], index, float(lr) * getattr(of, which))
    for name in SINGLE:
        if kept.get(name):  # 0 is 0 for all
            cells.put(kept, name, float(kept[name]) * _one(scheduler, name, factors))
    if isinstance(scheduler, ReduceLROnPlateau):
        # The least change that it makes.
        cells.put(kept, "eps", float(scheduler.eps) * min(each.base for each in factors))


def _one(scheduler: LRScheduler, name: str, factors: list[Factors]) -> float:
    values = [each.base for each in factors]
    if not all(math.isclose(value, values[0], rel_tol=1e-9) for value in values):
        told = " and ".join(f"{value:.4g}" for value in values)
        raise ValueError(
            f"{type(scheduler).__name__} has one {name}, {float(vars(scheduler)[name]):g}, for "
            f"parameter groups whose learning rates change by the factors {told}, as their momenta "
            "differ: make it 0, or rescale by a rule that has one factor for all, such as linear"
        )
    return values[0]


def _leads_there(scheduler: LRScheduler, groups: list[Moved], way: Way) -> bool:
    """Whether base rates become those that the groups will have.

    A scheduler may be as old as the tuned optimizer, or made of the rescaled one.
    """
    bases = vars(scheduler).get("base_lrs") or ()
    return all(
        math.isclose(
            float(lr) * factors.base,
            float(each.group.get("initial_lr", lr)) * each.factors.base,
            rel_tol=1e-6,
        )
        for lr, each, (factors, _) in zip(bases, groups, way, strict=False)
    )


def _warn_of_others(scheduler: LRScheduler) -> None:
    """Of numbers in schedulers of other packages that look like learning rates."""
    if type(scheduler).__module__.startswith(OURS):
        return
    known = {*LRS_OF_SCHEDULER, *SINGLE}
    left = [
        name
        for name, value in vars(scheduler).items()
        if ("lr" in name.lower() or "eta" in name.lower())
        and name not in known
        and are_numbers(value)
    ]
    if left:
        warn(
            f"{type(scheduler).__name__} keeps {', '.join(left)}, which may be learning rates: "
            "they are left as they are"
        )
