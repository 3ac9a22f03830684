"""Write each tutorial as a notebook, without outputs: ``python -m scripts.site.notebooks``."""

from pathlib import Path

import jupytext
import nbformat

from scripts.site.made import write_or_check
from scripts.site.percent import FOLDER, ORDER


def notebook(name: str) -> str:
    """A tutorial as the text of a notebook; the same tutorial gives the same bytes."""
    found = jupytext.reads((FOLDER / f"{name}.py").read_text(encoding="utf-8"), fmt="py:percent")
    for index, cell in enumerate(found.cells):
        cell.id = f"{name}-{index}"[-64:]
        cell.metadata = {}
    found.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.validate(found)
    return str(nbformat.writes(found)) + "\n"


def notebooks() -> dict[Path, str]:
    """The text of every notebook, by its file."""
    return {FOLDER / f"{name}.ipynb": notebook(name) for name in ORDER}


if __name__ == "__main__":
    write_or_check(notebooks, __doc__)
