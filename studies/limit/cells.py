"""Parts of the study that are computed one by one, each kept in a file of its own."""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from flatfast.lab.atomic import atomically
from studies.limit.cases import Case
from studies.limit.simulation import (
    Ensemble,
    readings_of_sgd,
    steps_at,
    summed_up,
)

MICROSECONDS = 40
"""A step of a batch on a data-centre GPU, for plans."""

PATHS_AT_ONCE = 40_000
"""Of the limit's paths in one batch."""

SEED = 0


@dataclass(frozen=True)
class Cell:
    """A part of the study.

    Attributes:
        name: Its file's name, without suffix.
        steps: Of SGD, 0 for the limit.
        compute: What gives its ensemble.
    """

    name: str
    steps: int
    compute: Callable[[], Ensemble]

    @property
    def seconds(self) -> float:
        """How long it takes on a GPU, without compilation."""
        return self.steps * MICROSECONDS * 1e-6


def sgd_name(case: Case, lr: float) -> str:
    """Name of the cell of SGD at a learning rate."""
    return f"sgd.{case.name}.{lr:g}"


def cells_of(case: Case) -> Iterator[Cell]:
    """The parts of a case: the limit first, then SGD by falling learning rate."""
    yield Cell(f"mean-field.{case.name}", 0, lambda: _mean_field(case))
    if case.random is not None:
        yield Cell(f"random.{case.name}", 0, lambda: _random(case))
    for place, lr in enumerate(case.lrs):
        steps = int(steps_at(case.times[-1], lr))
        yield Cell(sgd_name(case, lr), steps, functools.partial(_sgd, case, place))


def _mean_field(case: Case) -> Ensemble:
    mean = np.stack([case.mean_field(C)[1:].ravel() for C in case.C])
    ones = np.ones(len(case.C), np.int64)
    return Ensemble(mean, np.zeros((*mean.shape, mean.shape[1])), ones, 0 * ones)


def _random(case: Case) -> Ensemble:
    assert case.random is not None
    readings = []
    for number, C in enumerate(case.C):
        parts = []
        for first in range(0, case.paths, PATHS_AT_ONCE):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(SEED + 1), number), first)
            parts.append(case.random(C, min(PATHS_AT_ONCE, case.paths - first), key)[:, 1:])
        readings.append(np.concatenate(parts).reshape(case.paths, -1))
    return summed_up(np.stack(readings))


def _sgd(case: Case, place: int) -> Ensemble:
    found = readings_of_sgd(
        case.model,
        case.start,
        case.read,
        noise_std=case.noise_std,
        C=case.C,
        lr=case.lrs[place],
        times=case.times,
        runs=case.runs,
        key=jax.random.fold_in(jax.random.key(SEED), place),
    )
    return summed_up(found.reshape(*found.shape[:2], -1))


def write_cell(cell: Cell, folder: Path) -> float:
    """Compute a cell and keep it.

    Returns:
        Seconds that it took.
    """
    began = time.perf_counter()
    found = cell.compute()
    seconds = time.perf_counter() - began
    with atomically(folder / f"{cell.name}.npz") as partial, partial.open("wb") as file:
        np.savez(file, device=jax.devices()[0].device_kind, **found._asdict())
    return seconds


def read_cell(name: str, folder: Path) -> Ensemble | None:
    """A cell, or None where there is none yet."""
    path = folder / f"{name}.npz"
    if not path.exists():
        return None
    with np.load(path) as found:
        return Ensemble(*(found[field] for field in Ensemble._fields))


def devices_of(folder: Path) -> list[str]:
    """The kinds of device that the kept cells of SGD were computed on."""
    found = set()
    for path in folder.glob("sgd.*.npz"):
        with np.load(path) as cell:
            found.add(str(cell["device"]))
    return sorted(found)
