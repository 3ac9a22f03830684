"""Where a file of the repository is found in the site, and a page's links rewritten so.

A page of ``docs`` links to its neighbours and, by ``../results/...`` and the like, to files of the
repository, as a reader of the repository expects. In the site ``docs`` is the root: results lie
beside the pages, a script is shown as a page, and files such as the changelog are pages too.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples": "examples.md",
    "results": "results.md",
    "tutorials": "tutorials/index.md",
}
"""Files and folders outside ``docs`` that are a page of the site."""

COPIED = ("CITATION.cff", "LICENSE")
"""Files of the root that the site has as they are."""

_LINK = re.compile(r"(\]\()([^)\s#][^)\s]*)(\))")
_ATTRIBUTE = re.compile(r'((?:src|srcset|href)=")([^"#][^"]*)(")')
_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="([^"]+)">\s*'
    r'<img alt="([^"]*)" src="([^"]+)"([^>]*)>\s*</picture>'
)


_FILE_NAMED = re.compile(r"\[(\w+\.md)\]\(")


class NoPlaceError(ValueError):
    """A page links to a file that the site does not have."""


def place(path: str, root: Path = ROOT) -> str:
    """Where a file or folder of the repository is found in the site.

    Args:
        path: Its path in the repository, with ``/``.
        root: The repository.

    Returns:
        A path in the site's sources, with an anchor where the target is a part of a page.

    Raises:
        NoPlaceError: If the repository has no such file, or the site has no place for it.
    """
    path = path.rstrip("/")
    file = root / path
    if path in PAGES:
        return PAGES[path]
    if not file.exists():
        raise NoPlaceError(f"{path}: there is no such file")
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("results/"):
        if file.is_file():
            return path
        return (
            f"{path}/index.html" if (file / "index.html").is_file() else f"results.md#{name(path)}"
        )
    if path.startswith("tutorials/") and path.endswith(".py"):
        return path.removesuffix(".py") + ".md"
    if path.endswith(".py"):
        return f"code/{path}.md"
    if path in COPIED:
        return path
    raise NoPlaceError(f"{path}: the site has no place for it")


def name(path: str) -> str:
    """How a folder of results is called in headings and anchors: ``departures/x`` is ``x``."""
    return posixpath.basename(path)


def rewritten(text: str, source: str, root: Path = ROOT) -> str:
    """A page with its links as the site has them; code blocks stay as they are.

    Args:
        text: The page, in Markdown.
        source: Its path in the repository.
        root: The repository.

    Raises:
        NoPlaceError: If a link leads to a file that is not there, or has no place in the site.
    """
    here = posixpath.dirname(PAGES.get(source) or place(source, root))
    folder = posixpath.dirname(source)

    def target(link: str) -> str:
        if re.match(r"[a-z][a-z+.-]*:", link):
            return link
        path, hash_sign, anchor = link.partition("#")
        try:
            found = place(posixpath.normpath(posixpath.join(folder, path)), root)
        except NoPlaceError as error:
            raise NoPlaceError(f"{source} links to {link}: {error}") from error
        found, _, own_anchor = found.partition("#")
        return posixpath.relpath(found, here or ".") + (
            f"#{anchor or own_anchor}" if hash_sign or own_anchor else ""
        )

    def rewrite(part: str) -> str:
        part = _PICTURE.sub(_two_images, part)
        for pattern in (_LINK, _ATTRIBUTE):
            part = pattern.sub(lambda match: match[1] + target(match[2]) + match[3], part)
        return part

    return outside_code(text, rewrite)


def named(text: str, titles: Mapping[str, str]) -> str:
    """A page whose links to ``[theory.md]`` are called by that page's title.

    Args:
        text: The page, in Markdown.
        titles: File name of a page to its title; links to other pages stay as they are.
    """
    return outside_code(
        text,
        lambda part: _FILE_NAMED.sub(lambda link: f"[{titles.get(link[1], link[1])}](", part),
    )


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """A page changed everywhere but in its fenced code blocks."""
    parts, end = [], 0
    for fence in _FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def _two_images(picture: re.Match[str]) -> str:
    """Both pictures, each a link to itself in full; the theme shows that of the reader's scheme."""
    dark, alt, light, rest = picture.groups()
    pictures = ((light, "only-light"), (dark, "only-dark"))
    return "".join(
        f'<a href="{file}"><img alt="{alt}" src="{file}#{scheme}"{rest} loading="lazy"></a>'
        for file, scheme in pictures
    )
