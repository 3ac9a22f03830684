"""Tasks to workers and what comes back, whoever carries them: one loop for all engines with any.

An error of the problem is final, for it would come again anywhere. A worker or a node that is lost
is not: its chunks are tried again, each alone, so that one that kills its worker is found.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa

from flatfast.lab.engines.grouping import TASK_SECONDS, Grouping
from flatfast.lab.engines.worker import Made, Refused
from flatfast.lab.runs import Runs
from flatfast.lab.sweep import Failure

IN_FLIGHT = 2
"""Tasks a slot: one that runs, and one that is there when it ends."""

MOST_LOSSES = 3
"""How often a chunk may be lost with its worker before it is given up."""


class LostWorkerError(RuntimeError):
    """A worker ended, or could not be reached, with a task in its hands."""


class RefusedError(RuntimeError):
    """A worker could not make runs; says what its error was."""


class Workers(Protocol):
    """What carries tasks to workers."""

    slots: int
    """Tasks that run at once; may change on the way, as nodes come and go."""

    def submit(self, task: Sequence[Runs]) -> Any:
        """Send a task on its way; what is returned stands for it, and is hashable."""
        ...

    def wait(self, sent: Sequence[Any]) -> Sequence[Any]:
        """Wait until some of what was sent has ended, and say which."""
        ...

    def result(self, sent: Any) -> Made:
        """What came of a task that has ended.

        Raises:
            LostWorkerError: If its worker was lost.
        """
        ...

    def cancel(self, sent: Sequence[Any]) -> None:
        """See that nothing of these goes on."""
        ...


def dispatch(
    chunks: Sequence[Runs], workers: Workers, seconds: float = TASK_SECONDS
) -> Iterator[pa.Table | Failure]:
    """Have chunks made by workers.

    Args:
        chunks: Of one planned length each.
        workers: Who makes them.
        seconds: What a task should take.

    Yields:
        As :meth:`flatfast.lab.sweep.Engine.run`, a table a task.
    """
    grouping = Grouping(chunks, workers.slots, seconds)
    losses: Counter[int] = Counter()
    sent: dict[Any, list[Runs]] = {}
    try:
        while True:
            grouping.slots = workers.slots
            while len(sent) < IN_FLIGHT * workers.slots and (task := grouping.next()):
                sent[workers.submit(task)] = task
            if not sent:
                return
            for ended in workers.wait(list(sent)):
                task = sent.pop(ended)
                try:
                    made = workers.result(ended)
                except LostWorkerError as error:
                    losses.update(map(id, task))
                    grouping.again([c for c in task if losses[id(c)] <= MOST_LOSSES])
                    for chunk in (c for c in task if losses[id(c)] > MOST_LOSSES):
                        yield Failure(chunk, _given_up(error))
                    continue
                grouping.measured(task, made.seconds)
                if made.rows is not None:
                    began = time.monotonic()
                    yield made.rows
                    grouping.stored(time.monotonic() - began)
                for refused in made.refused:
                    yield Failure(refused.runs, _error_of(refused))
    finally:
        workers.cancel(list(sent))


def _given_up(error: LostWorkerError) -> LostWorkerError:
    return LostWorkerError(
        f"{MOST_LOSSES + 1} workers in a row were lost with these runs; memory may be too small "
        f"for them ({error})"
    )


def _error_of(refused: Refused) -> Exception:
    if refused.of_values:
        return ValueError(refused.words)
    return RefusedError(f"{refused.kind}: {refused.words}" if refused.words else refused.kind)
