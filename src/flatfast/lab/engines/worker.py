"""What runs in a worker: chunks of a job that came as bytes, on the worker's share of its machine.

Imports no JAX before :func:`settle`: how many devices JAX has and which cores they run on is
settled when it starts.
"""

import fcntl
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from flatfast.lab.machine import available_memory, machine, usable_cores, versions
from flatfast.lab.rows import MADE_ON
from flatfast.lab.runs import Runs

if TYPE_CHECKING:
    from flatfast.lab.engines.simulator import Simulator

JOBS_KEPT = 2
"""Jobs whose compiled programs a worker keeps: a sweep's, and the one before."""

GPU_SHARE = 0.9
"""Of a GPU's memory, for all workers on it together: their programs themselves need some, too."""


@dataclass(frozen=True, eq=False)
class Refused:
    """Runs that a worker could not make, and why, in words: an exception may not travel.

    Attributes:
        runs: Which.
        kind: The error's type.
        words: What it says.
        of_values: Whether it is a ``ValueError``: somebody's input, and no fault of a program.
    """

    runs: Runs
    kind: str
    words: str
    of_values: bool


@dataclass(frozen=True, eq=False)
class Made:
    """What came of a task.

    Attributes:
        rows: Of all its runs that could be made, with what they were made on; None if none could.
        refused: The others, chunk by chunk.
        seconds: That it took.
    """

    rows: pa.Table | None
    refused: list[Refused]
    seconds: float


class OtherVersionsError(RuntimeError):
    """The worker has other versions of what rows depend on than the driver."""


def make(
    key: str,
    load: Callable[[], bytes],
    task: Sequence[Runs],
    known: Mapping[str, str],
    cores: int = 1,
    gpus: float = 0,
) -> Made:
    """Make the runs of a task.

    Args:
        key: Names the job; a worker that has made runs of it does not load it again.
        load: Gives the packed job.
        task: Chunks.
        known: The driver's :func:`flatfast.lab.machine.versions`.
        cores: Of this worker.
        gpus: Of this worker, where it has any.

    Raises:
        OtherVersionsError: If rows from here would not be those of the driver's machine.
    """
    began = time.monotonic()
    here = versions()
    _check_versions(known, here)
    settle(cores, gpus)
    simulator = _simulator(key, load, cores, gpus)
    tables, refused = [], []
    for chunk in task:
        try:
            tables.append(simulator.rows(chunk))
        except Exception as error:
            kind, words = type(error).__name__, str(error)
            refused.append(Refused(chunk, kind, words, isinstance(error, ValueError)))
    rows = None
    if tables:
        about = {MADE_ON: json.dumps({"machine": machine(), "versions": here})}
        rows = pa.concat_tables(tables).replace_schema_metadata(about)
    return Made(rows, refused, time.monotonic() - began)


@functools.cache
def settle(cores: int, gpus: float = 0) -> None:
    """Take a share of this machine, once and before JAX starts: cores, and a device for each.

    Of a GPU that several workers share, each has its part of the memory.

    A process that may use more cores than its share, as a task of Ray may, claims free ones by
    locks that end with it. Where too few are free it stays where it is.
    """
    if usable_cores() > cores and hasattr(os, "sched_setaffinity"):
        claimed = _claim(cores)
        if claimed:
            os.sched_setaffinity(0, claimed)
    if 0 < gpus < 1:  # JAX by default takes three quarters of a GPU's memory when it starts
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{GPU_SHARE * gpus:.3f}")
    import jax

    from flatfast.lab.engines.devices import devices_of

    jax.config.update("jax_num_cpu_devices", devices_of(cores))


_CLAIMED: list[IO[str]] = []
"""Locks held by this process, which the system lets go when it ends, however it ends."""


def _claim(cores: int) -> list[int]:
    folder = Path(tempfile.gettempdir()) / f"flatfast-cores-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        free = []
        for core in sorted(os.sched_getaffinity(0)):
            file = (folder / f"core-{core}").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            _CLAIMED.append(file)
            free.append(core)
            if len(free) == cores:
                return free
    except OSError:  # no place for locks
        pass
    while _CLAIMED:
        _CLAIMED.pop().close()
    return []


_SIMULATORS: dict[str, "Simulator"] = {}
"""Compiled programs by job, the last used at the end."""


def _simulator(key: str, load: Callable[[], bytes], cores: int, gpus: float) -> "Simulator":
    from flatfast.lab.engines.job import unpack
    from flatfast.lab.engines.simulator import MEMORY_SHARE

    found = _SIMULATORS.pop(key, None)
    if found is None:
        while len(_SIMULATORS) >= JOBS_KEPT:
            del _SIMULATORS[next(iter(_SIMULATORS))]
        share = cores / max(os.cpu_count() or 1, cores)
        budget = None if gpus else int(MEMORY_SHARE * share * available_memory())
        found = unpack(load()).simulator(memory_budget=budget)
    _SIMULATORS[key] = found
    return found


def _check_versions(known: Mapping[str, str], here: Mapping[str, str]) -> None:
    others = [
        f"{name} {here.get(name, 'none')}, and not {version}"
        for name, version in known.items()
        if here.get(name) != version
    ]
    if others:
        raise OtherVersionsError(
            f"a worker on {os.uname().nodename} has {'; '.join(others)}: its rows could be others. "
            "Install the same versions on all nodes"
        )
