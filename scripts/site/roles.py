"""Docstrings as Markdown has them: an extension of griffe, which reads them for the site.

They say ``:func:`flatfast.rescale```, and ``::`` before an example, as Sphinx and editors
understand it; Markdown does not.
"""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^::\n+|(?<=\S):(?=:\n)", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc|obj):`(~?)([\w.]+)`")


def linked(text: str, module: str) -> str:
    """A docstring's text with its references as links to what the site has, as code elsewhere.

    What begins an example goes, or a colon of it, where it ends a sentence.

    Args:
        text: The docstring.
        module: The module that it stands in, to which names without ``flatfast`` belong.
    """

    def link(match: re.Match[str]) -> str:
        short, target = match[1] == "~", match[2]
        shown = target.rsplit(".", 1)[-1] if short else target.lstrip(".")
        full = target if target.startswith("flatfast.") else f"{module}.{target.lstrip('.')}"
        return f'<autoref optional identifier="{full}"><code>{shown}</code></autoref>'

    return _EXAMPLE.sub("", _ROLE.sub(link, text))


class Roles(griffe.Extension):
    """Rewrites the docstring of every object that is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """One object of the package."""
        _rewrite(obj)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """The package itself, which is no object of itself."""
        _rewrite(pkg)


def _rewrite(obj: griffe.Object) -> None:
    if obj.docstring is not None:
        obj.docstring.value = linked(obj.docstring.value, obj.module.path)
