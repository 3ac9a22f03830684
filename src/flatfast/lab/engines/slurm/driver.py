"""What opens the slurm engine for a sweep, and leaves nothing of it behind."""

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from flatfast.extras import require
from flatfast.lab.atomic import atomically
from flatfast.lab.engines.devices import WORKER_CORES, devices_of
from flatfast.lab.engines.job import Job, pack
from flatfast.lab.engines.slurm.cluster import (
    Cluster,
    LocalCluster,
    SlurmCluster,
    SlurmError,
    slurm_answers,
)
from flatfast.lab.engines.slurm.engine import TASK_SECONDS, Share, SlurmEngine
from flatfast.lab.engines.slurm.files import Chunks, kind_of
from flatfast.lab.engines.slurm.settings import TIME, gpus_of, settings_of
from flatfast.lab.folder_lock import FolderLock
from flatfast.lab.simulation.simulate import tile_of
from flatfast.lab.survey import JOBS
from flatfast.lab.sweep import InterruptedSweepError

MOST_SLOTS = 64
"""Jobs that run at once where nobody says how many."""

MADE, PACKED, LOG, ABOUT = "made", "packed", "log", "about.json"
"""What lies in the folder: chunks, jobs, submitit's files, and where its jobs went."""


class Slurm:
    """Makes engines whose chunks are made by jobs.

    Use as a context manager: its jobs end with it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int | None = None,
        cores: int | None = None,
        slurm: Sequence[str] = (),
        fresh: bool = False,
        seconds: float = TASK_SECONDS,
    ) -> None:
        """Submit nothing yet.

        Args:
            folder: The sweep's, on a disk that driver and nodes share, and nobody else's.
            workers: Jobs that run at once; by default as many as there are cores for, at most
                :data:`MOST_SLOTS`.
            cores: Of each job; by default :data:`flatfast.lab.engines.devices.WORKER_CORES`.
            slurm: Settings of the jobs, each as ``KEY=VALUE``: ``time`` in minutes, ``partition``,
                ``account``, ``mem``, ``gpus_per_node`` and whatever else sbatch takes;
                ``cluster=local`` for processes of this machine.
            fresh: Make no use of what an earlier driver's jobs have made.
            seconds: What a job should take.

        Raises:
            ModuleNotFoundError: If submitit is not installed.
            ValueError: If a setting, or the number of workers or cores, is out of range.
        """
        require("the engine slurm", "slurm", "submitit", "cloudpickle")
        for name, value in (("workers", workers), ("cores", cores)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self._settings = settings_of(slurm)
        self._chosen: str | None = self._settings.pop("cluster", None)
        self._folder = folder.absolute() / JOBS
        self._workers, self._cores = workers, WORKER_CORES if cores is None else cores
        self._fresh, self._seconds = fresh, seconds

    def __enter__(self) -> "Slurm":
        """Stop what a killed driver has left; see what SLURM there is."""
        self._lock = FolderLock(self._folder)  # whose jobs else might be a living driver's
        try:
            self._open()
        except BaseException:
            self._lock.release(keep=False)
            raise
        return self

    def _open(self) -> None:
        kind = self._chosen or "slurm"
        if self._chosen is None and not slurm_answers():
            raise SlurmError(
                "no SLURM answers here; --slurm cluster=local makes the jobs processes of this "
                "machine"
            )
        self._end_earlier()
        about = {"cluster": kind, "name": f"flatfast-{uuid.uuid4().hex[:12]}"}
        self._cluster = self._cluster_of(about, self._settings)
        for part in (MADE, PACKED, LOG):
            (self._folder / part).mkdir(exist_ok=True)
        with atomically(self._folder / ABOUT) as partial:
            partial.write_text(json.dumps(about))
        self._share = Share(
            slots=self._workers or min(self._cluster.at_once, MOST_SLOTS),
            cores=self._cores,
            gpus=gpus_of(self._settings),
            limit=60.0 * self._settings["time"],
            seconds=self._seconds,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel the jobs. What could not be stored is kept, and logs where there was an error."""
        self._cluster.cancel_all()
        left = any((self._folder / MADE).glob("*.arrow"))
        stopped = isinstance(error, KeyboardInterrupt | InterruptedSweepError)
        logs = not stopped and any((self._folder / LOG).glob("*_log.*"))
        keep = error is not None and (left or logs)
        if not keep:
            for part in (MADE, PACKED, LOG):
                shutil.rmtree(self._folder / part, ignore_errors=True)
            (self._folder / ABOUT).unlink(missing_ok=True)
        self._lock.release(keep=keep)
        if not keep:
            with contextlib.suppress(OSError):  # somebody waits for it already
                self._folder.rmdir()

    def __call__(self, job: Job) -> SlurmEngine:
        """An engine for runs of this job.

        Raises:
            NotSentError: If the problem cannot be sent to another process.
        """
        packed = pack(job)
        path = self._folder / PACKED / hashlib.sha256(packed).hexdigest()
        with atomically(path) as partial:
            partial.write_bytes(packed)
        on_gpu = self._share.gpus > 0
        tile = tile_of(job.problem, job.dtype, "gpu" if on_gpu else "cpu")
        width = tile * (self._share.gpus if on_gpu else devices_of(self._share.cores))
        files = Chunks(self._folder / MADE, kind_of(job))
        return SlurmEngine(self._cluster, self._share, path, files, width)

    def _cluster_of(self, about: Mapping[str, str], settings: Mapping[str, Any]) -> Cluster:
        kind = SlurmCluster if about["cluster"] == "slurm" else LocalCluster
        return kind(self._folder / LOG, about["name"], {"cpus_per_task": self._cores, **settings})

    def _end_earlier(self) -> None:
        """End the jobs of a driver that was killed, and keep what they have made."""
        try:
            about = json.loads((self._folder / ABOUT).read_text())
        except FileNotFoundError:
            return
        with contextlib.suppress(SlurmError):  # that SLURM is gone, and its jobs with it
            self._cluster_of(about, {"time": TIME}).cancel_all()
        for part in (PACKED, LOG, *([MADE] if self._fresh else [])):
            shutil.rmtree(self._folder / part, ignore_errors=True)
        for path in (self._folder / MADE).glob("*"):
            if path.suffix != ".arrow":  # what was refused is tried again
                path.unlink()
