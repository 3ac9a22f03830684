"""Small pieces of HTML. Every text that goes in is escaped; markup is a type of its own."""

import base64
import html
import json
import re
from collections.abc import Iterable, Sequence
from typing import NewType

Markup = NewType("Markup", str)
"""HTML that is safe to put into a page."""


WIDE = 4
"""Columns from which a table is wider than a phone."""

SVG = "data:image/svg+xml;base64,"
"""Beginning of a picture's address."""

POWER = re.compile(r"\^\(?([−\w/]+)\)?")


def text(value: object) -> Markup:
    """``value`` as text."""
    return Markup(html.escape(str(value), quote=True))


def formula(value: str) -> Markup:
    """``value`` as text, with ``lr^(2/3)`` and ``lr^γ`` set as powers."""
    return Markup(POWER.sub(r"<sup>\1</sup>", text(value.replace("^-", "^−"))))


def element(tag: str, *content: Markup, **attributes: str) -> Markup:
    """An element; attributes ``class_`` and ``data_name`` are written ``class``, ``data-name``."""
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value, quote=True)}"'
        for name, value in attributes.items()
    )
    return Markup(f"<{tag}{named}>{''.join(content)}</{tag}>")


def join(pieces: Iterable[Markup], separator: str = "\n") -> Markup:
    """Pieces in a row."""
    return Markup(separator.join(pieces))


def emphasise(sentence: str, part: str) -> Markup:
    """A sentence with its first ``part`` emphasised."""
    before, found, after = sentence.partition(part)
    if not found:
        return formula(sentence)
    return join([formula(before), element("em", text(part)), formula(after)], "")


def with_note(main: str, note: str) -> Markup:
    """A table cell's number with a smaller line below it."""
    return join([formula(main), element("small", formula(note))], "") if note else formula(main)


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[Markup]],
    *,
    kind: str = "",
    emphasised: int = -1,
) -> Markup:
    """A table that scrolls inside its own box on narrow screens.

    Args:
        header: Column names.
        rows: Cells; the first of each row is its heading.
        kind: Class of the table in ``page.css``.
        emphasised: Index of a row to set in bold.
    """
    head = element("tr", *(element("th", formula(name), scope="col") for name in header))
    body = []
    for index, (first, *rest) in enumerate(rows):
        cells = [element("th", first, scope="row"), *(element("td", cell) for cell in rest)]
        body.append(element("tr", *cells, **({"class_": "first"} if index == emphasised else {})))
    inner = element(
        "table",
        element("thead", head),
        element("tbody", join(body)),
        **({"class_": kind} if kind else {}),
    )
    # Focusable, so that a keyboard can scroll it too.
    box = element("div", inner, class_="scroll", tabindex="0")
    if len(header) < WIDE:
        return box
    return join([element("p", text("This table scrolls sideways →"), class_="hint"), box])


def unfolding(title: str, inner: Markup) -> Markup:
    """Something that is there for those who ask."""
    return element("details", element("summary", text(title)), inner)


def embedded(name: str, data: object) -> Markup:
    """Data for the page's script, under an ``id``."""
    told = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    # No text in it can end the element.
    safe = Markup(told.replace("<", "\\u003c"))
    return element("script", safe, type="application/json", id=name)


def definitions(pairs: Iterable[tuple[str, str]]) -> Markup:
    """A list of names and values."""
    return element(
        "dl", join(join([element("dt", text(n)), element("dd", text(v))], "") for n, v in pairs)
    )


def picture(light: bytes, dark: bytes, description: str) -> Markup:
    """Inlined SVG that follows the reader's colour scheme; light on paper."""
    source = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{_data_uri(dark)}">'
    image = f'<img src="{_data_uri(light)}" alt="{html.escape(description, quote=True)}">'
    return Markup(f"<picture>{source}{image}</picture>")


def _data_uri(svg: bytes) -> str:
    return f"{SVG}{base64.b64encode(svg).decode()}"
