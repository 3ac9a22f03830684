"""Committed results, and how their values are written."""

import json
from pathlib import Path
from typing import Any

from flatfast.lab.report.typography import marked

ROOT = Path(__file__).resolve().parents[2]
SUMMARIES = sorted(ROOT.glob("results/*/summary.json"))


class DamagedResultError(ValueError):
    """A committed file is no result; the message names it."""


def load(path: str) -> dict[str, Any] | None:
    """A committed result, or None where there is none yet.

    Raises:
        DamagedResultError: If the file is not one.
    """
    file = ROOT / path
    return read(file) if file.exists() else None


def read(file: Path) -> dict[str, Any]:
    """A committed result that is there.

    Raises:
        DamagedResultError: If the file is not one.
    """
    name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedResultError(f"{name} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise DamagedResultError(f"{name} is no result: it holds a {type(found).__name__}")
    return found


def number(value: float | None) -> str:
    """Three digits; nothing where there is no value."""
    return "" if value is None else f"{value:.3g}"


def interval(value: dict[str, Any] | None, digits: int = 3) -> str:
    """``0.67 (0.65 to 0.69)``."""
    if value is None or value["estimate"] is None:
        return "not located"
    ends = (value["estimate"], value["low"], value["high"])
    centre, low, high = (f"{end:.{digits}g}" for end in ends)
    return f"{centre} ({low} to {high})"


def ratio(value: dict[str, Any] | None) -> str:
    """A speed-up with what is known of it."""
    if value is None or value["estimate"] is None:
        return "unknown"
    return marked(value["estimate"], value["relation"])
