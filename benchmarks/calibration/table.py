"""From stored runs to the table."""

from pathlib import Path
from typing import Any

from benchmarks.calibration.cases import Case


def summarise(cases: tuple[Case, ...], folder: Path) -> dict[str, Any]:
    """What was found."""
    return {}
