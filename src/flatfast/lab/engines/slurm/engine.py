"""The slurm engine: tasks into jobs, and what came of them."""

import contextlib
import math
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from flatfast.lab.engines.dispatch import LostWorkerError, dispatch
from flatfast.lab.engines.slurm.cluster import Cluster, SlurmError
from flatfast.lab.engines.slurm.files import Chunks, without
from flatfast.lab.engines.slurm.task import Task
from flatfast.lab.engines.worker import Made, OtherVersionsError
from flatfast.lab.rows import keys
from flatfast.lab.runs import Runs
from flatfast.lab.sweep import Failure

TASK_SECONDS = 300.0
"""What a job should take: long beside its wait in a queue."""

WAVE_SECONDS = 10.0
"""How long jobs are gathered for an array while there are enough of them to run."""

LOOKS = 2
"""How often in a row a job must be seen to be over, and its files not to be there: disks lag."""

ARRAY = 500
"""Most jobs of an array; many a SLURM takes a thousand."""

FIRST_LOOK, LAST_LOOK = 2.0, 30.0
"""Seconds after which a scheduler is asked what became of jobs, at first and when all goes well."""


@dataclass(frozen=True)
class Share:
    """What each job gets, and how many there are.

    Attributes:
        slots: Jobs that run at once.
        cores: Of a job.
        gpus: Of a job.
        limit: Seconds that a job may take before it is queued again.
        seconds: What a job should take.
    """

    slots: int
    cores: int
    gpus: int
    limit: float
    seconds: float = TASK_SECONDS


class _Sent:
    """A task on its way: gathered, submitted, or over."""

    def __init__(self, chunks: Sequence[Runs], folder: Path) -> None:
        self.chunks = list(chunks)
        self.over = folder / f"{uuid.uuid4().hex}.over"
        self.job: Any = None
        self.missing = len(self.chunks)  # before the job
        self.looks = 0
        self.how = ""

    def failed(self) -> str | None:
        """The last line of its error, if its program has ended with one."""
        from submitit.core.utils import pickle_load

        if self.job is None or not self.job.paths.result_pickle.exists():
            return None
        try:
            outcome, trace = pickle_load(self.job.paths.result_pickle)
        except (OSError, EOFError):
            return None
        return _last_line(trace) if outcome == "error" else None


