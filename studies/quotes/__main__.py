"""Write the figures that README and docs quote, from the committed results.

A quoted block stands between ``<!-- quote:STUDY.TABLE -->`` and ``<!-- /quote -->``; it is filled
by the function TABLE of ``studies/STUDY/tables.py`` (``benchmarks/tables.py`` for
``benchmarks.TABLE``): one that the module defines, or names in its ``__all__``, and that takes
nothing, or ``found``, the study's committed result; where there is no result, the page says so.

A comment that looks like a block's and is not exactly one is an error. With ``--check`` nothing is
written and a block that is out of date is an error too.

    python -m studies.quotes [--check]
"""

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

from studies.markdown import NOT_YET
from studies.quotes.values import ROOT, DamagedResultError, load

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
LOOKS_LIKE = re.compile(r"<!-+\s*/?\s*quotes?\b.*", re.IGNORECASE)
"""What somebody may have meant as the beginning or the end of a block."""
BLOCK = re.compile(
    r"(<!-- quote:(\w+)\.([a-z]\w*) -->\n)(?:(?!<!-- quote:).)*?(<!-- /quote -->)", re.DOTALL
)
ELSEWHERE = {"benchmarks": "benchmarks.tables"}
"""Modules of tables that do not lie in a study's folder."""
RESULT = "found"
"""How a table names the study's result, if it takes it."""


def filling(study: str, name: str) -> str:
    """What fills a block.

    Raises:
        SystemExit: If there is no such table, or its module or its result cannot be read.
    """
    module = ELSEWHERE.get(study, f"studies.{study}.tables")
    try:
        tables = importlib.import_module(module)
    except ImportError as error:
        if f"{module}.".startswith(f"{error.name}."):
            raise SystemExit(f"no table {study}.{name}: there is no {module}") from None
        raise SystemExit(f"{module} cannot be imported: {error}") from error
    table, *wants = _table(tables, name) or _not_a_table(tables, study, name)
    path = f"results/{study}/{study}.json"
    try:
        if not wants:
            return str(table())
        result = load(path)
        return NOT_YET if result is None else str(table(result))
    except DamagedResultError as error:
        raise SystemExit(f"{study}.{name}: {error}") from error
    except Exception as error:
        error.add_note(f"in the table {study}.{name}{f', of {path}' if wants else ''}")
        raise


def _table(tables: ModuleType, name: str) -> tuple[Callable[..., str], *tuple[str, ...]] | None:
    """The table of that name with what it takes, nothing or ``found``; None if it is no table."""
    table = vars(tables).get(name)
    if not inspect.isfunction(table):
        return None
    takes = tuple(inspect.signature(table).parameters)
    own = table.__module__ == tables.__name__ or name in getattr(tables, "__all__", ())
    return (table, *takes) if own and takes in ((), (RESULT,)) else None


def _not_a_table(tables: ModuleType, study: str, name: str) -> NoReturn:
    there = ", ".join(each for each in vars(tables) if _table(tables, each))
    raise SystemExit(f"no table {study}.{name}: {tables.__name__} has {there or 'none'}")


def quoted(text: str, root: str = "") -> str:
    """A page with its blocks filled.

    Args:
        text: The page.
        root: The way from the page to the project's root.

    Raises:
        SystemExit: If there is no such table, or a comment looks like a block's and is none.
    """
    blocks = list(BLOCK.finditer(text))
    meant = {match.start(group) for match in blocks for group in (1, 4)}
    for comment in LOOKS_LIKE.finditer(text):
        if comment.start() not in meant:
            line = text.count("\n", 0, comment.start()) + 1
            raise SystemExit(
                f"line {line}: not a block of the form STUDY.TABLE, closed: {comment[0]} "
                "(<!-- quote:STUDY.TABLE --> alone to the end of its line, then <!-- /quote -->)"
            )

    def fill(match: re.Match[str]) -> str:
        block = re.sub(r"\]\((results|docs)/", rf"]({root}\1/", filling(match[2], match[3]))
        return f"{match[1]}{block}\n{match[4]}"

    return BLOCK.sub(fill, text)


def main() -> None:
    """Fill or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    check = parser.parse_args().check
    stale = []
    for page in PAGES:
        text = page.read_text()
        name = page.relative_to(ROOT)
        try:
            fresh = quoted(text, "../" * (len(name.parts) - 1))
        except SystemExit as error:
            raise SystemExit(f"{name}: {error}") from error
        if fresh != text:
            stale.append(name)
            if not check:
                page.write_text(fresh)
    if check and stale:
        sys.exit(f"out of date: {', '.join(map(str, stale))}; run: make quotes")
    print(f"{len(PAGES)} pages, {len(stale)} {'out of date' if check else 'written'}")


if __name__ == "__main__":
    main()
