"""Tuning: the setting whose test loss is lowest after half of the examples.

A coarse grid over the whole range, a fine one around its best, which moves until its best lies
inside, and more seeds for the best of that. None of the seeds is one of the comparison's.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.study import Result
from studies.transfer.curves import level
from studies.transfer.optimizers import Hyper, Optimizer
from studies.transfer.tasks import Schedule, Task
from studies.transfer.train import train
from studies.transfer.ways import squares_at

FIRST_SEED = 1000
"""Of tuning; the comparison's begin at 0."""

WIDTH = 12
"""Settings that are trained at once, by one compiled program, where there are as many."""

STEPS: dict[Optimizer, tuple[float, ...]] = {
    "SGD": tuple(0.01 * 4.0**n for n in range(6)),
    "AdamW": tuple(1e-4 * 4.0**n for n in range(6)),
    "Muon": tuple(5e-4 * 4.0**n for n in range(6)),
}
"""The coarse grid's effective steps: lr / (1 - momentum) of SGD, which sums gradients; lr of the
others, which average them."""

LADDER = tuple(range(9))
"""Of the decay of gradients: 1 - momentum is 2 to the power of minus these."""

COARSE_RUNGS = (0, 2, 4, 6)
FINE_STEPS = tuple(2.0 ** (n / 2) for n in range(-4, 4))
"""Of the fine grid, times the best of the coarse one."""

SQUARES = (0.99, 0.999)
"""Decays of squared gradients that are tried at the first batch."""

WEIGHT_DECAY: dict[Optimizer, float] = {"SGD": 0.0, "AdamW": 0.01, "Muon": 0.0}

MOVES = 3
"""Times that the fine grid may move."""

FIXED_LR_RUNGS = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0)
"""Of the decays of gradients that are tried at a given learning rate."""


@dataclass(frozen=True)
class Point:
    """A setting of the grids.

    Attributes:
        step: Effective step.
        rung: Minus the logarithm to base 2 of 1 - momentum.
        second: Decay of squared gradients.
    """

    step: float
    rung: float
    second: float

    def hyper(self, optimizer: Optimizer) -> Hyper:
        """As the optimizer takes it."""
        complement = 2.0**-self.rung
        lr = self.step * complement if optimizer == "SGD" else self.step
        if optimizer == "SGD":
            return Hyper(lr, 1 - complement)
        return Hyper(lr, 1 - complement, self.second, weight_decay=WEIGHT_DECAY[optimizer])


Levels = Callable[[Sequence[Point], Sequence[int]], np.ndarray[Any, Any]]
"""Logarithms of losses after half of the examples, (points, seeds)."""


def levels_of(task: Task, optimizer: Optimizer, schedule: Schedule, batch: int) -> Levels:
    """What trains points of a grid."""

    def levels(points: Sequence[Point], seeds: Sequence[int]) -> np.ndarray[Any, Any]:
        settings = [point.hyper(optimizer) for point in points]
        return np.stack(
            [level(many(task, optimizer, schedule, batch, settings, s)[0]) for s in seeds], axis=1
        )

    return levels


