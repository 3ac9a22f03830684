"""A grid of runs, chunk by chunk, from an engine into a store."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.times import SAME_TO_DIGITS, distinct
from flatfast.lab.length import check_length
from flatfast.lab.rows import Key, key_rows
from flatfast.lab.store import Store


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


class Engine(Protocol):
    """Computes runs."""

    width: int
    """Most runs in a chunk."""

    def run(self, chunk: Runs) -> pa.Table:
        """Rows of the store for runs of one planned length."""
        ...


class Progress(Protocol):
    """Is told how a sweep goes on."""

    def begin(self, runs: int, done: int, planned_steps: int) -> None:
        """``runs`` are wanted, ``done`` of them stored; the rest have that many steps at most."""
        ...

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """A chunk was stored: its runs, its planned steps, and the steps it really took."""
        ...


class InterruptedSweepError(RuntimeError):
    """Somebody stopped a sweep; the message says how to go on."""


def sweep(runs: Runs, store: Store, engine: Engine, progress: Progress | None = None) -> pa.Table:
    """Make the runs that the store does not have yet.

    Every chunk is stored before the next begins.

    Args:
        runs: The runs wanted.
        store: Where they go.
        engine: Computes them.
        progress: Is told of every chunk.

    Returns:
        The store's rows of the runs wanted.

    Raises:
        InterruptedSweepError: On Ctrl-C: the chunk in flight is dropped, the others are stored.
        StoreError: If the store cannot write.
    """
    done = store.done()
    missing = runs[np.array([key not in done for key in runs.identities()], bool)]
    if progress is not None:
        progress.begin(len(runs), len(runs) - len(missing), int(missing.steps.sum()))
    try:
        for chunk in chunks(missing, engine.width):
            rows = engine.run(chunk)
            store.append(rows)
            if progress is not None:
                taken = int(np.sum(rows["steps_run"].to_numpy()))
                progress.advance(len(chunk), int(chunk.steps.sum()), taken)
    except KeyboardInterrupt:
        stored = len(store.done() & set(runs.identities()))
        if not store.done():
            told = "nothing was stored yet; repeat the command to start again"
        else:
            told = (
                f"{stored} of {len(runs)} runs are stored in {store.folder}; "
                "repeat the command to go on from there"
            )
        raise InterruptedSweepError(f"stopped: {told}") from None
    table = store.table()
    wanted = set(runs.identities())
    keep = [key in wanted for key in key_rows(table)]
    return table.filter(pa.array(keep, pa.bool_()))
