"""``flatfast watch``: how a sweep goes on, from another terminal."""

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping

if TYPE_CHECKING:
    from flatfast.lab.status import Status
    from flatfast.lab.tally import Tally

EVERY = 1.0
"""Seconds between two looks."""

BAR = 60
"""Width of the bar, in characters."""

MOST_CAUSES = 5
"""Causes of failures that are told one by one."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="watch")(watch)


def watch(
    folder: Annotated[Path, typer.Argument(help="A folder that sweep or reproduce writes to.")],
    once: Annotated[bool, typer.Option("--once", help="Tell how it stands, and end.")] = False,
) -> None:
    """Watch a sweep from another terminal until it ends, from its folder alone.

    Where there is no terminal, as behind a pipe, it is told once.
    """
    from rich.live import Live

    from flatfast.lab.tally import Tally

    check(folder)
    console, tally = Console(), Tally(folder)
    with keeping("stopped watching; the sweep is not touched"):
        if once or not console.is_terminal:
            console.print(look(folder, tally)[0])
            return
        with Live(console=console, auto_refresh=False) as shown:
            goes_on = True
            while goes_on:
                told, goes_on = look(folder, tally)
                shown.update(told, refresh=True)
                if goes_on:
                    time.sleep(EVERY)


def check(folder: Path) -> None:
    """Check that there is a sweep to watch.

    Raises:
        ValueError: If the folder is not there, is none, or holds no sweep.
    """
    from flatfast.lab.folder_lock import LOCK
    from flatfast.lab.manifest import MANIFEST
    from flatfast.lab.status import STATUS
    from flatfast.lab.store import has_runs

    if not folder.exists():
        raise ValueError(f"{folder} is not there; give the folder that sweep or reproduce names")
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; give the folder that sweep or reproduce names")
    names = (LOCK, MANIFEST, STATUS)
    if not (any((folder / name).exists() for name in names) or has_runs(folder)):
        raise ValueError(f"{folder} holds no sweep; give the folder that sweep or reproduce names")


def look(folder: Path, tally: "Tally") -> tuple[RenderableType, bool]:
    """How a sweep stands, and whether it goes on."""
    from flatfast.lab.folder_lock import is_held
    from flatfast.lab.status import State, read_status

    # In this order: a sweep that ends between the two has written its last status before.
    running = is_held(folder)
    status = read_status(folder)
    tally.update()
    lines: list[RenderableType] = [_headline(folder, running, status, tally)]
    if status is not None and status.wanted:
        done = BAR * status.stored // status.wanted
        lines.append(Text.assemble(("█" * done, "green"), ("░" * (BAR - done), "dim")))
        lines.append(Text(_standing(running, status)))
    lines.append(Text(_stored(tally)))
    if status is not None:
        lines += [Text(line, style="yellow") for line in _failures(status)]
    ended = status is not None and status.state is not State.RUNNING
    return Group(*lines), running and not ended


def _headline(folder: Path, running: bool, status: "Status | None", tally: "Tally") -> Text:
    from flatfast.lab.status import State, duration

    if status is None and running:
        told = "running" if tally.runs else "running; nothing is stored yet"
    elif status is None:
        told = f"not running{_since(tally.last)}"
    elif status.state is State.RUNNING:
        told = f"{status.stage}, running for {duration(time.time() - status.started)}"
        if not running:  # killed: nobody wrote how it ended
            told = f"{status.stage}, not running{_since(max(status.updated, tally.last or 0))}"
    else:
        told = {State.DONE: "done", State.STOPPED: "stopped", State.FAILED: "failed"}[status.state]
        told += _since(status.updated)
        told += "; its report is being written" if running and status.state is State.DONE else ""
    return Text.assemble((str(folder), "bold"), f": {told}")


def _since(moment: float | None) -> str:
    from flatfast.lab.status import duration

    if not moment:
        return ""
    at = datetime.fromtimestamp(moment).astimezone()
    return f" since {at:%Y-%m-%d %H:%M:%S} ({duration(time.time() - moment)} ago)"


def _standing(running: bool, status: "Status") -> str:
    """Runs, speed, workers, and the time left."""
    from flatfast.lab.status import State, compact, duration

    said = [f"{status.stage}: {status.stored:,} of {status.wanted:,} runs"]
    if status.failed:
        said.append(f"{status.failed:,} failed")
    if status.steps_per_second:
        said.append(f"{compact(status.steps_per_second)} steps/s")
    said.append(f"{status.engine}, {status.workers} worker{'s' if status.workers > 1 else ''}")
    left = status.left
    if running and status.state is State.RUNNING and left is not None:
        # What was done since it was written is not known: it may be less.
        said.append(f"{duration(max(left - (time.time() - status.updated), 0))} left")
    return ", ".join(said)


def _stored(tally: "Tally") -> str:
    """What the chunks tell."""
    from flatfast.lab.status import duration

    if not tally.runs:
        return "no run is stored"
    ended = [f"{number:,} {name.replace('_', ' ')}" for name, number in tally.ended.items()]
    last = duration(time.time() - (tally.last or 0.0))
    return f"{tally.runs:,} runs are stored: {', '.join(ended)}; the last chunk {last} ago"


def _failures(status: "Status") -> list[str]:
    causes = sorted(status.failures.items(), key=lambda cause: -cause[1])
    told = [f"{runs:,} runs could not be made: {why}" for why, runs in causes[:MOST_CAUSES]]
    if len(causes) > MOST_CAUSES:
        told.append(f"{len(causes) - MOST_CAUSES} more causes")
    return [*told, *([status.error] if status.error else [])]
