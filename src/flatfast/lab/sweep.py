"""A grid of runs, chunk by chunk, from an engine into a store."""

import contextlib
import re
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from flatfast.lab.rows import keys
from flatfast.lab.runs import Runs, chunks, runs_of, together
from flatfast.lab.store import Store

# Whoever sweeps also says what is to be swept: both come from here.
__all__ = [
    "Engine",
    "FailedRunsError",
    "Failure",
    "InterruptedSweepError",
    "Progress",
    "Runs",
    "runs_of",
    "sweep",
    "together",
]

MOST_CAUSES = 5
"""Causes that are told one by one where many runs could not be made."""


@dataclass(frozen=True, eq=False)
class Failure:
    """Runs that could not be made.

    Attributes:
        runs: Which.
        error: Why.
    """

    runs: Runs
    error: Exception

    @property
    def why(self) -> str:
        """The cause, in a line."""
        words = _cause(str(self.error))
        if isinstance(self.error, ValueError | RuntimeError) and words:
            return words
        return f"{type(self.error).__name__}: {words}" if words else type(self.error).__name__


CAUSE = re.compile(r"\w*(Error|Exception)\b.*")
"""How the line of a traceback begins that says what was raised."""


def _cause(words: str) -> str:
    """The line of an error that says most: of one that tells a traceback, what was raised last."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    raised = [line for line in lines[1:] if CAUSE.fullmatch(line)]
    return (raised or lines or [""])[-1 if raised else 0]


class Engine(Protocol):
    """Makes runs, here or elsewhere, and knows nothing of how they are stored.

    Only the driver, which calls :meth:`run`, writes to the store: what is promised of crashes
    depends on no engine.
    """

    width: int
    """Most runs in a chunk."""

    workers: int
    """Chunks that are made at once."""

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        """Make chunks of runs, each of one planned length.

        Args:
            chunks: What to make.

        Yields:
            In any order, and of one chunk or of several together: rows of the store, as
            :func:`flatfast.lab.judge.judge` makes them, or runs that could not be made. Every run
            comes once. A row depends on its run alone, not on the engine.

        When the iterator is closed, nothing that it has begun elsewhere goes on.
        """
        ...


class Progress(Protocol):
    """Is told how a sweep goes on."""

    def begin(self, runs: int, done: int, planned_steps: int, workers: int) -> None:
        """``runs`` are wanted, ``done`` of them stored; the rest have that many steps at most."""
        ...

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """Runs were stored: how many, their planned steps, and the steps they really took."""
        ...

    def fail(self, runs: int, why: str) -> None:
        """Runs could not be made: how many, and why."""
        ...


class InterruptedSweepError(RuntimeError):
    """Somebody stopped a sweep; the message says how to go on."""


class FailedRunsError(RuntimeError):
    """Some runs of a sweep could not be made; the others are stored.

    Attributes:
        failures: Which, and why.
    """

    def __init__(self, failures: Sequence[Failure], folder: Path) -> None:
        """Tell the causes, the most frequent first.

        Args:
            failures: Which runs, and why.
            folder: Where the others are.
        """
        self.failures = list(failures)
        count: Counter[str] = Counter()
        for failure in failures:
            count[failure.why] += len(failure.runs)
        causes = [f"{runs} runs: {why}" for why, runs in count.most_common(MOST_CAUSES)]
        if len(count) > MOST_CAUSES:
            causes.append(f"{len(count) - MOST_CAUSES} more causes")
        first = failures[0].runs
        super().__init__(
            f"{sum(count.values())} runs could not be made ({'; '.join(causes)}). The others are "
            f"stored: flatfast report {folder} tells of them, and the same command tries these "
            f"again. The first was {first.method[0]}, lr {float(first.lr[0])!r}, momentum "
            f"{float(first.momentum[0])!r}, seed {first.seed[0]}, {first.steps[0]} steps"
        )


def sweep(runs: Runs, store: Store, engine: Engine, progress: Progress | None = None) -> pa.Table:
    """Make the runs that the store does not have yet.

    What an engine has made is stored before it is asked for more. An error before anything was
    made ends the sweep, for it is likely that of all runs; later ones are gathered.

    Args:
        runs: The runs wanted.
        store: Where they go.
        engine: Makes them.
        progress: Is told of all that comes from the engine.

    Returns:
        The store's rows of the runs wanted.

    Raises:
        InterruptedSweepError: On Ctrl-C: what is in flight is dropped, the rest is stored.
        FailedRunsError: If some runs could not be made; whatever the first chunk raises, if it
            could not.
        StoreError: If the store cannot write.
    """
    missing = runs.without(store.done())
    if progress is not None:
        progress.begin(
            len(runs), len(runs) - len(missing), int(missing.steps.sum()), engine.workers
        )
    failures: list[Failure] = []
    made = 0
    try:
        with contextlib.closing(_made(engine, chunks(missing, engine.width))) as parts:
            for part in parts:
                if isinstance(part, Failure):
                    if not made:
                        raise part.error
                    failures.append(part)
                    if progress is not None:
                        progress.fail(len(part.runs), part.why)
                    continue
                store.append(part)
                made += len(part)
                if progress is not None:
                    planned, taken = (
                        int(np.sum(part[name].to_numpy())) for name in ("steps", "steps_run")
                    )
                    progress.advance(len(part), planned, taken)
    except KeyboardInterrupt:
        raise InterruptedSweepError(f"stopped: {_kept(runs, store)}") from None
    if failures:
        raise FailedRunsError(failures, store.folder)
    return store.rows(runs.identities())


def _made(engine: Engine, parts: Sequence[Runs]) -> Generator[pa.Table | Failure, None, None]:
    """What an engine makes; closed, it closes the engine's own iterator at once."""
    yield from engine.run(parts)


def _kept(runs: Runs, store: Store) -> str:
    """What of the runs is stored, and how to go on."""
    # From the disk: the stop may have come after a chunk was written and before it was noted.
    kept = keys(store.survey().keys())
    if not kept:
        return "nothing was stored yet; repeat the command to start again"
    stored = len(kept & set(runs.identities()))
    return (
        f"{stored} of {len(runs)} runs are stored in {store.folder}; "
        "repeat the command to go on from there"
    )
