"""Computes what a study lacks, part by part, and writes its result.

Every part is kept as soon as it is there: stopped at any time, the same command goes on. A part
that the committed result holds is not computed again unless it is asked for.
"""

import fnmatch
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flatfast.lab.sweep import InterruptedSweepError
from studies import engines, machines
from studies.engines import LOCAL
from studies.study import Part, Result, Study, TimeIsUpError, read_json

TOO_LATE = "the time is up"


@dataclass(frozen=True)
class Order:
    """What is wanted of a study.

    Attributes:
        name: The study's.
        folder: Where its parts are kept.
        out: Folder of its result.
        quick: A small look instead of the whole.
        only: Patterns of names of parts; empty for all.
        again: Compute also what the result holds already.
        minutes: Begin no part that would end later, or after that if nobody knows how long it
            takes.
        workers: Parts computed at once.
        engine: What makes the runs of sweeps within parts.
    """

    name: str
    folder: Path
    out: Path
    quick: bool = False
    only: Sequence[str] = ()
    again: bool = False
    minutes: float = float("inf")
    workers: int = 1
    engine: str = LOCAL

    @property
    def result(self) -> Path:
        """The result's path."""
        return self.out / f"{self.name}.json"


@dataclass
class Outcome:
    """What came of the parts that were to be computed, by name; why, where they were not."""

    computed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def wanted(study: Study, order: Order) -> list[Part]:
    """The parts that are asked for."""
    return [
        part
        for part in study.parts(order.folder, order.quick)
        if not order.only or any(fnmatch.fnmatch(part.name, pattern) for pattern in order.only)
    ]


def is_kept(part: Part, order: Order) -> bool:
    """Whether a part is in the folder, whole, with a note of where it was computed."""
    return part.done() and machines.is_noted(order.folder, part.name)


def missing(study: Study, order: Order) -> list[Part]:
    """The parts asked for that are neither in the folder nor, unless again, in the result."""
    known = [] if order.again else machines.measured(read_json(order.result, {}))
    return [p for p in wanted(study, order) if p.name not in known and not is_kept(p, order)]


def check(order: Order) -> None:
    """See that a quick look and the whole are not put together.

    Raises:
        ValueError: If the folder or the result is of the other kind.
    """
    own, other = ("a quick look", "the whole") if order.quick else ("the whole", "a quick look")
    quick = {bool(note.get("quick")) for note in machines.noted(order.folder).values()}
    if quick and quick != {order.quick}:
        raise ValueError(f"{order.folder} holds parts of {other}, and not of {own}")
    before = read_json(order.result, {})
    if before and bool(before.get("quick")) != order.quick:
        raise ValueError(f"{order.result} is the result of {other}, and not of {own}")


def compute(study: Study, order: Order, progress: Progress | None = None) -> Outcome:
    """Compute what is missing. What goes wrong in a part is told, and the others go on.

    Raises:
        KeyboardInterrupt: On Ctrl-C: parts in flight are dropped, but for those of threads, which
            end first.
        ValueError: If the folder or the result is of a quick look and this is not one, or the other
            way round; if there is no such engine, or it does not go with so many workers.
    """
    check(order)
    if order.engine != LOCAL and order.workers > 1 and study.side_by_side == "processes":
        raise ValueError(
            f"parts of {order.name} that are computed at once are processes, each with its own "
            f"runs: give --engine {order.engine} or --workers {order.workers}, not both"
        )
    study.prepare()
    began, outcome, asked_for = time.monotonic(), Outcome(), 0
    with progress or _bar() as bar, engines.using(order.engine, order.folder):
        task = bar.add_task(order.name, total=0)
        while todo := _next(study, order, began, outcome):
            asked_for += len(todo)
            bar.update(task, total=asked_for)
            for ended in _computed(study, order, todo, began + 60 * order.minutes):
                if not ended.error:
                    outcome.computed.append(ended.name)
                    bar.console.print(f"{ended.name}: {ended.seconds:.1f} s")
                elif ended.error.startswith(TOO_LATE):
                    outcome.left[ended.name] = ended.error
                else:
                    outcome.failed[ended.name] = ended.error
                    bar.console.print(f"{ended.name}: failed: {ended.error}", markup=False)
                bar.advance(task)
    return outcome


