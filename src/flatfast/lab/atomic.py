"""Files that are there whole or not at all, and how it is told that one could not be written."""

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"
"""Ending of files that are being written; one that is left over belongs to a process that died."""

_PARTIAL = re.compile(rf"\.(.+)\.[0-9a-f]{{32}}{re.escape(SUFFIX)}")


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there in one step.

    ::

        with atomically(path) as partial:
            partial.write_text(...)

    The content reaches the disk before the name does, so that a crash of the program or of the
    machine leaves the old file or the new one, never a part. Any number of writers may write the
    same file: each has a partial file of its own, and the last to finish wins.

    Args:
        path: Where the file shall be; its folder exists.

    Yields:
        The path to write to, in the same folder.

    Raises:
        OSError: If writing fails; nothing is left behind.
    """
    # Not the process's number: threads share it, and so do containers that share a folder.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{SUFFIX}")
    try:
        yield partial
        _flush(partial)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    _flush(path.parent)


def fault(error: OSError) -> str:
    """What the system says of a file, and of which: for a message that begins with what failed."""
    what = error.strerror or str(error) or type(error).__name__
    if isinstance(error, FileExistsError):  # where a folder was to be made
        what = "a file, or a link that leads nowhere, is in the way"
    name = error.filename2 or error.filename
    if name is None:
        return what
    path = Path(os.fsdecode(name))
    partial = _PARTIAL.fullmatch(path.name)
    return f"{what} ({path.with_name(partial[1]) if partial else path})"


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
