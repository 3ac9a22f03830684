"""The page's file: when it is written, and that no trouble with it ends a training."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from flatfast.torch.gauge.history import History
from flatfast.torch.gauge.page import render
from flatfast.torch.processes import rank
from flatfast.torch.warned import warn

MOST_TIME = 0.01
"""Share of the time that writing may take."""


class LivePage:
    """Writes a page over and over, at most so often as it is worth."""

    def __init__(self, path: Path, every: float, title: str, history: History) -> None:
        """Nothing is written yet.

        Args:
            path: The file.
            every: Seconds between two versions, at least.
            title: What is trained.
            history: What is shown.
        """
        self._path, self._every, self._title, self._history = path, every, title, history
        self._next = 0.0
        self._writes = rank() == 0

    def due(self) -> bool:
        """Whether it is time for another version."""
        return self._writes and time.monotonic() >= self._next

    def write(self, steps: int, *, running: bool) -> None:
        """Write it.

        Args:
            steps: Steps made.
            running: Whether there will be another version, for which it loads itself again.

        Raises:
            OSError: If it cannot be written.
        """
        if not self._writes:
            return
        begun = time.monotonic()
        text = render(self._title, steps, self._history, self._every if running else None)
        # In one move: a browser never finds half of it.
        partial = self._path.with_name(f"{self._path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, self._path)
        now = time.monotonic()
        self._next = now + max(self._every, (now - begun) / MOST_TIME)

    def write_or_give_up(self, steps: int, look: Callable[[], None]) -> None:
        """Look and write, within a step; or warn that it cannot be done, and do not try again.

        Args:
            steps: Steps made.
            look: Brings what is shown up to date.
        """
        try:
            look()
            self.write(steps, running=True)
        except Exception as error:  # whatever it is, it must not end a training
            self._writes = False
            warn(f"the page {self._path} is given up, and training goes on: {error}")
