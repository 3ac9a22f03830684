"""Where each part of a study was computed: they need not share a machine."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flatfast.lab.machine import machine, versions
from studies.study import Result, read_json, write_json

NOTES = "machines.json"


def here() -> dict[str, Any]:
    """This machine, its device if JAX has been used, and the versions that matter."""
    jax = sys.modules.get("jax")
    device = jax.devices()[0].device_kind if jax else "cpu"
    return {"machine": machine(), "device": device, "versions": versions()}


def note(folder: Path, part: str) -> None:
    """Write down that a part was computed here."""
    write_json(folder / NOTES, {**noted(folder), part: here()})


def noted(folder: Path) -> dict[str, Any]:
    """By part, where it was computed, of those kept in a folder of runs."""
    found: dict[str, Any] = read_json(folder / NOTES, {})
    return found


def measured(result: Mapping[str, Any]) -> list[str]:
    """The parts that a result holds."""
    return [part for entry in result.get("machines", []) for part in entry["parts"]]


def merged(before: Mapping[str, Any], notes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Machines with the parts computed on each, for a result: those of before, and newer notes."""
    by_part = {
        part: {key: value for key, value in entry.items() if key != "parts"}
        for entry in before.get("machines", [])
        for part in entry["parts"]
    } | dict(notes)
    found: list[Result] = []
    for part, where in by_part.items():
        own = next((e for e in found if {**e, "parts": None} == {**where, "parts": None}), None)
        if own is None:
            own = {**where, "parts": []}
            found.append(own)
        own["parts"].append(part)
    return found
