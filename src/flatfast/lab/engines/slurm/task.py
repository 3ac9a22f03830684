"""What a job does, and how it goes on after it was stopped."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flatfast.lab.engines.slurm.files import Chunks
from flatfast.lab.engines.worker import make
from flatfast.lab.machine import versions
from flatfast.lab.runs import Runs

MOST_OF_LIMIT = 0.5
"""Share of the time limit within which a chunk must be done."""


class Task:
    """Chunks for one job; a callable of submitit that can be begun again."""

    def __init__(
        self,
        files: Chunks,
        packed: Path,
        chunks: Sequence[Runs],
        over: Path,
        *,
        cores: int,
        gpus: int,
        limit: float,
    ) -> None:
        """Of a packed job.

        Args:
            files: Where to put what is made.
            packed: File of the packed job, on a disk that driver and nodes share.
            chunks: To be made, in this order.
            over: A file that is there once the driver has all of them, whose files go then: a job
                that is preempted as it ends is begun again all the same.
            cores: Of a node, for this task.
            gpus: The same.
            limit: Seconds that a job may take.
        """
        self._files, self._packed, self._chunks = files, packed, list(chunks)
        self._over = over
        self._cores, self._gpus, self._limit = cores, gpus, limit
        self._known = versions()
        self._begun = 0.0

    def __call__(self) -> None:
        """Make the chunks that have no file yet."""
        for chunk in self._chunks:
            if self._files.has(chunk) or self._over.exists():
                continue
            self._begun = time.monotonic()
            made = make(
                self._packed.name,
                self._packed.read_bytes,
                [chunk],
                self._known,
                self._cores,
                self._gpus,
            )
            self._files.write(chunk, made)

    def checkpoint(self) -> Any:
        """What to begin again with, asked by submitit shortly before the scheduler stops the job.

        Raises:
            TimeoutError: If the chunk in flight would reach the time limit again and again.
        """
        from submitit.helpers import DelayedSubmission

        taken = time.monotonic() - self._begun
        if taken > MOST_OF_LIMIT * self._limit:
            raise TimeoutError(
                f"runs were at work for {taken / 60:.2g} minutes when the job's limit of "
                f"{self._limit / 60:.2g} minutes was near; give more, as --slurm time=MINUTES"
            )
        return DelayedSubmission(self)
