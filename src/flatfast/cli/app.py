"""The commands, and how their failures are told."""

import os
import sysconfig
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import flatfast
from flatfast.cli import (
    calibrate,
    catalogue,
    momentum,
    predict,
    report,
    reproduce,
    rescale,
    sweep,
    watch,
)
from flatfast.cli.console import Console
from flatfast.cli.interrupts import behind

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages."""


class Commands(TyperGroup):
    """The commands, whose early ends of files are told by :func:`run`."""

    def invoke(self, context: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(context)
        except EOFError as error:
            raise RuntimeError(f"a file ended before it should have: {error}") from error


app = typer.Typer(
    cls=Commands,
    name="flatfast",
    help="Given my learning rate, my batch, my optimizer: what should momentum be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (momentum, rescale, predict, calibrate, reproduce, sweep, watch, report, catalogue):
    command.register(app)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Given my learning rate, my batch, my optimizer: what should momentum be?"""
    if show:
        print(flatfast.__version__)
        raise typer.Exit


def run(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after ``flatfast``; by default those of the process.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: If somebody stopped it.
    """
    try:
        app(arguments, standalone_mode=True)
    except BaseException as error:
        if _is_interrupted_sweep(error):
            raise KeyboardInterrupt(str(error)) from error
        stop = behind(error)
        if stop is not None:  # Typer would end the program without a word
            raise stop from None
        return _failed(error)
    return 0


def _failed(error: BaseException) -> int:
    """Tell of an error; the exit code for it."""
    if isinstance(error, SystemExit):
        return _ended(error)
    if isinstance(error, ValueError | TypeError):
        return _fail(f"{error}{_place(error)}", 2)
    # A missing module says which extra, and the lab's own errors tell how to go on.
    if isinstance(error, ModuleNotFoundError | RuntimeError | OSError):
        return _fail(f"{error}{_place(error)}", 1)
    if not isinstance(error, Exception) or os.environ.get("FLATFAST_DEBUG"):
        raise error
    place = _place(error) or "; FLATFAST_DEBUG=1 shows where, for a bug report"
    return _fail(f"{type(error).__name__}: {error}{place}", 1)


def _ended(end: SystemExit) -> int:
    """The exit code of a command that ended early: of the command line's own accord, or not."""
    place = _place(end)
    if not place and (end.code is None or isinstance(end.code, int)):
        return end.code or 0
    if isinstance(end.code, int) or not end.code:
        return _fail(f"the problem ended the program with exit code {end.code or 0}{place}", 1)
    return _fail(f"{end.code}{place}", 1)


def _is_interrupted_sweep(error: BaseException) -> bool:
    """Whether an error says what somebody's stop left of a sweep.

    By its name: its module needs the lab's packages, which need not be there.
    """
    return type(error).__name__ == "InterruptedSweepError"


def _place(error: BaseException) -> str:
    """The line of somebody's own problem file in which an error arose, if it arose in one."""
    libraries = [Path(flatfast.__file__).parent, Path(sysconfig.get_path("stdlib"))]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        ours = any(library in path.parents for library in libraries)
        if path.is_file() and not ours and not INSTALLED & set(path.parts):
            return f" ({path}, line {frame.lineno})"
    return ""


def _fail(message: str, code: int) -> int:
    Console(stderr=True).say(("flatfast:", "bold red"), " ", message)
    return code
