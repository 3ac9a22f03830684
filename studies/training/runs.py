"""Runs on disk: one JSON object a line, appended as each run ends; what is there is not redone."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from studies.training.ensemble import train_together
from studies.training.tasks import Kind
from studies.training.train import Run

TOGETHER = 16
"""Runs of one kind that are trained together: a crash costs what they took."""

KEYS = ("task", "kind", "method", "seed")


def read(path: Path) -> list[dict[str, Any]]:
    """All runs in a file; a line that a crash has cut off is left out."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def complete(runs: Iterable[Run], path: Path, workers: int) -> Iterator[int]:
    """Train the runs that the file lacks.

    Yields:
        How many of them there are, and then how many are left, after each group that was trained.
    """
    there = {_identity(row) for row in read(path)}
    missing = [run for run in runs if _identity(run.settings()) not in there]
    yield len(missing)
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        path.open("a") as file,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
    ):
        if file.tell() and not path.read_bytes().endswith(b"\n"):
            file.write("\n")
        left = len(missing)
        for future in as_completed(
            [pool.submit(train_together, group) for group in _groups(missing)]
        ):
            rows = future.result()
            file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())
            left -= len(rows)
            yield left


def _groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs of one task and kind, at most :data:`TOGETHER` of them each."""
    alike: dict[tuple[str, Kind], list[Run]] = {}
    for run in runs:
        alike.setdefault((run.task, run.kind), []).append(run)
    return [
        same[begin : begin + TOGETHER]
        for same in alike.values()
        for begin in range(0, len(same), TOGETHER)
    ]


def _identity(row: dict[str, Any]) -> str:
    return json.dumps([row[key] for key in KEYS], sort_keys=True)
