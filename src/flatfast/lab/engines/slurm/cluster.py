"""Where the slurm engine's jobs go: a SLURM, or processes of this machine in its place.

Jobs are submitted by submitit. What becomes of them is asked of ``squeue``, which every SLURM has
(submitit asks ``sacct``, which tells nothing where no database keeps accounts), for all jobs of an
engine at once: they share a name that no others have.
"""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Protocol

from flatfast.lab.engines.slurm.task import Task
from flatfast.lab.machine import usable_cores

ACTIVE = {
    *("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"),
    *("COMPLETING", "STAGE_OUT", "REQUEUED", "REQUEUE_FED", "RESV_DEL_HOLD"),
}
"""States of jobs that go on, or will."""

NEVER = {
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "PartitionConfig",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
}
"""Reasons for which a job waits for good."""

TRIES = 5
"""How often a scheduler that is too busy to take jobs is asked."""

ANSWER = 120
"""Seconds within which a scheduler must answer."""

DYING = 60.0
"""Seconds within which jobs that are cancelled must have ended."""

RESTARTS = 1000
"""How often a job may be queued again at its time limit, as long as it comes forward."""


class SlurmError(RuntimeError):
    """SLURM does not do what it is asked for; the message tells what it said."""


class Cluster(Protocol):
    """Where jobs go."""

    at_once: int
    """Jobs that can run at once."""

    queues: bool
    """Whether jobs for which there is no room yet can be submitted too."""

    def submit(self, tasks: Sequence[Task]) -> list[Any]:
        """Send tasks on their way, all together; gives submitit's jobs."""
        ...

    def ended(self, jobs: Sequence[Any]) -> dict[str, str]:
        """By the jobs' numbers, how those have ended that are over."""
        ...

    def cancel(self, jobs: Sequence[Any]) -> None:
        """End jobs, and wait until they have."""
        ...

    def cancel_all(self) -> None:
        """The same for whatever was submitted to this place, by a driver that died included."""
        ...


