"""Worker processes of this machine, each with cores of its own."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from multiprocessing import connection
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from flatfast.lab.engines import worker
from flatfast.lab.engines.devices import WORKER_CORES, devices_of
from flatfast.lab.engines.dispatch import LostWorkerError, dispatch
from flatfast.lab.engines.job import Job, pack
from flatfast.lab.engines.passing import passing_folder
from flatfast.lab.engines.worker import Made
from flatfast.lab.machine import usable_cores, versions
from flatfast.lab.runs import Runs
from flatfast.lab.simulation.simulate import tile_of
from flatfast.lab.sweep import Failure

FOLDER = "flatfast-jobs-"
"""Beginning of the name of the folder of packed jobs."""


class Processes:
    """Makes engines whose chunks are made by processes that all of them share.

    Use as a context manager: the processes end with it, and with this process, however it ends.
    """

    def __init__(self, workers: int | None = None, cores: int | None = None) -> None:
        """Start nothing yet.

        Args:
            workers: How many; by default as many as there are cores for.
            cores: Of each worker; by default :data:`flatfast.lab.engines.devices.WORKER_CORES`, or
                what there is for so many workers.

        Raises:
            ValueError: If there are none, or there are not cores enough.
        """
        here = usable_cores()
        for name, value in (("workers", workers), ("cores", cores)):
            if value is not None and not 1 <= value <= here:
                raise ValueError(f"{name} must be from 1 to {here}, the cores here, got {value}")
        if cores is None:
            cores = min(WORKER_CORES, here) if workers is None else here // workers
        self.cores = cores
        self.slots = here // cores if workers is None else workers
        if self.slots * cores > here:
            raise ValueError(
                f"{self.slots} workers of {cores} cores need {self.slots * cores}, and here are "
                f"{here}"
            )
        self._pool: ProcessPoolExecutor | None = None
        self._versions = versions()
        self._open = ExitStack()
        self._folder = Path()

    def __enter__(self) -> "Processes":
        """Have a folder for packed jobs; the processes start with the first task."""
        self._folder = self._open.enter_context(passing_folder(FOLDER))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes."""
        self.stop()
        self._open.close()

    def __call__(self, job: Job) -> "ProcessEngine":
        """An engine for runs of this job.

        Raises:
            NotSentError: If the problem cannot be sent to another process.
        """
        packed = pack(job)
        path = self._folder / hashlib.sha256(packed).hexdigest()
        path.write_bytes(packed)
        return ProcessEngine(self, path, devices_of(self.cores) * tile_of(job.problem, job.dtype))

    def submit(self, path: Path, task: Sequence[Runs]) -> Future[Made]:
        """Send a task to a process, which is started if there is none."""
        for _ in range(2):
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self.slots, context, _begin)
            try:
                return self._pool.submit(
                    worker.make,
                    path.name,
                    partial(path.read_bytes),
                    task,
                    self._versions,
                    self.cores,
                )
            except BrokenExecutor:  # since the last look
                self.stop()
        raise LostWorkerError("worker processes end as soon as they begin")

    def stop(self) -> None:
        """End the processes, whatever they do."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()


class ProcessEngine:
    """Has chunks made by processes; see :class:`flatfast.lab.sweep.Engine`.

    Attributes:
        width: A tile for each device of a worker.
        workers: Processes.
    """

    def __init__(self, processes: Processes, path: Path, width: int) -> None:
        """Of the processes, a packed job and the width of its chunks."""
        self._processes, self._path = processes, path
        self.width = width
        self.workers = self.slots = processes.slots

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        """Have chunks made, several at once."""
        yield from dispatch(chunks, self)

    def submit(self, task: Sequence[Runs]) -> Future[Made]:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        return self._processes.submit(self._path, task)

    def wait(self, sent: Sequence[Future[Made]]) -> Sequence[Future[Made]]:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        return list(wait(sent, return_when=FIRST_COMPLETED).done)

    def result(self, sent: Future[Made]) -> Made:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        try:
            return sent.result()
        except BrokenExecutor as error:
            self._processes.stop()  # the next task starts new ones
            raise LostWorkerError(f"a worker process died: {error}") from error

    def cancel(self, sent: Sequence[Future[Made]]) -> None:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        if sent:
            self._processes.stop()


def _begin() -> None:
    """Leave Ctrl-C to the driver, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
