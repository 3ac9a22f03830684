"""Progress of a sweep, and of a forecast, in the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

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

    def begin(self, runs: int, done: int, planned_steps: int) -> None:
        """A sweep begins; see :class:`flatfast.lab.sweep.Progress`."""
        name = self._names.pop(0) if self._names else "runs"
        self._runs, self._taken = (done, runs), 0
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
        task = next(task for task in self._bars.tasks if task.id == self._task)
        rate = self._taken / max(task.elapsed or 0.0, 1e-9)
        self._bars.update(
            self._task,
            advance=planned_steps,
            runs=f"{self._runs[0]}/{wanted}",
            rate=f"{_compact(rate)} steps/s",
        )
        self._plain.say(
            f"{task.description}: {self._runs[0]}/{wanted} runs, {_compact(rate)} steps/s"
        )


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


def _compact(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
