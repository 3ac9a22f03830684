"""Tables as pages have them."""

from collections.abc import Iterable, Sequence

NOT_YET = "not measured yet"
"""What a page says where a result is not there yet."""


def table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of its heads and its rows of cells."""
    lines = [
        "|" + "".join(f" {head} |" if head else " |" for head in heads),
        "|" + " --- |" * len(heads),
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines)
