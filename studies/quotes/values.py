"""Committed results, and how their values are written."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SUMMARIES = sorted(ROOT.glob("results/*/summary.json"))


def load(path: str) -> dict[str, Any] | None:
    """A committed result, or None where there is none yet."""
    file = ROOT / path
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text())
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
    mark = {"=": "", ">": "> ", "<": "< ", "~": "~ "}.get(value["relation"], "")
    return f"{mark}{value['estimate']:.3g}"
