"""A report's page made anew from itself, without its runs: the template has changed, they have not.

A page holds its summary, the values of its figures, and these as SVG in both themes: all that it is
made of.
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flatfast.lab.report.cards import Shown
from flatfast.lab.report.figures import FIGURES, Drawing
from flatfast.lab.report.markup import SVG
from flatfast.lab.report.page import page
from flatfast.lab.report.values import Values
from flatfast.lab.report.write import write_page

_DATA = re.compile(r'<script type="application/json" id="(\w+)">(.*?)</script>', re.DOTALL)
_ADDRESS = rf'"{re.escape(SVG)}([^"]+)"'
_FIGURE = re.compile(rf'<figure data-name="(\w+)">.*?srcset={_ADDRESS}.*?src={_ADDRESS}', re.DOTALL)


def rewrite_page(folder: Path) -> Path:
    """Write the page of a report anew, in today's form.

    Args:
        folder: Where its ``index.html`` is.

    Returns:
        Path of the page.

    Raises:
        OSError: If the page cannot be read or written.
        ValueError: If it does not hold what it is made of.
    """
    return write_page(folder, page_again((folder / "index.html").read_text(encoding="utf-8")))


def page_again(html: str) -> str:
    """Today's page of what a page holds.

    Args:
        html: The page.

    Returns:
        HTML.

    Raises:
        ValueError: If it does not hold a summary and the values of its figures.
    """
    data = {name: json.loads(text) for name, text in _DATA.findall(html)}
    lacking = {"summary", "values"} - set(data)
    if lacking:
        raise ValueError(f"the page must hold its summary and values, lacks {sorted(lacking)}")
    pictures = {name: (light, dark) for name, dark, light in _FIGURE.findall(html)}
    figures = [
        _figure(drawing, data["values"][drawing.name], pictures.get(drawing.name))
        for drawing in FIGURES
        if drawing.name in data["values"]
    ]
    return page(data["summary"], figures)


def _figure(drawing: Drawing, told: Mapping[str, Any], picture: tuple[str, str] | None) -> Shown:
    if picture is None:
        return Shown(drawing, None, None, told.get("reason", ""))
    light, dark = (base64.b64decode(svg) for svg in picture)
    return Shown(drawing, light, dark, values=Values.from_json(told) if "at" in told else None)
