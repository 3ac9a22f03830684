"""Folders that end with their process, however it ends."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = "lock"
"""In such a folder, what its process holds."""

LEFT_SECONDS = 60.0
"""Age of a folder without a lock that is nobody's any more."""


@contextmanager
def passing_folder(beginning: str, place: Path | None = None) -> Iterator[Path]:
    """Have a folder; those that killed processes have left go with it.

    Args:
        beginning: Of its name, and of theirs.
        place: Where; by default where temporary files are.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    for left in place.glob(f"{beginning}*"):
        with suppress(OSError):
            # One without a lock is being made, or was written to after its process had left.
            if not (left / LOCK).exists() and time.time() - left.stat().st_mtime < LEFT_SECONDS:
                continue
            with (left / LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=beginning, dir=place))
    try:
        with (folder / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.replace(folder / "new", folder / LOCK)  # only now do others find it
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
