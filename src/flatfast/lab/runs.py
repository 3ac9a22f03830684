"""Which runs are wanted: pairs of learning rate and momentum, seeds, lengths; and their chunks."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.times import SAME_TO_DIGITS, distinct
from flatfast.lab.length import check_length
from flatfast.lab.rows import Key


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs to be made, one entry per run in each array.

    Attributes:
        lr: Learning rates.
        momentum: Momenta.
        seed: Seeds of the noise.
        steps: Planned lengths.
        method: What the runs are for: ``grid``, or the name of a compared method.
    """

    lr: NDArray[np.float64]
    momentum: NDArray[np.float64]
    seed: NDArray[np.int64]
    steps: NDArray[np.int64]
    method: NDArray[np.str_]

    def __len__(self) -> int:
        """Number of runs."""
        return len(self.lr)

    def __getitem__(self, chosen: Any) -> "Runs":
        """Some of the runs, by slice, mask or indices."""
        return Runs(
            self.lr[chosen],
            self.momentum[chosen],
            self.seed[chosen],
            self.steps[chosen],
            self.method[chosen],
        )

    def identities(self) -> list[Key]:
        """The runs' keys, as :func:`flatfast.lab.store.keys` has them."""
        columns = (self.method, self.lr, self.momentum, self.seed, self.steps)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def without(self, made: Collection[Key]) -> "Runs":
        """Those whose keys are not among these."""
        return self[np.array([key not in made for key in self.identities()], bool)]


def runs_of(
    pairs: Iterable[tuple[float, float]],
    seeds: int,
    steps: int | Callable[[float], int],
    method: str = GRID,
) -> Runs:
    """Runs at (lr, momentum) pairs, each with the seeds 0, 1, ...

    Args:
        pairs: Learning rates and momenta.
        seeds: Runs at each pair.
        steps: Planned length, or learning rate to planned length.
        method: What they are for.

    Raises:
        ValueError: If a value is out of range, or two pairs are the same to nine digits.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    points = list(pairs)
    for lr, momentum in points:
        if not 0 < lr < math.inf:
            raise ValueError(f"lr must be positive and finite, got {lr}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
    rates = np.array([lr for lr, _ in points], np.float64)
    momenta = np.array([momentum for _, momentum in points], np.float64)
    _check_distinct(rates, momenta)
    planned = [steps(float(lr)) if callable(steps) else steps for lr in rates]
    for length in planned:
        check_length(length)
    lengths = np.array(planned, np.int64)
    return Runs(
        np.repeat(rates, seeds),
        np.repeat(momenta, seeds),
        np.tile(np.arange(seeds, dtype=np.int64), len(points)),
        np.repeat(lengths, seeds),
        np.full(seeds * len(points), method),
    )


def _check_distinct(lr: NDArray[np.float64], momentum: NDArray[np.float64]) -> None:
    """Check that no analysis would take two pairs for one."""
    first: dict[tuple[int, int], int] = {}
    cells = zip(distinct(lr)[1].tolist(), distinct(1.0 - momentum)[1].tolist(), strict=True)
    for k, cell in enumerate(cells):
        other = first.setdefault(cell, k)
        if other != k:
            pairs = [f"lr {float(lr[i])!r}, momentum {float(momentum[i])!r}" for i in (other, k)]
            raise ValueError(
                f"two pairs of lr and momentum must differ in the first {SAME_TO_DIGITS} digits, "
                f"got {' and '.join(pairs)}"
            )


def together(parts: Sequence[Runs]) -> Runs:
    """All runs of several plans; a run planned twice is kept once."""
    every = Runs(
        np.concatenate([part.lr for part in parts]),
        np.concatenate([part.momentum for part in parts]),
        np.concatenate([part.seed for part in parts]),
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.method for part in parts]),
    )
    _, first = np.unique(np.array([repr(key) for key in every.identities()]), return_index=True)
    return every[np.sort(first)]


def chunks(runs: Runs, width: int) -> list[Runs]:
    """Split into chunks of one planned length and at most ``width`` runs each.

    Runs of like momentum and learning rate settle at about the same time, so they share a chunk,
    which ends when its last run does, whatever methods they belong to.
    """
    order = np.lexsort((runs.seed, -runs.momentum, runs.lr, runs.steps))
    kinds = runs.steps[order].tolist()
    ends = [k for k in range(1, len(kinds)) if kinds[k] != kinds[k - 1]]
    parts = []
    for begin, end in zip([0, *ends], [*ends, len(kinds)], strict=True):
        same = order[begin:end]
        parts += [runs[same[k : k + width]] for k in range(0, len(same), width)]
    return parts
