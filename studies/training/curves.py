"""Accuracies of runs that differ in the seed alone, and what is read off them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.training.tasks import Kind, Task

CHANCE = 0.1
"""Accuracy that a run counts with after its loss has become infinite."""

WINDOW = 1.25
"""An accuracy is reached at step t where its mean over the steps from t to 1.25 t is."""

FINAL = 0.1
"""The final accuracy is the mean over this last part of a run."""

Array = NDArray[np.float64]
Pair = tuple[str, str]
"""Method and schedule."""


@dataclass(frozen=True)
class Curves:
    """Accuracies (seeds, evaluations) at one learning rate.

    Attributes:
        every: Steps between evaluations.
        validation: On validation images.
        test: On test images.
    """

    every: int
    validation: Array
    test: Array


def gather(
    rows: Iterable[dict[str, Any]], task: Task, kind: Kind
) -> dict[Pair, dict[float, Curves]]:
    """Curves by method and schedule, then by learning rate, of the seeds that all of them have."""
    runs: dict[Pair, dict[float, dict[int, dict[str, Any]]]] = {}
    for row in rows:
        if row["task"] == task.name and row["kind"]["name"] == kind.name:
            method = row["method"]
            by_lr = runs.setdefault((method["name"], method["schedule"]), {})
            by_lr.setdefault(method["lr"], {})[row["seed"]] = row
    with_seeds = [set(by_seed) for by_lr in runs.values() for by_seed in by_lr.values()]
    seeds = sorted(set.intersection(*with_seeds)) if with_seeds else []
    length = kind.steps // kind.every + 1
    return {
        pair: {
            lr: Curves(
                kind.every,
                _accuracies([by_seed[s]["validation"] for s in seeds], task.validation, length),
                _accuracies([by_seed[s]["test"] for s in seeds], task.test, length),
            )
            for lr, by_seed in sorted(by_lr.items())
        }
        for pair, by_lr in runs.items()
    }


def final(accuracies: Array) -> Array:
    """Mean over the last part of the runs, (...) from (..., evaluations)."""
    last = max(round(FINAL * accuracies.shape[-1]), 1)
    means: Array = accuracies[..., -last:].mean(axis=-1)
    return means


def steps_to(bar: Array | float, mean: Array, every: int) -> Array:
    """First step at which a curve reaches the bar; infinity where it does not.

    Args:
        bar: Accuracies to reach (...).
        mean: Curves (..., evaluations).
        every: Steps between evaluations.
    """
    total = np.concatenate([np.zeros((*mean.shape[:-1], 1)), np.cumsum(mean, axis=-1)], axis=-1)
    begin = np.arange(1, mean.shape[-1])
    end = np.floor(begin * WINDOW).astype(int) + 1
    begin, end = begin[end <= mean.shape[-1]], end[end <= mean.shape[-1]]
    windows = (total[..., end] - total[..., begin]) / (end - begin)
    reached = windows >= np.asarray(bar)[..., None]
    first = begin[reached.argmax(axis=-1)] * float(every)
    return np.where(reached.any(axis=-1), first, np.inf)


def _accuracies(counts: list[list[int]], images: int, length: int) -> Array:
    curves = np.full((len(counts), length), CHANCE)
    for curve, right in zip(curves, counts, strict=True):
        curve[: len(right)] = np.asarray(right) / images
    return curves
