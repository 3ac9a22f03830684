"""Tutorials as they are written: Python files whose cells begin with ``# %%``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.site.links import ROOT

FOLDER = ROOT / "tutorials"
ORDER = (
    "the_law_in_your_loop",
    "calibrate",
    "my_batch_changed",
    "sweep_your_own_problem",
    "read_a_report",
    "theory_in_twenty_lines",
)
"""In the order in which one reads them."""


@dataclass(frozen=True)
class Cell:
    """A piece of a tutorial.

    Attributes:
        kind: Text in Markdown, or code.
        text: Its text, without comment signs.
    """

    kind: Literal["markdown", "code"]
    text: str


def cells(source: str) -> list[Cell]:
    """The cells of a tutorial.

    Raises:
        ValueError: If it does not begin with a cell, or a line of text is no comment.
    """
    parts = re.split(r"^# %%( \[markdown\])?\n", source, flags=re.MULTILINE)
    if parts[0].strip():
        raise ValueError(f"a tutorial begins with a cell, '# %%', got {parts[0][:40]!r}")
    found = []
    for mark, text in zip(parts[1::2], parts[2::2], strict=True):
        if mark is None:
            found.append(Cell("code", text.strip("\n")))
            continue
        lines = text.strip("\n").split("\n")
        wrong = [line for line in lines if not line.startswith("#")]
        if wrong:
            raise ValueError(f"text of a tutorial is in comments, got {wrong[0]!r}")
        found.append(Cell("markdown", "\n".join(line[1:].removeprefix(" ") for line in lines)))
    return found


def title(file: Path) -> str:
    """A tutorial's heading."""
    return cells(file.read_text(encoding="utf-8"))[0].text.split("\n")[0].removeprefix("# ")


def opening(file: Path) -> str:
    """A tutorial's first paragraph, in one line and without links."""
    paragraph = cells(file.read_text(encoding="utf-8"))[0].text.split("\n\n")[1]
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
