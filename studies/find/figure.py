"""The study's figure."""

from pathlib import Path

from studies.study import Result


def draw(result: Result, folder: Path) -> None:
    """Nothing yet."""
