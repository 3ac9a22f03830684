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
from types import FrameType

from flatfast.cli.printable import printable

SIGNALS = (signal.SIGINT, signal.SIGTERM)

AGAIN = 1.0
"""Seconds after which a stop that got lost on its way is asked for again."""

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
def keeping(kept: str) -> Iterator[None]:
    """What is true when a stop comes in this block: what is kept, and how to go on.

    The innermost block that a stop comes from has the word.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(kept)
        raise


def until_stopped(work: Callable[[], int]) -> int:
    """Work until it is done, or somebody stops it.

    Args:
        work: Returns its exit code.

    Returns:
        That code; 128 and the signal's number, after a line that says what was kept, if stopped.
    """
    before = [signal.getsignal(number) for number in SIGNALS]
    try:
        for number in SIGNALS:
            signal.signal(number, _stop)
        return work()
    except KeyboardInterrupt as stop:
        # Another one while the program ends would change nothing.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        told = (str(stop) or getattr(stop, "__notes__", [NOTHING])[0]).removeprefix("stopped")
        with contextlib.suppress(OSError):
            print(f"flatfast: stopped{printable(told)}", file=sys.stderr, flush=True)
        return 128 + _number(stop)
    finally:
        _forget()
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    """Stop, and ask again if nothing came of it.

    An exception that is raised inside a callback of some library, or in an import that somebody
    guards, may be dropped there.
    """
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, lambda *_: _again(number))
        signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
    raise Stopped(number)


def _again(number: int) -> None:
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return  # on its way, cleaning up
        error = error.__context__
    raise Stopped(number)


def _forget() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _number(stop: BaseException) -> int:
    error: BaseException | None = stop
    while error is not None:
        if isinstance(error, Stopped):
            return error.number
        error = error.__cause__ or error.__context__
    return int(signal.SIGINT)
