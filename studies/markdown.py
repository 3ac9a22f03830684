"""Tables as pages have them."""

from collections.abc import Iterable, Mapping, Sequence

NOT_YET = "not measured yet"
"""What a page says where a result is not there yet."""


def table(heads: Sequence[str], rows: Iterable[Iterable[str]], note: str = "") -> str:
    """A table of its heads and its rows of cells, and below it a note, in brackets.

    Args:
        heads: Of the columns.
        rows: Their cells.
        note: What is to be said of the whole; none if it is empty.
    """
    lines = [
        "|" + "".join(f" {head} |" if head else " |" for head in heads),
        "|" + " --- |" * len(heads),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    if note:
        lines += ["", f"({note})"]
    return "\n".join(lines)


def met(so: bool) -> str:
    """Whether a criterion that was written down before was."""
    return "met" if so else "not met"


def between(found: Mapping[str, float]) -> str:
    """An ``estimate``, and in brackets ``low`` and ``high``."""
    return f"{found['estimate']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
