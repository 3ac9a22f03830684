"""Files that are made of others and committed: written anew, or told to be stale."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.site.links import ROOT


def write_or_check(make: Callable[[], Mapping[Path, str]], doc: str | None) -> None:
    """The command of a module that makes such files, with ``--check`` for the second.

    Args:
        make: What each file is to hold; where it lies need not be there.
        doc: The module's docstring, whose first line is the command's help.

    Raises:
        SystemExit: With ``--check``, if a file is out of date.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0] if doc else None)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    check = parser.parse_args().check
    made = make()
    stale = {file: text for file, text in made.items() if not _holds(file, text)}
    if check and stale:
        names = ", ".join(_name(file) for file in stale)
        sys.exit(f"out of date: {names}; run: make quotes")
    for file, text in stale.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    print(f"{len(made)} files, {len(stale)} {'out of date' if check else 'written'}")


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else str(file)