def many(
    task: Task,
    optimizer: Optimizer,
    schedule: Schedule,
    batch: int,
    settings: Sequence[Hyper],
    seed: int,
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Losses and accuracies of a run of each setting, (settings, evaluations), so many at once.

    The last few are filled up, so that one compiled program trains all.
    """
    found = []
    width = min(len(settings), WIDTH)
    for first in range(0, len(settings), width):
        few = list(settings[first : first + width])
        filled = few + [few[-1]] * (width - len(few))
        trained = train(task, optimizer, schedule, batch, filled, seed)
        found.append((trained.losses[: len(few)], trained.accuracies[: len(few)]))
    losses, accuracies = zip(*found, strict=True)
    return np.concatenate(losses), np.concatenate(accuracies)


def tune(
    task: Task, optimizer: Optimizer, schedule: Schedule, base: Result | None, factor: float
) -> Result:
    """The best setting at a batch.

    AdamW's decay of squared gradients is chosen of two: at another batch of the one tuned and the
    one with as long a memory in samples. The AdamW inside of Muon has the latter.

    Args:
        task: What is trained.
        optimizer: By what.
        schedule: Of the learning rate.
        base: What this found at the first batch; None there.
        factor: This batch over the first.
    """
    batch = round(task.batch * factor)
    second = SQUARES if base is None else squares_at(base["setting"]["second"], factor)
    found = searched(
        levels_of(task, optimizer, schedule, batch),
        STEPS[optimizer],
        second if optimizer == "AdamW" else second[-1:],
        task.effort.coarse,
        task.effort.fine,
        task.effort.last,
    )
    return told(optimizer, *found)


def searched(
    levels: Levels,
    steps: Sequence[float],
    squares: Sequence[float],
    coarse: int,
    fine: int,
    last: int,
) -> tuple[Point, dict[Point, list[float]], list[str]]:
    """The best point, the levels of all that were tried, and where the best is but a bound."""
    tried: dict[Point, list[float]] = {}

    def ask(points: Iterable[Point], seeds: int) -> None:
        """Go on until each point has its first so many seeds."""
        by_count: dict[int, list[Point]] = {}
        for point in points:
            by_count.setdefault(len(tried.get(point, [])), []).append(point)
        for count, same in by_count.items():
            if count < seeds:
                further = range(FIRST_SEED + count, FIRST_SEED + seeds)
                for point, found in zip(same, levels(same, further), strict=True):
                    tried.setdefault(point, []).extend(found.tolist())

    grid = [Point(step, rung, squares[0]) for rung in COARSE_RUNGS for step in steps]
    ask(grid, coarse)
    best = _best(tried, grid)
    for _ in range(1 + MOVES):
        around = _around(best, squares)
        ask(around, fine)
        centre, best = best, _best(tried, around)
        if not _ends(best, centre):
            break
    few = sorted(around, key=lambda point: _mean(tried[point]))[:WIDTH]
    ask(few, fine + last)
    best = _best(tried, few)
    return best, tried, _ends(best, centre)


def _around(best: Point, squares: Sequence[float]) -> list[Point]:
    rungs = [best.rung + by for by in (-1, 0, 1) if LADDER[0] <= best.rung + by <= LADDER[-1]]
    return [
        Point(best.step * by, rung, second)
        for second in squares
        for rung in rungs
        for by in FINE_STEPS
    ]


def _ends(best: Point, centre: Point) -> list[str]:
    """Where the best lies at an end of the grid around a centre.

    Of the rungs the ladder's own lower end, no momentum at all, is none.
    """
    ends = []
    place = best.step / centre.step
    if place <= min(FINE_STEPS) * 1.01 or place >= max(FINE_STEPS) * 0.99:
        ends.append("lr")
    if best.rung != LADDER[0] and (best.rung == LADDER[-1] or best.rung != centre.rung):
        ends.append("momentum")
    return ends


def _best(tried: dict[Point, list[float]], among: Iterable[Point]) -> Point:
    return min(among, key=lambda point: _mean(tried[point]))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def tune_first(
    task: Task, optimizer: Optimizer, schedule: Schedule, base: Result, factor: float
) -> Result:
    """The best decay of gradients at a learning rate so many times the tuned one."""
    tuned = hyper_of(base["setting"])
    lr = tuned.lr * factor
    points = [
        Point(lr * 2.0**rung if optimizer == "SGD" else lr, rung, tuned.second)
        for rung in FIXED_LR_RUNGS
    ]
    effort = task.effort
    seeds = range(FIRST_SEED, FIRST_SEED + effort.fine + effort.last)
    found = levels_of(task, optimizer, schedule, task.batch)(points, seeds)
    tried = {p: values.tolist() for p, values in zip(points, found, strict=True)}
    best = _best(tried, points)
    ends = ["momentum"] if best.rung in (FIXED_LR_RUNGS[0], FIXED_LR_RUNGS[-1]) else []
    return told(optimizer, best, tried, ends)


def told(
    optimizer: Optimizer, best: Point, tried: dict[Point, list[float]], bounds: list[str]
) -> Result:
    """What was found, as plain JSON: the setting, the target, and all that was tried."""
    return {
        "setting": plain(best.hyper(optimizer)),
        "target": _mean(tried[best]),
        "bounds": bounds,
        "tried": [
            {
                "setting": plain(point.hyper(optimizer)),
                "level": round(_mean(values), 5),
                "seeds": len(values),
            }
            for point, values in tried.items()
        ],
    }


def plain(hyper: Hyper) -> dict[str, float]:
    """A setting as plain JSON."""
    return {name: float(f"{value:.9g}") for name, value in hyper._asdict().items()}


def hyper_of(setting: Result) -> Hyper:
    """The setting that :func:`plain` told."""
    return Hyper(**setting)
