"""Computes what a study lacks, part by part, and writes its result.

Every part is kept as soon as it is there: stopped at any time, the same command goes on. A part
that the committed result holds is not computed again unless it is asked for.
"""

import fnmatch
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flatfast.lab.sweep import InterruptedSweepError
from studies import machines
from studies.study import Part, Result, Study, read_json


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
    """

    name: str
    folder: Path
    out: Path
    quick: bool = False
    only: Sequence[str] = ()
    again: bool = False
    minutes: float = float("inf")
    workers: int = 1

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


def missing(study: Study, order: Order) -> list[Part]:
    """The parts asked for that are neither in the folder nor, unless again, in the result."""
    known = [] if order.again else machines.measured(read_json(order.result, {}))
    return [
        part
        for part in study.parts(order.folder, order.quick)
        if part.name not in known and matches(part, order.only) and not part.done()
    ]


def matches(part: Part, only: Sequence[str]) -> bool:
    """Whether a part is asked for."""
    return not only or any(fnmatch.fnmatch(part.name, pattern) for pattern in only)


def compute(study: Study, order: Order, progress: Progress | None = None) -> Outcome:
    """Compute what is missing.

    Errors of a part (ValueError, RuntimeError) are told and the others go on.
    """
    study.prepare()
    began, outcome, asked_for = time.monotonic(), Outcome(), 0
    with progress or _bar() as bar:
        task = bar.add_task(order.name, total=0)
        while todo := _next(study, order, began, outcome):
            asked_for += len(todo)
            bar.update(task, total=asked_for)
            for part, seconds, error in _computed(study, order, todo, began):
                if error is None:
                    machines.note(order.folder, part.name)
                    outcome.computed.append(part.name)
                    bar.console.print(f"{part.name}: {seconds:.1f} s")
                elif isinstance(error, _TooLateError):
                    outcome.left[part.name] = str(error)
                else:
                    outcome.failed[part.name] = str(error)
                    bar.console.print(f"{part.name}: failed: {error}", markup=False)
                bar.advance(task)
    return outcome


def collect(study: Study, order: Order) -> Result:
    """Write the result and the figures of what is there; a result of nothing is not written."""
    before = {} if order.quick else study.load(order.result)
    notes = machines.noted(order.folder)
    result = {
        "machines": machines.merged(before, notes),
        **study.collect(order.folder, before),
    }
    if result["machines"]:
        study.save(order.result, result)
        study.draw(result, order.out)
    return result


class _TooLateError(Exception):
    """A part was not begun for lack of time."""


def _next(study: Study, order: Order, began: float, outcome: Outcome) -> list[Part]:
    """The parts to compute in the next round; notes why others are left.

    What a part needs may have been made in the round before.
    """
    spent, todo = time.monotonic() - began, []
    for part in missing(study, order):
        if part.name in (*outcome.computed, *outcome.failed):
            continue
        why = part.needs and f"needs {part.needs}"
        if not why and spent + (part.seconds or 0) > 60 * order.minutes:
            why = "the time is up"
        if why:
            outcome.left[part.name] = why
        else:
            outcome.left.pop(part.name, None)
            todo.append(part)
    return todo


def _computed(
    study: Study, order: Order, todo: Sequence[Part], began: float
) -> Iterator[tuple[Part, float, Exception | None]]:
    """Compute parts; yields each as it ends, with the seconds it took and its error."""
    deadline = began + 60 * order.minutes
    if order.workers == 1:
        for part in todo:
            yield (part, *_timed(part.compute, deadline, part.seconds))
        return
    pool: Executor
    if study.side_by_side == "threads":
        pool = ThreadPoolExecutor(order.workers)
    else:
        pool = ProcessPoolExecutor(order.workers, mp_context=get_context("spawn"))
    with pool:
        asked = {pool.submit(_timed, part.compute, deadline, part.seconds): part for part in todo}
        for future in as_completed(asked):
            yield (asked[future], *future.result())


def _timed(
    do: Callable[[], object], deadline: float, expected: float | None
) -> tuple[float, Exception | None]:
    began = time.monotonic()
    if began + (expected or 0) > deadline:
        return 0.0, _TooLateError("the time is up")
    try:
        do()
    except InterruptedSweepError:
        # Somebody stopped all of it, not this part alone.
        raise KeyboardInterrupt from None
    except (ValueError, RuntimeError) as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TextColumn("parts"), TimeElapsedColumn())