def collect(study: Study, order: Order) -> Result:
    """Write the result and the figures of what is there; a result of nothing is not written.

    Returns:
        The result; empty if nothing is measured.

    Raises:
        ValueError: As :func:`compute`, and if a file that it reads is damaged.
    """
    check(order)
    before = study.load(order.result)
    ran_on = machines.merged(before, machines.noted(order.folder))
    if not ran_on:
        return {}
    quick = {"quick": True} if order.quick else {}
    result = {"machines": ran_on, **quick, **study.collect(order.folder, before)}
    study.save(order.result, result)
    study.draw(result, order.out)
    return result


def _next(study: Study, order: Order, began: float, outcome: Outcome) -> list[Part]:
    """The parts to compute in the next round; notes why others are left.

    What a part needs may have been made in the round before.
    """
    spent, todo = time.monotonic() - began, []
    late = [name for name, why in outcome.left.items() if why.startswith(TOO_LATE)]
    for part in missing(study, order):
        if part.name in (*outcome.computed, *outcome.failed, *late):
            continue
        why = part.needs and f"needs {part.needs}"
        if not why and spent + part.least_seconds >= 60 * order.minutes:
            why = TOO_LATE
        if why:
            outcome.left[part.name] = why
        else:
            outcome.left.pop(part.name, None)
            todo.append(part)
    return todo


@dataclass(frozen=True)
class _Ended:
    """What came of a part: how long it took, and why it failed, or nothing."""

    name: str
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class _Job:
    """A part to be computed; a class and not a closure, so that processes can be sent it."""

    name: str
    do: Callable[..., object]
    timed: bool
    least_seconds: float
    deadline: float
    folder: Path
    quick: bool

    def __call__(self) -> _Ended:
        began = time.monotonic()
        left = self.deadline - began
        if self.least_seconds >= left:
            return _Ended(self.name, error=TOO_LATE)
        try:
            self.do(*([left] if self.timed else []))
            # Here, where it was computed: whoever is stopped between the two computes it again.
            machines.note(self.folder, self.name, self.quick)
        except InterruptedSweepError:
            raise KeyboardInterrupt from None
        except TimeIsUpError as error:
            return _Ended(self.name, time.monotonic() - began, f"{TOO_LATE}: {error}")
        except Exception as error:
            return _Ended(self.name, time.monotonic() - began, told(error))
        return _Ended(self.name, time.monotonic() - began)


def told(error: BaseException) -> str:
    """An error in words; those that are not meant for people with their type."""
    words = str(error)
    meant = isinstance(error, ValueError | RuntimeError) and words
    return words if meant else f"{type(error).__name__}: {words}"


def _computed(
    study: Study, order: Order, todo: Sequence[Part], deadline: float
) -> Iterator[_Ended]:
    """Compute parts; yields what came of each as it ends."""
    jobs = [
        _Job(p.name, p.compute, p.timed, p.least_seconds, deadline, order.folder, order.quick)
        for p in todo
    ]
    if order.workers == 1:
        for job in jobs:
            yield job()
        return
    with _pool(study, min(order.workers, len(jobs))) as pool:
        asked = {pool.submit(job): job.name for job in jobs}
        try:
            for future in as_completed(asked):
                try:
                    yield future.result()
                except BrokenExecutor as error:
                    yield _Ended(asked[future], error=f"the process died: {error}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _pool(study: Study, workers: int) -> Executor:
    if study.side_by_side == "threads":
        return ThreadPoolExecutor(workers)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_ctrl_c)


def _leave_ctrl_c() -> None:
    """Ctrl-C reaches every process of a terminal; the parent decides what becomes of this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TextColumn("parts"), TimeElapsedColumn())
