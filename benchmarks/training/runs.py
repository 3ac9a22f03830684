"""Runs on disk: one JSON object a line, appended as each run ends; what is there is not redone."""

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.training.train import Run, train

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
        How many of them there are, and then how many are left, after each.
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
        futures = [pool.submit(train, run) for run in missing]
        for number, future in enumerate(as_completed(futures), start=1):
            file.write(json.dumps(future.result(), separators=(",", ":")) + "\n")
            file.flush()
            os.fsync(file.fileno())
            yield len(missing) - number


def _identity(row: dict[str, Any]) -> str:
    return json.dumps([row[key] for key in KEYS], sort_keys=True)
