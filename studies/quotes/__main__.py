"""Write the figures that README and docs quote, from the committed results.

A quoted block stands between ``<!-- quote:STUDY.TABLE -->`` and ``<!-- /quote -->``; it is filled
by the function TABLE of ``studies/STUDY/tables.py`` (``benchmarks/tables.py`` for
``benchmarks.TABLE``). One that takes an argument is given the study's committed result; where there
is none, the page says so. With ``--check`` nothing is written and a block that is out of date is an
error.

    python -m studies.quotes [--check]
"""

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable

from studies.markdown import NOT_YET
from studies.quotes.values import ROOT, load

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- quote:(\w+)\.([a-z]\w*) -->\n).*?(<!-- /quote -->)", re.DOTALL)
OPENING = "<!-- quote:"
ELSEWHERE = {"benchmarks": "benchmarks.tables"}
"""Modules of tables that do not lie in a study's folder."""


def filling(study: str, name: str) -> str:
    """What fills a block.

    Raises:
        SystemExit: If there is no such table.
    """
    module = ELSEWHERE.get(study, f"studies.{study}.tables")
    try:
        table: Callable[..., str] = getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError):
        raise SystemExit(f"no table {study}.{name}: {module} has none") from None
    if not inspect.signature(table).parameters:
        return table()
    result = load(f"results/{study}/{study}.json")
    return NOT_YET if result is None else table(result)


def quoted(text: str, root: str = "") -> str:
    """A page with its blocks filled.

    Args:
        text: The page.
        root: The way from the page to the project's root.

    Raises:
        SystemExit: If there is no such table, or a block is not closed or not named in two parts.
    """
    if len(BLOCK.findall(text)) != text.count(OPENING):
        first = next(part for part in text.split(OPENING)[1:] if not BLOCK.match(OPENING + part))
        raise SystemExit(f"not a block of the form STUDY.TABLE, closed: {first.splitlines()[0]}")

    def fill(match: re.Match[str]) -> str:
        block = filling(match[2], match[3]).replace("](results/", f"]({root}results/")
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
        fresh = quoted(text, "../" * (len(page.relative_to(ROOT).parts) - 1))
        if fresh != text:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(fresh)
    if check and stale:
        sys.exit(f"out of date: {', '.join(map(str, stale))}; run: make quotes")
    print(f"{len(PAGES)} pages, {len(stale)} {'out of date' if check else 'written'}")


if __name__ == "__main__":
    main()
