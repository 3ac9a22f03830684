"""Write each tutorial as a notebook, without outputs: ``python -m scripts.site.notebooks``."""

import argparse
import sys

import jupytext
import nbformat

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


def main() -> None:
    """Write them, or say which are stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    check = parser.parse_args().check
    stale = []
    for name in ORDER:
        file, text = FOLDER / f"{name}.ipynb", notebook(name)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            stale.append(file.name)
            if not check:
                file.write_text(text, encoding="utf-8")
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run: python -m scripts.site.notebooks")
    print(f"{len(ORDER)} notebooks, {len(stale)} {'out of date' if check else 'written'}")


if __name__ == "__main__":
    main()
