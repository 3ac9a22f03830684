"""Progress of a sweep, and of a forecast, in the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from flatfast.lab.status import compact

if TYPE_CHECKING:
    from flatfast.lab.adaptive.sweep import Rounds
    from flatfast.lab.sweep import Progress as SweepTold

    class Told(SweepTold, Rounds, Protocol):
        """Is told how sweeps and their rounds go on."""


PATIENCE = 30.0
"""Seconds after which, where no bar can be drawn, a line says that the work goes on."""


class PlainLines:
    """Lines now and then where a console is no terminal and draws no bar, as in a log file."""

    def __init__(self, console: Console) -> None:
        """Print on ``console``, if it is none."""
        self._console = None if console.is_terminal else console
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line, unless the last was printed a moment ago."""
        if self._console is None or time.monotonic() - self._last < PATIENCE:
            return
        self._last = time.monotonic()
        self._console.print(text, markup=False, highlight=False)


class SweepProgress:
    """A bar per sweep: runs done, steps per second, time left.

    Time left is by planned steps; runs that settle early make it shorter than it says.
    """

    def __init__(self, console: Console, names: tuple[str, ...]) -> None:
        """Show bars on ``console``; the sweeps to come are called ``names`` in turn."""
        self._names = list(names)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[runs]} runs"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._taken = 0
        self._runs = (0, 0)
        self._failed, self._workers = 0, 1
        self._task: TaskID | None = None
        self._in_rounds = False
        self._console = console
        self._plain = PlainLines(console)

    def __enter__(self) -> "SweepProgress":
        """Start drawing."""
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing."""
        self._bars.stop()

    def begin_round(self, why: str) -> None:
        """A round of an adaptive sweep: its bar takes the place of the last round's."""
        self._remove_round()
        self._names.insert(0, why)
        self._in_rounds = True

    def end_rounds(self, why: str) -> None:
        """An adaptive sweep has ended; see :class:`flatfast.lab.adaptive.sweep.Rounds`."""
        self._remove_round()
        self._in_rounds = False
        self._console.print(f"adaptive sweep: {why}", markup=False, highlight=False)

    def _remove_round(self) -> None:
        if self._in_rounds and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None

    def begin(self, runs: int, done: int, planned_steps: int, workers: int) -> None:
        """A sweep begins; see :class:`flatfast.lab.sweep.Progress`."""
        name = self._names.pop(0) if self._names else "runs"
        self._runs, self._taken, self._failed = (done, runs), 0, 0
        self._workers = workers
        self._task = self._bars.add_task(
            name, total=max(planned_steps, 1), runs=f"{done}/{runs}", rate=""
        )
        if not planned_steps:
            self._bars.update(self._task, completed=1)

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """A chunk was stored; see :class:`flatfast.lab.sweep.Progress`."""
        done, wanted = self._runs
        self._runs = (done + runs, wanted)
        self._taken += steps
        assert self._task is not None  # a sweep has begun
        task = next(task for task in self._bars.tasks if task.id == self._task)
        rate = self._taken / max(task.elapsed or 0.0, 1e-9)
        self._bars.update(
            self._task,
            advance=planned_steps,
            runs=self._told_runs(),
            rate=f"{compact(rate)} steps/s{self._told_workers()}",
        )
        self._plain.say(
            f"{task.description}: {self._told_runs()} runs, {compact(rate)} steps/s"
            f"{self._told_workers()}"
        )

    def fail(self, runs: int, why: str) -> None:
        """Runs could not be made; see :class:`flatfast.lab.sweep.Progress`."""
        self._failed += runs
        self._console.print(
            f"{runs} runs could not be made: {why}", markup=False, highlight=False, style="yellow"
        )
        assert self._task is not None  # a sweep has begun
        self._bars.update(self._task, runs=self._told_runs())

    def _told_runs(self) -> str:
        done, wanted = self._runs
        return f"{done}/{wanted}" + (f" ({self._failed} failed)" if self._failed else "")

    def _told_workers(self) -> str:
        return f", {self._workers} workers" if self._workers > 1 else ""


class Both:
    """Tells two what it is told itself."""

    def __init__(self, first: "Told", second: "Told") -> None:
        """Tell them in this order."""
        self._told = (first, second)

    def begin(self, runs: int, done: int, planned_steps: int, workers: int) -> None:
        """A sweep begins."""
        for each in self._told:
            each.begin(runs, done, planned_steps, workers)

    def advance(self, runs: int, planned_steps: int, steps: int) -> None:
        """Runs were stored."""
        for each in self._told:
            each.advance(runs, planned_steps, steps)

    def fail(self, runs: int, why: str) -> None:
        """Runs could not be made."""
        for each in self._told:
            each.fail(runs, why)

    def begin_round(self, why: str) -> None:
        """A round of an adaptive sweep."""
        for each in self._told:
            each.begin_round(why)

    def end_rounds(self, why: str) -> None:
        """An adaptive sweep has ended."""
        for each in self._told:
            each.end_rounds(why)


@contextmanager
def told_stages(console: Console, before: str = "") -> Iterator[Callable[[str], None]]:
    """Show what is being done, and for how long it has been, until it is done.

    Args:
        console: Where.
        before: What stands before each stage.

    Yields:
        To be told of every stage.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(before, total=None)
        plain = PlainLines(console)

        def tell(stage: str) -> None:
            shown.update(task, description=f"{before}{stage}")
            plain.say(f"{before}{stage}")

        yield tell
