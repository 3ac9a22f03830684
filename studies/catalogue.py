"""The studies there are: packages of this folder that have a ``run.py``."""

import ast
import difflib
import importlib
from pathlib import Path

from studies.study import Study

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the studies."""
    return sorted(path.parent.name for path in FOLDER.glob("*/run.py"))


def question(name: str) -> str:
    """What a study asks: its docstring's first paragraph, read without importing; "" if none."""
    path = FOLDER / name / "__init__.py"
    try:
        told = ast.get_docstring(ast.parse(path.read_text())) or ""
    except (OSError, SyntaxError):  # whoever loads it is told
        return ""
    return " ".join(told.split("\n\n")[0].split())


def load(name: str) -> Study:
    """A study.

    Raises:
        ValueError: If there is none of that name; the message gives the nearest.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"no study {name!r}{hint} (there are {', '.join(names())})")
    study: Study = importlib.import_module(f"studies.{name}.run").STUDY
    return study
