"""Where each part of a study was computed: they need not share a machine."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flatfast.lab.machine import machine, versions
from studies.study import Result, read_json, write_json


def note(folder: Path, part: str, quick: bool = False) -> None:
    """Write down, in a file of its own, that a part was computed here and now.

    That is the machine, its device if JAX has been used, the versions that matter, and the day.
    """
    jax = sys.modules.get("jax")
    where = {
        "machine": machine(),
        "device": jax.devices()[0].device_kind if jax else "cpu",
        "versions": versions(),
        "day": datetime.now(UTC).date().isoformat(),
    }
    write_json(_path(folder, part), {**where, "quick": True} if quick else where)


def is_noted(folder: Path, part: str) -> bool:
    """Whether it is written down where a part of a folder of runs was computed."""
    return _path(folder, part).exists()


def noted(folder: Path) -> dict[str, Any]:
    """By part, where it was computed, of those kept in a folder of runs."""
    paths = sorted(_path(folder, "").parent.glob("*.json"))
    return {path.name.removesuffix(".json"): read_json(path, {}) for path in paths}


def measured(result: Mapping[str, Any]) -> list[str]:
    """The parts that a result holds."""
    return [part for entry in result.get("machines", []) for part in entry["parts"]]


def merged(before: Mapping[str, Any], notes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Machines with the parts computed on each, for a result: those of before, and the notes."""
    by_part = _by_part(before) | {part: _place(note) for part, note in notes.items()}
    found: list[Result] = []
    for part, where in by_part.items():
        own = next((entry for entry in found if _place(entry) == where), None)
        if own is None:
            own = {**where, "parts": []}
            found.append(own)
        own["parts"].append(part)
    return found


def replaced(before: Mapping[str, Any], notes: Mapping[str, Any]) -> list[str]:
    """The parts of a result that a folder holds as well, computed elsewhere or at another time."""
    known = _by_part(before)
    return [part for part, note in notes.items() if known.get(part, _place(note)) != _place(note)]


def _by_part(result: Mapping[str, Any]) -> dict[str, Any]:
    entries = result.get("machines", [])
    return {part: _place(entry) for entry in entries for part in entry["parts"]}


def _place(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in ("parts", "quick")}


def _path(folder: Path, part: str) -> Path:
    return folder / "machines" / f"{part}.json"
