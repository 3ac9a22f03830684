"""Runs as rows: those that the study's folder holds, and those that are committed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flatfast.lab.atomic import atomically
from studies.study import Result, kept_parts, read_json, write_json

KEYS = ("task", "kind", "method", "seed")

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""Rows by the first word of their parts' names: a task, or ``changed``."""


def read(path: Path) -> list[Row]:
    """All rows of a file, one JSON object a line."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def beside(path: Path) -> Rows:
    """The rows committed beside a result."""
    return {found.stem: read(found) for found in sorted(path.parent.glob("*.jsonl"))}


def kept(folder: Path) -> Rows:
    """The rows in a study's folder of runs."""
    found: Rows = {}
    for name, rows in kept_parts(folder, "").items():
        found.setdefault(name.split(".")[0], []).extend(rows)
    return found


def joined(before: Rows, newer: Rows) -> Rows:
    """All rows of before in their places, with the newer ones of the same runs, then the others."""
    return {name: _joined(before.get(name, []), newer.get(name, [])) for name in before | newer}


def _joined(before: Iterable[Row], newer: Iterable[Row]) -> list[Row]:
    by_run = {identity(row): row for row in before} | {identity(row): row for row in newer}
    return list(by_run.values())


def identity(row: Row) -> str:
    """What makes a run what it is."""
    return json.dumps([row[key] for key in KEYS], sort_keys=True)


def load(path: Path) -> Result:
    """A result, with the rows that lie beside it under ``rows``."""
    return {**read_json(path, {}), "rows": beside(path)}


def save(path: Path, result: Result) -> None:
    """Write a result, and its rows beside it."""
    write_json(path, {key: value for key, value in result.items() if key != "rows"})
    for name, rows in result["rows"].items():
        with atomically(path.with_name(f"{name}.jsonl")) as partial:
            partial.write_text(
                "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
            )