class SlurmEngine:
    """Has chunks made by jobs; see :class:`flatfast.lab.sweep.Engine`.

    Attributes:
        width: A tile for each device of a job.
        workers: Jobs at once.
    """

    def __init__(
        self, cluster: Cluster, share: Share, packed: Path, files: Chunks, width: int
    ) -> None:
        """Submit nothing yet.

        Args:
            cluster: Where jobs go.
            share: What each of them gets.
            packed: File of the packed job, on a disk that driver and nodes share.
            files: Where its chunks are put, on that disk too.
            width: Most runs in a chunk.
        """
        self._cluster, self._share = cluster, share
        self._packed, self._files = packed, files
        self.width = width
        self.workers = self.slots = share.slots
        self._gathered: list[_Sent] = []
        self._stored: list[Runs] = []
        self._submitted = self._asked = -math.inf
        self._patience = FIRST_LOOK

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        """Have chunks made, several at once; first comes what an earlier driver has left."""
        made = set()
        for table in self._files.left(chunks):
            yield table
            made |= keys(table)
        yield from dispatch(without(chunks, made), self, self._share.seconds)
        self._forget_stored()

    def submit(self, task: Sequence[Runs]) -> _Sent:
        """Gather a task, to be submitted with others; see :class:`.dispatch.Workers`."""
        sent = _Sent(task, self._files.folder)
        self._gathered.append(sent)
        return sent

    def wait(self, sent: Sequence[_Sent]) -> Sequence[_Sent]:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        pause = 0.1
        while True:
            os.listdir(self._files.folder)  # a network's disk looks again for what was not there
            over = [each for each in sent if self._is_over(each)]
            if over:
                self._gathered = [each for each in self._gathered if each not in over]
                return over
            self._gathered += [each for each in sent if self._goes_on(each)]
            running = [each for each in sent if each.job is not None]
            self._submit_gathered(len(running))
            if running and time.monotonic() - self._asked > self._patience:
                self._look_after(running)
            time.sleep(pause)
            pause = min(1.5 * pause, 2.0)

    def result(self, sent: _Sent) -> Made:
        """See :class:`flatfast.lab.engines.dispatch.Workers`.

        Raises:
            SlurmError: If a node cannot make the runs of any task.
        """
        self._forget_stored()  # whoever asks for more has stored what there was
        if not self._missing(sent):
            try:
                made = self._files.read(sent.chunks)
            except OSError as error:
                self._files.remove(sent.chunks)
                raise LostWorkerError(str(error)) from error
            self._stored = sent.chunks
            sent.over.touch()
            return made
        self._patience = FIRST_LOOK
        words = sent.failed() or ""
        if OtherVersionsError.__name__ in words:
            raise SlurmError(words.partition(": ")[2])
        told = f"job {sent.job.job_id} ended ({sent.how or 'with an error'})"
        raise LostWorkerError(f"{told}: {words or _log_of(sent.job)}")

    def cancel(self, sent: Sequence[_Sent]) -> None:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        self._gathered = []
        self._cluster.cancel([each.job for each in sent if each.job is not None])

    def _is_over(self, sent: _Sent) -> bool:
        """Whether all is made, or the job is lost and has made nothing."""
        if all(map(self._files.has, reversed(sent.chunks))):  # the last is made last
            return True
        return self._is_lost(sent) and len(self._missing(sent)) >= sent.missing

    def _goes_on(self, sent: _Sent) -> bool:
        """Whether a job was lost on its way; its task is now without one."""
        if sent.job is None or not self._is_lost(sent):
            return False
        sent.job, sent.looks = None, 0
        self._patience = FIRST_LOOK
        return True

    def _is_lost(self, sent: _Sent) -> bool:
        return sent.looks >= LOOKS or sent.failed() is not None

    def _missing(self, sent: _Sent) -> list[Runs]:
        return [chunk for chunk in sent.chunks if not self._files.has(chunk)]

    def _submit_gathered(self, running: int) -> None:
        """Submit what there is room for; where enough of them can run, only once in a while."""
        room = ARRAY if self._cluster.queues else self.slots - running
        wave, rest = self._gathered[: max(room, 0)], self._gathered[max(room, 0) :]
        early = running >= self.slots and time.monotonic() - self._submitted < WAVE_SECONDS
        if not wave or (early and self._cluster.queues):
            return
        tasks = [
            Task(
                self._files,
                self._packed,
                each.chunks,
                each.over,
                cores=self._share.cores,
                gpus=self._share.gpus,
                limit=self._share.limit,
            )
            for each in wave
        ]
        for each in wave:
            each.missing = len(self._missing(each))
        for each, job in zip(wave, self._cluster.submit(tasks), strict=True):
            each.job = job
        self._gathered = rest
        self._submitted = self._asked = time.monotonic()
        if not running:
            self._patience = FIRST_LOOK

    def _look_after(self, running: Sequence[_Sent]) -> None:
        """Ask which jobs are over, the more seldom the longer all goes well."""
        over = self._cluster.ended([each.job for each in running])
        for each in running:
            each.how = over.get(each.job.job_id, "")
            each.looks = each.looks + 1 if each.how else 0
        self._patience = FIRST_LOOK if over else min(1.5 * self._patience, LAST_LOOK)
        self._asked = time.monotonic()

    def _forget_stored(self) -> None:
        self._files.remove(self._stored)
        self._stored = []


def _log_of(job: Any) -> str:
    """The last line that a job has printed, and where the others are."""
    for path in (job.paths.stderr, job.paths.stdout):
        with contextlib.suppress(OSError):
            words = _last_line(path.read_text(errors="replace"))
            if words:
                return f"{words} ({path})"
    return f"it has left no log in {job.paths.folder}; do the nodes share this disk?"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
