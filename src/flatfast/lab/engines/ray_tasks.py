"""Chunks made by tasks of Ray: on a cluster, or on a small one of this machine's own.

Only the driver stores. What a task knows comes to it by value, so that a node needs flatfast and
its libraries and nothing else; a node that lacks them ends the sweep in its words.
"""

import hashlib
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any

import pyarrow as pa
import ray
from ray import exceptions

from flatfast.lab.engines import worker
from flatfast.lab.engines.devices import WORKER_CORES, devices_of
from flatfast.lab.engines.dispatch import LostWorkerError, dispatch
from flatfast.lab.engines.job import Job, pack
from flatfast.lab.engines.ray_cluster import LOCAL, connected, look_for, own_cluster
from flatfast.lab.engines.worker import Made
from flatfast.lab.machine import usable_cores, versions
from flatfast.lab.runs import Runs
from flatfast.lab.simulation.simulate import tile_of
from flatfast.lab.sweep import Failure

ADDRESS = r"[^:/\s]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}"
"""How ``host:port`` is written."""

LOOK_SECONDS = 10.0
"""How often it is looked which nodes have come and gone."""

LOST = (
    exceptions.WorkerCrashedError,
    exceptions.LocalRayletDiedError,
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.OutOfDiskError,
    exceptions.ObjectLostError,
)
"""What Ray says of a task whose worker, node or result was lost, and not of an error in it."""


class Ray:
    """Makes engines whose chunks are tasks of one cluster.

    Use as a context manager: tasks, and a cluster of its own, end with it. A cluster that this
    process is connected to is used and left.
    """

    def __init__(
        self,
        address: str | None = None,
        cores: int | None = None,
        gpus: float | None = None,
        workers: int | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            address: ``host:port`` of a cluster that this machine is a node of, or ``auto``; by
                default what ``RAY_ADDRESS`` says, or a cluster of this machine's own cores.
            cores: CPUs of each task; by default :data:`flatfast.lab.engines.devices.WORKER_CORES`.
            gpus: GPUs of each task; by default none. Below 1, tasks share one.
            workers: Tasks that run at once; by default as many as the nodes have room for, those
                that join later too. Say it where an autoscaler has yet to start the first node.

        Raises:
            ValueError: If one is out of range.
        """
        self.address = address or os.environ.get("RAY_ADDRESS") or LOCAL
        if self.address not in (LOCAL, "auto") and not re.fullmatch(ADDRESS, self.address):
            raise ValueError(
                "address must be host:port of a cluster that this machine is a node of, or auto, "
                f"got {self.address!r}; elsewhere, start the command with ray job submit"
            )
        here = usable_cores()
        for name, value in (("workers", workers), ("cores", cores)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        if gpus is not None and not (0 < gpus <= 1 or (gpus > 1 and gpus == int(gpus))):
            raise ValueError(
                f"gpus must be a whole number, at least 1, or between 0 and 1, got {gpus:g}"
            )
        self.gpus = gpus or 0
        self._most = workers
        self._own = self.address == LOCAL and not ray.is_initialized()
        self.cores = (
            cores if cores is not None else min(WORKER_CORES, here) if self._own else WORKER_CORES
        )
        if self._own and self.cores * (workers or 1) > here:
            raise ValueError(
                f"{workers or 1} tasks of {self.cores} cores need {self.cores * (workers or 1)}, "
                f"and here are {here}"
            )
        self._open = ExitStack()
        self._looked = -LOOK_SECONDS
        self._slots = 0

    def __enter__(self) -> "Ray":
        """Start the cluster, or connect to it.

        Raises:
            ConnectionError: If there is none at the address.
            ValueError: If no node has room for a task.
        """
        with ExitStack() as opened:
            if self._own:
                opened.enter_context(own_cluster())
            elif not ray.is_initialized():
                if self.address != "auto":
                    look_for(self.address)
                opened.enter_context(connected(self.address))
            if not self.slots():
                asked = f"{self.cores} CPUs" + (f" and {self.gpus:g} GPUs" if self.gpus else "")
                raise ValueError(
                    f"no node has {asked} for a task; ask for fewer, or say how many workers where "
                    "nodes have yet to start"
                )
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the cluster, or leave it."""
        self._open.close()

    def __call__(self, job: Job) -> "RayEngine":
        """An engine for runs of this job, which is put into the cluster once.

        Raises:
            NotSentError: If the problem cannot be sent to another process.
        """
        packed = pack(job)
        tile = tile_of(job.problem, job.dtype, "gpu" if self.gpus else "cpu")
        width = tile * (math.ceil(self.gpus) or devices_of(self.cores))
        # A worker's error is final, and a lost worker is the dispatcher's concern: Ray itself would
        # try a task that takes too much memory for ever.
        task = ray.remote(worker.make).options(
            num_cpus=self.cores,
            num_gpus=self.gpus,
            max_retries=0,
            name=f"flatfast {job.problem.name}",
        )
        return RayEngine(self, task, hashlib.sha256(packed).hexdigest(), ray.put(packed), width)

    def slots(self) -> int:
        """Tasks that run at once, as the nodes are now; the last number where all are gone."""
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            room = sum(
                _room(n["Resources"], self.cores, self.gpus) for n in ray.nodes() if n["Alive"]
            )
            if self._most is not None:
                room = min(room, self._most) or self._most
            self._slots = room or self._slots
        return self._slots


class RayEngine:
    """Has chunks made by tasks of Ray; see :class:`flatfast.lab.sweep.Engine`.

    Attributes:
        width: A tile for each device of a worker.
        workers: Tasks that run at once, as far as was known at the last look.
    """

    def __init__(self, cluster: Ray, task: Any, key: str, packed: Any, width: int) -> None:
        """Of a cluster, the task that makes chunks, its job's name and place, and their width."""
        self._cluster, self._task, self._key, self._packed = cluster, task, key, packed
        self._versions = versions()
        self.width = width
        self.workers = self.slots = cluster.slots()

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        """Have chunks made, several at once."""
        yield from dispatch(chunks, self)

    def submit(self, task: Sequence[Runs]) -> Any:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        load = partial(ray.get, self._packed)  # the job itself travels only where it is not yet
        cores, gpus = self._cluster.cores, self._cluster.gpus
        return self._task.remote(self._key, load, task, self._versions, cores, gpus)

    def wait(self, sent: Sequence[Any]) -> Sequence[Any]:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        ray.wait(list(sent), num_returns=1)
        ended: list[Any] = ray.wait(list(sent), num_returns=len(sent), timeout=0)[0]
        self.workers = self.slots = self._cluster.slots()
        return ended

    def result(self, sent: Any) -> Made:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        try:
            made: Made = ray.get(sent)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, LOST):  # of the job, on its way
                raise LostWorkerError(_first_line(error.cause)) from error
            raise error.cause from error
        except LOST as error:
            raise LostWorkerError(_first_line(error)) from error
        return made

    def cancel(self, sent: Sequence[Any]) -> None:
        """See :class:`flatfast.lab.engines.dispatch.Workers`."""
        for task in sent:
            ray.cancel(task, force=True)


def _room(has: Mapping[str, float], cores: int, gpus: float) -> int:
    """Tasks for which a node has CPUs and GPUs."""
    room = int(has.get("CPU", 0) // cores)
    if gpus:
        cards = has.get("GPU", 0)
        room = min(room, int(cards // gpus) if gpus >= 1 else int(cards) * int(1 / gpus + 1e-9))
    return room


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
