"""How a sweep goes on, in a file of its folder: for whoever looks from another terminal.

The store knows nothing of the file, and no run depends on it: where it cannot be written the sweep
goes on without. It is written by the process that holds the folder's lock, and says no more than
what that process knew last; whether it still runs, the lock tells.
"""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol

from flatfast.lab.atomic import atomically

STATUS = "status.json"
"""Name of the file, in a sweep's folder."""

LIVE = "progress.html"
"""Name of the page that :class:`flatfast.lab.report.live.LivePage` makes of it."""

FORMAT = 1

EVERY = 1.0
"""Seconds between two writes, at least."""

MOST_CAUSES = 20
"""Causes of failures that are kept apart."""

OTHER = "other causes"

LONGEST = 300
"""Characters of a cause."""

WINDOW = 60.0
"""Seconds over which rates are taken; longer where a chunk takes longer."""


class State(StrEnum):
    """What became of a sweep."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """How far a sweep is.

    A sweep may have several stages (a grid, compared methods, rounds), which are not all known
    beforehand: runs and steps are those of the last that has begun, failures those of all.

    Attributes:
        state: What became of it, as far as its process could say.
        stage: What the runs are for.
        engine: Where they are made.
        workers: Chunks that are made at once.
        wanted: Runs that the stage asks for.
        stored: Those of them that are stored.
        failed: Those of them that could not be made.
        planned_steps: Steps that those may take, at most, that were missing when it began.
        planned_done: The same of those of them that are stored by now.
        steps: Steps that they really took.
        steps_per_second: Steps taken, over the last minute; 0 where nothing is known yet.
        planned_per_second: Planned steps that were done with, over the last minute.
        started: When the process began, in seconds since 1970.
        updated: When this was written.
        failures: Cause to the number of runs that could not be made for it.
        error: Why the sweep failed; "" if it did not.
    """

    state: State = State.RUNNING
    stage: str = ""
    engine: str = ""
    workers: int = 1
    wanted: int = 0
    stored: int = 0
    failed: int = 0
    planned_steps: int = 0
    planned_done: int = 0
    steps: int = 0
    steps_per_second: float = 0.0
    planned_per_second: float = 0.0
    started: float = 0.0
    updated: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    error: str = ""

    @property
    def left(self) -> float | None:
        """Seconds that the stage may still take, by planned steps; None if that is not known."""
        if not self.planned_per_second > 0:
            return None
        return (self.planned_steps - self.planned_done) / self.planned_per_second


class Folder(Protocol):
    """A store, as far as its status is concerned."""

    folder: Path
    claimed: bool


class StatusFile:
    """Keeps the status of a sweep; is told of it as :class:`flatfast.lab.sweep.Progress` is.

    Use as a context manager around the sweep: the way that it ends is its state.
    """

    def __init__(
        self,
        store: Folder,
        stages: tuple[str, ...] = (),
        *,
        engine: str = "local",
        also: Callable[[Status], object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is written before the folder is the sweep's.

        Args:
            store: The sweep's store.
            stages: What the stages to come are called, in turn.
            engine: Where the runs are made.
            also: Is told of every status that is written; its errors of files are let pass too.
            clock: Seconds since 1970.
        """
        self._store, self._stages, self._also, self._clock = store, list(stages), also, clock
        self._now = Status(engine=engine, started=clock())
        self._marks: deque[tuple[float, int, int]] = deque()
        self._written = -EVERY
        self._later: threading.Timer | None = None
        self._guard = threading.RLock()

    def __enter__(self) -> "StatusFile":
        """The sweep begins."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The sweep has ended."""
        later = self._later
        if later is not None:
            later.cancel()
            later.join()
        state = _end(error)
        told = (str(error).splitlines() or [type(error).__name__])[0]
        self._now = replace(self._now, state=state, error=told if state is State.FAILED else "")
        self._write()

    def begin_round(self, why: str) -> None:
        """What the next runs are for; see :class:`flatfast.lab.adaptive.sweep.Rounds`."""
        self._stages.insert(0, why)

    def end_rounds(self, why: str) -> None:
        """There are no more rounds."""

    def begin(self, runs: int, done: int, planned_steps: int, workers: int = 1) -> None:
        """A stage begins; see :class:`flatfast.lab.sweep.Progress`."""
        with self._guard:
            self._now = Status(
                stage=self._stages.pop(0) if self._stages else "runs",
                engine=self._now.engine,
                workers=workers,
                wanted=runs,
                stored=done,
                planned_steps=planned_steps,
                started=self._now.started,
                failures=self._now.failures,
            )
            self._marks = deque([(self._clock(), 0, 0)])
        self._soon()

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """Runs were stored; see :class:`flatfast.lab.sweep.Progress`."""
        with self._guard:
            planned, taken = self._now.planned_done + planned_steps, self._now.steps + steps
            now = self._clock()
            self._marks.append((now, planned, taken))
            while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW:
                self._marks.popleft()
            since, planned_then, taken_then = self._marks[0]
            spent = max(now - since, 1e-9)
            self._now = replace(
                self._now,
                stored=self._now.stored + runs,
                planned_done=planned,
                steps=taken,
                planned_per_second=(planned - planned_then) / spent,
                steps_per_second=(taken - taken_then) / spent,
            )
        self._soon()

    def fail(self, runs: int, why: str) -> None:
        """Runs could not be made; see :class:`flatfast.lab.sweep.Progress`."""
        cause = (why.splitlines() or [""])[0][:LONGEST]
        with self._guard:
            failures = dict(self._now.failures)
            if cause not in failures and len(failures) >= MOST_CAUSES:
                cause = OTHER
            failures[cause] = failures.get(cause, 0) + runs
            self._now = replace(self._now, failed=self._now.failed + runs, failures=failures)
        self._soon()

    def _soon(self) -> None:
        """Write now, or as soon as the last write is long enough ago."""
        wait = self._written + EVERY - time.monotonic()
        if wait <= 0:
            self._write()
        elif self._later is None:
            self._later = threading.Timer(wait, self._write_late)
            self._later.daemon = True
            self._later.start()

    def _write_late(self) -> None:
        self._later = None
        self._write()

    def _write(self) -> None:
        with self._guard:
            self._written = time.monotonic()
            if not self._store.claimed:
                return
            status = replace(self._now, updated=self._clock())
            with contextlib.suppress(OSError):
                write_status(self._store.folder, status)
            if self._also is not None:
                with contextlib.suppress(OSError):
                    self._also(status)


def write_status(folder: Path, status: Status) -> None:
    """Write the status of a folder's sweep.

    Raises:
        OSError: If it cannot be written.
    """
    said = {"format": FORMAT, **asdict(status)}
    for name in ("started", "updated"):
        said[name] = datetime.fromtimestamp(said[name], UTC).isoformat(timespec="milliseconds")
    with atomically(folder / STATUS) as partial:
        partial.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def read_status(folder: Path) -> Status | None:
    """The status that lies in a folder; None if there is none that can be read."""
    try:
        said = json.loads((folder / STATUS).read_text(encoding="utf-8"))
        if said.pop("format") != FORMAT:
            return None
        for name in ("started", "updated"):
            said[name] = datetime.fromisoformat(said[name]).timestamp()
        return Status(**{**said, "state": State(said["state"])})
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    whole = max(round(seconds), 0)
    days, rest = divmod(whole, 86400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days} d {clock}" if days else clock


def compact(value: float) -> str:
    """A number to three digits, with k or M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def _end(error: BaseException | None) -> State:
    if error is None:
        return State.DONE
    # The second by its name: its module is about sweeps, and this one is told of them.
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "InterruptedSweepError":
        return State.STOPPED
    return State.FAILED
