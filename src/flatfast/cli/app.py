"""The commands, and how their failures are told."""

import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import flatfast
from flatfast.cli import (
    calibrate,
    catalogue,
    momentum,
    predict,
    report,
    reproduce,
    sweep,
)

app = typer.Typer(
    name="flatfast",
    help="Given my learning rate, what should momentum be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (momentum, predict, calibrate, reproduce, sweep, report, catalogue):
    command.register(app)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Given my learning rate, what should momentum be?"""
    if show:
        print(flatfast.__version__)
        raise typer.Exit


def run(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Words after ``flatfast``; by default those of the process.

    Returns:
        The exit code.
    """
    try:
        app(arguments, standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return _fail("interrupted before the first run; nothing was stored", 130)
    except (ValueError, TypeError) as error:
        return _fail(f"{error}{_place(error)}", 2)
    except ModuleNotFoundError as error:  # says which extra, where it is one
        return _fail(f"{error}{_place(error)}", 1)
    except (RuntimeError, OSError) as error:
        # The lab's own errors tell how to go on; an interrupted sweep is among them.
        return _fail(f"{error}{_place(error)}", 130 if _was_interrupted(error) else 1)
    except Exception as error:
        if os.environ.get("FLATFAST_DEBUG"):
            raise
        place = _place(error) or "; FLATFAST_DEBUG=1 shows where, for a bug report"
        return _fail(f"{type(error).__name__}: {error}{place}", 1)
    return 0


def _was_interrupted(error: Exception) -> bool:
    """Whether an error says that somebody pressed Ctrl-C during a sweep.

    By its name: its module needs the lab's packages, which need not be there.
    """
    return type(error).__name__ == "InterruptedSweepError"


def _place(error: Exception) -> str:
    """The line of somebody's own problem file in which an error arose, if it arose in one."""
    libraries = [Path(flatfast.__file__).parent, Path(sysconfig.get_path("stdlib"))]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        ours = any(library in path.parents for library in libraries)
        if path.is_file() and not ours and "site-packages" not in path.parts:
            return f" ({path}, line {frame.lineno})"
    return ""


def _fail(message: str, code: int) -> int:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]flatfast:[/] {_escaped(message)}")
    return code


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


if __name__ == "__main__":
    sys.exit(run())