class SlurmCluster:
    """A SLURM, as the commands on this machine reach it."""

    queues = True

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        """Submit nothing yet.

        Args:
            folder: Of submitit's files, on a disk that driver and nodes share.
            name: Of the jobs; no others have it.
            settings: As :func:`flatfast.lab.engines.slurm.settings.settings_of` gives them, and
                ``cpus_per_task``.

        Raises:
            SlurmError: If SLURM does not answer.
        """
        self._name = name
        asked = ["sinfo", "--noheader", "--format=%C"]
        if "partition" in settings:
            asked.append(f"--partition={settings['partition']}")
        cores = [int(line.split("/")[-1]) for line in _told(asked).split()]
        self.at_once = max(sum(cores) // settings["cpus_per_task"], 1)
        self._executor = _executor("slurm", folder, {**settings, "job_name": name})

    def submit(self, tasks: Sequence[Task]) -> list[Any]:
        """See :class:`Cluster`.

        Raises:
            SlurmError: If they are refused.
        """
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        pause = 2.0
        while True:
            try:
                # Submitit prints what sbatch says, which our errors tell.
                with _outside_of_jobs(), contextlib.redirect_stderr(io.StringIO()):
                    return list(self._executor.submit_array(list(tasks)))
            except (FailedJobError, FailedSubmissionError) as error:
                words = " ".join(str(error).split())
                busy = "temporarily" in words or "timed out" in words.lower()
                if not busy or pause > 2.0**TRIES:
                    raise SlurmError(f"sbatch refused {len(tasks)} jobs: {words}") from error
            time.sleep(pause)
            pause *= 2

    def ended(self, jobs: Sequence[Any]) -> dict[str, str]:
        """See :class:`Cluster`.

        Raises:
            SlurmError: If a job waits for what will never be.
        """
        try:
            states = self._states()
        except SlurmError:  # too busy to answer: later
            return {}
        over = {}
        for job in jobs:
            state, reason = states.get(job.job_id, ("forgotten", ""))
            if state == "PENDING" and reason in NEVER:
                raise SlurmError(f"SLURM will never start the jobs ({reason}); see --slurm")
            # It could not be started, and would wait for somebody to release it.
            stuck = "requeued" in reason.lower() or reason == "JobHoldMaxRequeue"
            if stuck:
                self.cancel([job])
            if stuck or state not in ACTIVE:
                over[job.job_id] = f"{state} {reason.replace('None', '')}".strip()
        return over

    def cancel(self, jobs: Sequence[Any]) -> None:
        """See :class:`Cluster`."""
        if jobs:
            self._cancel([job.job_id for job in jobs])

    def cancel_all(self) -> None:
        """See :class:`Cluster`."""
        with contextlib.suppress(SlurmError):
            known = self._states()
            if any(state in ACTIVE for state, _ in known.values()):
                self._cancel(sorted({number.split("_")[0] for number in known}))

    def _cancel(self, numbers: Sequence[str]) -> None:
        """End jobs or whole arrays; what waits goes first, or it would begin where others end."""
        self._scancel("--state=PENDING", *numbers)
        # Submitit's jobs do not heed SIGTERM, after which SLURM waits half a minute to kill them.
        self._scancel("--signal=HUP", *self._of(numbers, {"RUNNING"}))
        self._scancel(*numbers)
        until = time.monotonic() + DYING
        while self._of(numbers, ACTIVE) and time.monotonic() < until:
            time.sleep(0.2)

    def _scancel(self, *words: str) -> None:
        if words and not words[-1].startswith("--"):
            with contextlib.suppress(SlurmError):
                _told(["scancel", "--quiet", *words])

    def _of(self, numbers: Sequence[str], states: Set[str]) -> list[str]:
        """Those of jobs or whole arrays that are in one of these states, as far as SLURM tells."""
        try:
            known = self._states()
        except SlurmError:
            return list(numbers)
        mine = (n for n in known if n in numbers or n.partition("_")[0] in numbers)
        return [number for number in mine if known[number][0] in states]

    def _states(self) -> dict[str, tuple[str, str]]:
        """State and reason of all jobs of our name that SLURM has not forgotten."""
        columns = "--format=%i|%T|%r"
        told = _told(
            ["squeue", "--noheader", "--array", "--states=all", "--name", self._name, columns]
        )
        lines = (line.split("|") for line in told.splitlines())
        return {line[0]: (line[1], line[2]) for line in lines if len(line) == 3}


class LocalCluster:
    """Processes of this machine, where there is no SLURM or none is wanted."""

    queues = False

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        """Start nothing yet; as :class:`SlurmCluster`."""
        del name
        self._folder = folder
        self._executor = _executor("local", folder, settings)
        self.at_once = max(usable_cores() // settings["cpus_per_task"], 1)

    def submit(self, tasks: Sequence[Task]) -> list[Any]:
        """See :class:`Cluster`."""
        return list(self._executor.submit_array(list(tasks)))

    def ended(self, jobs: Sequence[Any]) -> dict[str, str]:
        """See :class:`Cluster`."""
        return {job.job_id: job.state for job in jobs if job.done()}

    def cancel(self, jobs: Sequence[Any]) -> None:
        """See :class:`Cluster`."""
        self._end([int(job.job_id) for job in jobs])
        for job in jobs:  # where the system does not tell of processes
            job.cancel(check=False)

    def cancel_all(self) -> None:
        """See :class:`Cluster`."""
        names = (file.name.partition("_")[0] for file in self._folder.glob("*_submitted.pkl"))
        self._end([int(name) for name in names if name.isdecimal()])

    def _end(self, numbers: Sequence[int]) -> None:
        """End controllers with their children, and wait until they have ended."""
        mine = [number for number in numbers if self._is_ours(number)]
        for number in mine:
            children = _children(number)
            for each in (number, *children):  # the first would start the others again
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
        until = time.monotonic() + DYING
        while any(map(_is_alive, mine)) and time.monotonic() < until:
            time.sleep(0.02)

    def _is_ours(self, number: int) -> bool:
        """Whether a process is one of our controllers, and not another that has its number now."""
        try:
            words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self._folder) in words


def _is_alive(number: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in ("Z", "X")
    return False


def _children(number: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [*map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())]
    return []


def slurm_answers() -> bool:
    """Whether there is a SLURM here, and it runs."""
    try:
        return bool(_told(["sinfo", "--noheader"]))
    except SlurmError:
        return False


def _executor(cluster: str, folder: Path, settings: Mapping[str, Any]) -> Any:
    """Submitit's executor for one cluster, with sbatch's options by their own names."""
    import submitit
    from submitit.slurm.slurm import _get_default_parameters

    known = set(_get_default_parameters())
    if isinstance(settings.get("gpus_per_node"), str):  # as a100:1
        known.remove("gpus_per_node")
    executor = submitit.AutoExecutor(str(folder), cluster, slurm_max_num_timeout=RESTARTS)
    if cluster == "local":
        executor.update_parameters(timeout_min=settings["time"])
        return executor
    executor.update_parameters(
        **{f"slurm_{name}": value for name, value in settings.items() if name in known},
        # From SLURM 22.05 on srun takes no notice of the cores that sbatch was given.
        slurm_srun_args=[f"--cpus-per-task={settings['cpus_per_task']}"],
        slurm_additional_parameters={k: v for k, v in settings.items() if k not in known},
    )
    return executor


def _told(command: Sequence[str]) -> str:
    """What a command of SLURM prints.

    Raises:
        SlurmError: If it fails, or is not there.
    """
    if shutil.which(command[0]) is None:
        raise SlurmError(f"there is no {command[0]} here, and so no SLURM")
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} did not answer within {ANSWER} s") from None
    if ended.returncode != 0:
        words = " ".join(ended.stderr.split()) or f"exit code {ended.returncode}"
        raise SlurmError(f"{command[0]} failed: {words}")
    return ended.stdout


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Submit as if this were no job itself, whose cores and memory would be those of all others."""
    inside = "SLURM_JOB_ID" in os.environ
    names = [name for name in os.environ if name.startswith("SLURM_") and name != "SLURM_CONF"]
    own = {name: os.environ.pop(name) for name in names if inside}
    try:
        yield
    finally:
        os.environ.update(own)
