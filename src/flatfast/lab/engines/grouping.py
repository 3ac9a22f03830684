"""Chunks into tasks that are worth their journey: some seconds of work, whatever the machine.

A chunk of one tile may take milliseconds or minutes, and nobody knows which before the first was
made. Tasks therefore begin with a chunk each and grow by the speed measured so far; towards the end
they shrink, so that all workers end together. Where there are so many workers that the driver could
not store what they make, tasks grow further: it alone writes, a file a task.
"""

from collections import deque
from collections.abc import Sequence

from flatfast.lab.runs import Runs

TASK_SECONDS = 10.0
"""What a task should take: long beside its journey, short beside what a lost worker may cost."""

FORGETTING = 0.5
"""Weight of the last task's speed: the first one's was that of a compiler."""

BUSY = 0.5
"""Share of its time that a driver may spend on storing, at most."""


class Grouping:
    """Gives tasks, each of them some chunks, until none are left.

    Attributes:
        slots: Tasks that run at once.
    """

    def __init__(self, chunks: Sequence[Runs], slots: int, seconds: float = TASK_SECONDS) -> None:
        """Begin with all chunks left.

        Args:
            chunks: To be made, in this order.
            slots: Tasks that run at once.
            seconds: What a task should take.
        """
        self._left = deque(chunks)
        self._alone: deque[Runs] = deque()
        self._planned = sum(map(_planned, chunks))
        self.slots = slots
        self._seconds = seconds
        self._seconds_per_step: float | None = None
        self._seconds_to_store = 0.0

    @property
    def seconds(self) -> float:
        """What a task should take now."""
        return max(self._seconds, self.slots * self._seconds_to_store / BUSY)

    def next(self) -> list[Runs]:
        """The next task; empty when no chunk is left."""
        if self._alone:
            self._planned -= _planned(self._alone[0])
            return [self._alone.popleft()]
        if not self._left:
            return []
        task = [self._left.popleft()]
        steps = _planned(task[0])
        most = 0.0
        if self._seconds_per_step is not None:
            shared = self._planned / (2 * self.slots)
            most = min(self.seconds / max(self._seconds_per_step, 1e-12), shared)
        while self._left and steps + _planned(self._left[0]) <= most:
            task.append(self._left.popleft())
            steps += _planned(task[-1])
        self._planned -= steps
        return task

    def measured(self, task: Sequence[Runs], seconds: float) -> None:
        """Learn from a task what its chunks' planned steps took."""
        rate = seconds / max(sum(map(_planned, task)), 1)
        before = self._seconds_per_step
        self._seconds_per_step = (
            rate if before is None else FORGETTING * rate + (1 - FORGETTING) * before
        )

    def stored(self, seconds: float) -> None:
        """Learn what the driver needs to store the rows of a task."""
        self._seconds_to_store += FORGETTING * (seconds - self._seconds_to_store)

    def again(self, chunks: Sequence[Runs]) -> None:
        """Put chunks back whose task was lost, before all others, each to be a task of its own."""
        self._alone.extend(chunks)
        self._planned += sum(map(_planned, chunks))


def _planned(chunk: Runs) -> int:
    return int(chunk.steps.sum())
