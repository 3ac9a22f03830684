"""Entries of a figure's key, of looks and not of what was drawn."""

from typing import Any

from matplotlib.lines import Line2D


def line_entry(label: str, **look: Any) -> Line2D:
    """An entry with a piece of line."""
    return Line2D([], [], label=label, **look)


def mark_entry(label: str, **look: Any) -> Line2D:
    """An entry with a marker alone."""
    return line_entry(label, ls="", **look)
