"""One writer at a time in a folder."""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import IO

from flatfast.lab.atomic import fault
from flatfast.lab.manifest import StoreError

LOCK = ".lock"

LOOK = 0.2
"""Seconds for which a lock is tried again: who looks whether it is held, holds it for a moment."""


class FolderLock:
    """Holds a folder, which is made if it is not there, until it is released.

    The system lets go when the process ends, however it ends.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            StoreError: If another process has it, or the folder cannot be made or written to.
        """
        self._path = folder / LOCK
        self._made = [p for p in (folder, *folder.parents) if not os.path.lexists(p)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._new = not self._path.exists()
            self._file = self._hold()
        except OSError as error:
            self._remove_folders()
            if isinstance(error, BlockingIOError):
                raise StoreError(
                    f"another sweep is writing to {folder}; wait for it, or give another folder "
                    "with --out"
                ) from None
            raise StoreError(
                f"cannot write to {folder}: {fault(error)}; give another folder with --out"
            ) from error

    def release(self, *, keep: bool) -> None:
        """Let go.

        Args:
            keep: Leave the lock's file and folder there. Otherwise what this lock has made is
                removed, as far as nobody has put anything into it.
        """
        if not keep and self._new:
            self._path.unlink(missing_ok=True)
        self._file.close()
        if not keep:
            self._remove_folders()

    def _hold(self) -> IO[str]:
        end = time.monotonic() + LOOK
        while True:
            file = self._path.open("a")
            try:
                while True:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        if time.monotonic() > end:
                            raise
                        time.sleep(LOOK / 10)
                # Its last holder may have removed the file between our two calls.
                if self._path.exists() and os.path.samestat(
                    os.fstat(file.fileno()), self._path.stat()
                ):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _remove_folders(self) -> None:
        for folder in self._made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def is_held(folder: Path) -> bool:
    """Whether a process holds a folder's lock now; False where that cannot be seen."""
    try:
        with (folder / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
