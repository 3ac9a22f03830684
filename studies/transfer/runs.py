"""The comparison's rows: in the study's folder of runs, and committed beside its result."""

import json
from collections.abc import Iterable
from pathlib import Path

from flatfast.lab.atomic import atomically
from studies.study import Result, kept_parts, read_json, write_json
from studies.transfer.compare import Row

KEYS = ("task", "optimizer", "schedule", "change", "way")


def kept(folder: Path) -> list[Row]:
    """Those in a study's folder of runs."""
    parts = kept_parts(folder, "")
    return [row for name, rows in parts.items() if ".compared." in name for row in rows]


def joined(before: Iterable[Row], newer: Iterable[Row]) -> list[Row]:
    """The rows of before in their places, with the newer ones of the same name, then the others."""
    found = {tuple(row[key] for key in KEYS): row for row in before}
    return list((found | {tuple(row[key] for key in KEYS): row for row in newer}).values())


def load(path: Path) -> Result:
    """A result, with the rows that lie beside it under ``rows``."""
    lines = [
        json.loads(line)
        for file in sorted(path.parent.glob("*.jsonl"))
        for line in file.read_text().splitlines()
    ]
    return {**read_json(path, {}), "rows": lines}


def save(path: Path, result: Result) -> None:
    """Write a result, and its rows beside it, a file for each task."""
    write_json(path, {key: value for key, value in result.items() if key != "rows"})
    for task in dict.fromkeys(row["task"] for row in result["rows"]):
        own = [row for row in result["rows"] if row["task"] == task]
        with atomically(path.with_name(f"{task}.jsonl")) as partial:
            partial.write_text("".join(json.dumps(r, separators=(",", ":")) + "\n" for r in own))
