"""Ctrl-C and SIGTERM: the one place where a command that is stopped says what it kept.

Either raises :class:`Stopped`, a ``KeyboardInterrupt``, wherever the program is, so that bars are
taken down, half-written files removed and the cursor shown. Parts of a command that keep something
say so with :func:`keeping`. Needs the standard library alone: it is in place before anything else
is imported.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ExtensionFileLoader
from types import FrameType
from typing import Any

from flatfast.cli.printable import printable

SIGNALS = (signal.SIGINT, signal.SIGTERM)

ALARM = (signal.SIGALRM,) if hasattr(signal, "setitimer") else ()
"""The signal by which a stop is asked for again, where there is one."""

AGAIN = 1.0
"""Seconds after which a stop that got lost on its way is asked for again."""

SOON = 0.02
"""Seconds after which a stop that had to wait is asked for again."""

NOTHING = "stopped; nothing was changed: repeat the command to start again"


class Stopped(KeyboardInterrupt):
    """Somebody asked the program to end.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        """Stopped by the signal ``number``."""
        super().__init__()
        self.number = number


@contextlib.contextmanager
def keeping(kept: str | Callable[[], str]) -> Iterator[None]:
    """What is true when a stop comes in this block: what is kept, and how to go on.

    The innermost block that a stop comes from has the word.

    Args:
        kept: The words, or what finds them when a stop comes.
    """
    try:
        yield
    except BaseException as error:
        # A library may answer the stop with an error of its own.
        stop = behind(error)
        if stop is not None:
            stop.add_note(kept if isinstance(kept, str) else kept())
        raise


def until_stopped(work: Callable[[], int], *, last: bool = False) -> int:
    """Work until it is done, or somebody stops it.

    Args:
        work: Returns its exit code.
        last: The process ends with it: later signals, which would change nothing, stay ignored.

    Returns:
        That code; 128 and the signal's number, after a line that says what was kept, if stopped.
    """
    before = {number: signal.getsignal(number) for number in (*SIGNALS, *ALARM)}
    hook = sys.unraisablehook
    try:
        sys.unraisablehook = _but_for_stops(hook)
        for number in SIGNALS:
            signal.signal(number, _stop)
        code = work()
        _ignore()
        return code
    except KeyboardInterrupt as stop:
        _ignore()
        told = (str(stop) or getattr(stop, "__notes__", [NOTHING])[0]).removeprefix("stopped")
        with contextlib.suppress(OSError):
            print(f"flatfast: stopped{printable(told)}", file=sys.stderr, flush=True)
        return 128 + _number(stop)
    finally:
        _ignore()
        if not last:
            for number, handler in before.items():
                signal.signal(number, handler)
            sys.unraisablehook = hook


def behind(error: BaseException | None) -> KeyboardInterrupt | None:
    """The stop that an error was raised in answer to, if there is one."""
    stops = (each for each in _reasons(error) if isinstance(each, KeyboardInterrupt))
    return next(stops, None)


def _reasons(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised for, and so on; each once, for a stop raised again is both."""
    seen: list[BaseException] = []
    while error is not None and not any(error is each for each in seen):
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop, and ask again if nothing came of it.

    An exception that is raised inside a callback of some library, or in an import that somebody
    guards, may be dropped there. One that passes through an extension module while that is loaded
    may crash the process; such a stop waits.
    """
    wait = bool(ALARM) and _is_loading(frame)
    if ALARM:
        signal.signal(signal.SIGALRM, lambda _, later: _stop(number, later))
        signal.setitimer(signal.ITIMER_REAL, SOON if wait else AGAIN)
    # One that is on its way is left to its cleaning up.
    if not wait and behind(sys.exc_info()[1]) is None:
        raise Stopped(number)


def _is_loading(frame: FrameType | None) -> bool:
    """Whether an extension module is being loaded."""
    while frame is not None:
        importing = (
            frame.f_code.co_filename == ExtensionFileLoader.create_module.__code__.co_filename
        )
        if importing and isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False


def _ignore() -> None:
    if ALARM:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _but_for_stops(hook: Callable[[Any], object]) -> Callable[[Any], None]:
    """Tell of exceptions that cannot be raised, as ``hook`` does; a stop is asked for again."""

    def tell(dropped: Any) -> None:
        if not issubclass(dropped.exc_type, Stopped):
            hook(dropped)

    return tell


def _number(stop: BaseException) -> int:
    numbers = (each.number for each in _reasons(stop) if isinstance(each, Stopped))
    return next(numbers, int(signal.SIGINT))
