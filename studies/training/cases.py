"""Which runs there are: groups of one kind, trained together, of every method and seed."""

from dataclasses import replace

from studies.study import part_name
from studies.training.methods import EXPONENTS, PAIRS, REFERENCE, Method, transferred
from studies.training.tasks import TASKS, Kind, Task
from studies.training.train import Run

SEEDS = 6
TOGETHER = 2
"""Seeds in a group: with eight learning rates, sixteen runs, which is what a core trains best."""

Groups = dict[str, list[Run]]
"""Runs of a part, by its name."""


def tasks(quick: bool) -> tuple[Task, ...]:
    """What is trained; for a quick look the digits alone, in very short runs."""
    if not quick:
        return tuple(TASKS.values())
    digits = TASKS["digits"]
    kinds = tuple(shortened(kind) for kind in digits.kinds)
    return (replace(digits, kinds=kinds, lrs=digits.lrs[4:6]),)


def shortened(kind: Kind) -> Kind:
    """A kind for a quick look."""
    return replace(kind, examples=min(kind.examples, 40), steps=40, every=4)


def reference(task: Task, kind: Kind, quick: bool) -> Groups:
    """The runs that are tuned."""
    return _groups(task, kind, REFERENCE, None, quick)


def others(task: Task, kind: Kind, tuned: float, quick: bool) -> Groups:
    """All other runs, which follow from the reference's best learning rate."""
    found: Groups = {}
    for pair in PAIRS:
        if pair != REFERENCE:
            C = transferred(pair[0], tuned).C if pair[0] in EXPONENTS else None
            found |= _groups(task, kind, pair, C, quick)
    return found


def _groups(task: Task, kind: Kind, pair: tuple[str, str], C: float | None, quick: bool) -> Groups:
    seeds = range(1 if quick else SEEDS)
    return {
        part_name(task.name, kind.name, *pair, f"seeds-{few[0]}-{few[-1]}"): [
            Run(task.name, kind, Method(*pair, lr, C), seed) for seed in few for lr in task.lrs
        ]
        for few in (seeds[first : first + TOGETHER] for first in seeds[::TOGETHER])
    }
