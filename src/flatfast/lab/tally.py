"""How a sweep's stored runs ended, counted chunk by chunk as the chunks come."""

import contextlib
from collections import Counter
from pathlib import Path

from flatfast.lab.chunks import ChunkError, listed, read_chunk
from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.manifest import StoreError, read_manifest
from flatfast.lab.survey import CHUNKS

COLUMNS = ("method", "lr", "momentum", "status", "steps_run")

Cell = tuple[float, float]
"""A learning rate and a momentum."""


class Tally:
    """Counts of a sweep's folder, of which every chunk is read once.

    What cannot be read, and what is of another sweep, is left out.

    Attributes:
        runs: How many are stored.
        steps: That they took.
        ended: How they ended: number of runs by status.
        stored: Runs of the grid in each cell.
        converged: Those of them that reached the goal.
        last: When the last chunk was written, in seconds since 1970; None if there is none.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is counted yet."""
        self._folder = folder
        self._begin()

    def _begin(self) -> None:
        self._seen: set[str] = set()
        self.runs = self.steps = 0
        self.ended: Counter[str] = Counter()
        self.stored: Counter[Cell] = Counter()
        self.converged: Counter[Cell] = Counter()
        self.last: float | None = None

    def update(self) -> None:
        """Count the chunks that have come since; all of them again if some have gone."""
        chunks = listed(self._folder / CHUNKS)[0]
        if not self._seen <= {path.name for path in chunks}:
            self._begin()
        ours = None  # where nothing says whose the runs are, all are counted
        with contextlib.suppress(StoreError):
            ours = read_manifest(self._folder)["settings"]
        for path in chunks:
            if path.name in self._seen:
                continue
            try:
                written = path.stat().st_mtime
                rows, origin = read_chunk(path, COLUMNS)
            except (ChunkError, OSError):
                continue
            self._seen.add(path.name)
            if None not in (ours, origin.settings) and origin.settings != ours:
                continue
            self.last = max(written, self.last or written)
            self.runs += len(rows)
            method, lr, momentum, status, steps = (rows[name].to_pylist() for name in COLUMNS)
            self.steps += sum(steps)
            self.ended.update(status)
            for name, cell, ended in zip(
                method, zip(lr, momentum, strict=True), status, strict=True
            ):
                if name == GRID:
                    self.stored[cell] += 1
                    self.converged[cell] += ended == Status.CONVERGED.value
