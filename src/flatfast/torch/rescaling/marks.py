"""What has been done, kept on schedulers, and in their checkpoints with the rest of them."""

import math
import numbers
from typing import Any

from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from flatfast.torch.groups import Group
from flatfast.torch.rescaling.moves import Moved
from flatfast.torch.rescaling.records import KEY, Record

LRS_OF_SCHEDULER = {"base_lrs": "base", "min_lrs": "base", "max_lrs": "peak", "_last_lr": "now"}
"""Those that they keep themselves, one for each group."""

SINGLE = ("eta_min", "default_min_lr")
"""Those of which there is one for all groups."""

GROUPS = "groups"
"""Where a scheduler's record has those of the groups, and their numbers."""

RATES = "rates"
"""Where a scheduler's record has the numbers that were written with it."""

MOMENTA_OF_SCHEDULER = "base_momentums", "max_momentums"


def mark(scheduler: LRScheduler, groups: list[Moved]) -> None:
    """Keep on a scheduler, and in its checkpoints, what has been done, with what came of it."""
    vars(scheduler)[KEY] = {
        **groups[0].record,
        RATES: _rates(scheduler),
        GROUPS: [
            {
                "record": each.kept,
                "numbers": _numbers_of(each.group, each.coupled),
            }
            for each in groups
        ],
    }


def remembered(
    schedulers: list[LRScheduler], index: int, group: Group, coupled: bool
) -> Record | None:
    """A group's record, from a scheduler whose checkpoint has it.

    Some ways to load an optimizer, as ``torch.distributed.checkpoint``'s, fill in the numbers that
    it has, and leave out what else the checkpoint knows.
    """
    for scheduler in schedulers:
        kept = vars(scheduler).get(KEY) or {}
        bases = vars(scheduler).get("base_lrs") or ()
        if kept.get(RATES) != _rates(scheduler) or index >= min(len(bases), len(kept[GROUPS])):
            continue
        then = kept[GROUPS][index]
        base = math.isclose(float(bases[index]), float(group.get("initial_lr", math.nan)))
        if base and then["numbers"] == _numbers_of(group, coupled):
            return dict(then["record"])
    return None


def _numbers_of(group: Group, coupled: bool) -> dict[str, list[float]]:
    """What else a rule may have changed, and nothing changes while training goes on."""
    moving = coupled or "max_momentum" in group
    found = {}
    for name in ("momentum", "betas", "alpha", "eps", "weight_decay"):
        value = group.get(name)
        several: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
        if moving and name in ("momentum", "betas"):
            several = several[1:]
        if several and are_numbers(several):
            found[name] = list(map(float, several))
    return found


def is_there(scheduler: LRScheduler, record: Record) -> bool:
    """Whether it was rescaled as the groups are: by an earlier call, or in a checkpoint.

    One that has loaded a checkpoint of before has its record still, and not its rates.
    """
    kept = vars(scheduler).get(KEY) or {}
    same = all(kept.get(name) == value for name, value in record.items())
    return same and kept.get(RATES) == _rates(scheduler)


def _rates(scheduler: LRScheduler) -> dict[str, list[float]]:
    """All numbers of its own that change."""
    names = [name for name in LRS_OF_SCHEDULER if name != "_last_lr"]
    names += [*SINGLE, *MOMENTA_OF_SCHEDULER]
    kept = {name: vars(scheduler).get(name) for name in (*names, "eps")}
    return {
        name: [float(each) for each in (value if isinstance(value, list) else [value])]
        for name, value in kept.items()
        if value is not None
    }


def are_numbers(value: Any) -> bool:
    """Whether it is a number, or several."""
    several = value if isinstance(value, list | tuple) and value else [value]
    return all(
        isinstance(each, numbers.Real | Tensor) and not isinstance(each, bool) for each in several
    )
