"""What waits for a GPU: the items of the queue, the most valuable first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from flatfast.lab.recipes import recipe_of
from flatfast.lab.recipes.recipe import Recipe
from flatfast.lab.runs import Runs, runs_of
from studies.study import part_name

Library = Literal["jax", "torch"]
"""Whose device an item needs; the other library is kept off the card in its process."""


@dataclass(frozen=True)
class Item:
    """One piece of the queue, computed in a process of its own.

    Attributes:
        name: The part's.
        kind: The module of this package whose ``measure`` computes it.
        library: Which it needs with CUDA.
        options: What ``measure`` is told besides: plain JSON.
        takes: The work in words.
        seconds: What it is expected to take on a GPU; None where nobody knows.
        run_steps: Steps times runs, for a sweep.
    """

    name: str
    kind: str
    library: Library
    options: Mapping[str, Any] = field(default_factory=dict)
    takes: str = ""
    seconds: float | None = None
    run_steps: int = 0


@dataclass(frozen=True)
class Stage:
    """A part of a recipe's grid.

    Attributes:
        name: In parts.
        lrs: Learning rates, as indices of the recipe's, in the order of their turn.
        every: Of the recipe's grid of momenta, each so many.
        seeds: At each pair.
    """

    name: str
    lrs: tuple[int, ...]
    every: int
    seeds: int


LIBRARIES: tuple[Library, ...] = ("jax", "torch")

TIMED = ("fashion-mlp", "cifar-resnet", "matrix-sensing")
"""Whose throughput is measured, at the problems' own sizes."""

FEWEST_MOMENTA = 5
"""At each learning rate of the coarse sweep, one more than an optimum is told of at the least."""

FIRST_SEEDS = 2
"""Of the coarse sweep: the least that have an interval."""

RECIPE = "cifar-resnet-gpu"
"""Whose full size is swept."""

QUICK = Recipe(
    "scalar-product",
    lr=(0.002, 0.006, 0.02),
    scaled_mu=(0.2, 2.0),
    per_decade=6,
    seeds=2,
    duration=30,
    records=64,
)
"""The sweep of a quick look: steps of microseconds."""


def recipe(quick: bool) -> Recipe:
    """What is swept."""
    return QUICK if quick else recipe_of(RECIPE, "full")


def stages(swept: Recipe) -> tuple[Stage, ...]:
    """The sweep in the order of its worth; each stage holds the runs of those before it.

    Three learning rates first, at few momenta and with as many seeds as an interval needs: what an
    exponent needs at the least. The largest is the first, since its runs are the shortest.
    """
    count = len(swept.lr)
    ends = tuple(dict.fromkeys((count - 1, 0, count // 2)))
    fewest = min(len(swept.momenta(lr)) for lr in swept.lr)
    every = 2 if fewest // 2 >= FEWEST_MOMENTA else 1
    few = min(FIRST_SEEDS, swept.seeds)
    found = (
        Stage("coarse", ends, every, few),
        Stage("seeds", ends, every, swept.seeds),
        Stage("momenta", ends, 1, swept.seeds),
        Stage("whole", tuple(range(count))[::-1], 1, swept.seeds),
    )
    return tuple(s for k, s in enumerate(found) if not k or _bounds(s) != _bounds(found[k - 1]))


def _bounds(stage: Stage) -> tuple[frozenset[int], int, int]:
    return frozenset(stage.lrs), stage.every, stage.seeds


def runs_of_stage(swept: Recipe, stage: Stage, lr: float) -> Runs:
    """The runs of a stage at one learning rate."""
    momenta = [m for m in swept.momenta(lr) if _place(m, swept.per_decade) % stage.every == 0]
    return runs_of([(lr, momentum) for momentum in momenta], stage.seeds, swept.steps)


def _place(momentum: float, per_decade: int) -> int:
    """The number of a momentum's ``1 - momentum`` on the grid that all learning rates share."""
    return int(np.rint(per_decade * np.log10(1 - momentum)))


def items(quick: bool) -> Iterator[Item]:
    """The queue. What a GPU says of the code comes between a first exponent and a better one."""
    swept = recipe(quick)
    first, *others = stages(swept)
    yield Item("sweep.start", "start", "jax", takes="noise-free descent to where runs begin")
    yield from _stage(swept, first)
    yield Item(
        "tests.gpu", "tests", "torch", {"whole": False}, "the tests that need a GPU", seconds=60
    )
    yield Item(
        "calibration",
        "calibration",
        "torch",
        takes="C of digits-mlp on the card and on the CPU",
        seconds=60,
    )
    for problem in TIMED[: 1 if quick else None]:
        for library in LIBRARIES:
            yield Item(
                f"throughput.{problem}.{library}",
                "throughput",
                library,
                {"problem": problem, "library": library},
                f"steps a second by {library}, and the card's rate by it",
                seconds=60,
            )
    for stage in others:
        yield from _stage(swept, stage)
    yield Item(
        "tests.all", "tests", "torch", {"whole": True}, "all tests of the adapters", seconds=300
    )


def _stage(swept: Recipe, stage: Stage) -> Iterator[Item]:
    for number in stage.lrs:
        lr = swept.lr[number]
        runs = runs_of_stage(swept, stage, lr)
        yield Item(
            part_name("sweep", stage.name, f"lr-{lr:g}"),
            "sweep",
            "jax",
            {"stage": stage.name, "lr": lr},
            f"{len(runs)} runs of {swept.steps(lr):,} steps",
            run_steps=int(runs.steps.sum()),
        )
