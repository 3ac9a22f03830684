"""What a coding assistant reads, made of the pages: ``llms.txt`` and a skill.

    python -m scripts.site.assistants [--check]

``llms.txt`` lists the pages with what each answers, by the navigation of the site, in the form of
llmstxt.org. The skill, ``skills/flatfast/SKILL.md``, is what one has to know to put flatfast into a
script: parts of the pages as they are. The site also has ``llms-full.txt``, the pages in one.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.site.links import ROOT, outside_code
from scripts.site.made import write_or_check
from scripts.site.percent import FOLDER, ORDER, opening, title

LLMS = ROOT / "llms.txt"
SKILL = ROOT / "skills" / "flatfast" / "SKILL.md"

SUMMARY = (
    "What momentum goes with a learning rate: rules that carry a tuned setting to another batch, "
    "and the law 1 - momentum = C lr^(2/3) for SGD with label noise, measured and with its limits."
)
FULL = ("start", "howto", "rescale", "calibration", "ordinary", "choose", "limitations", "faq")
"""Pages of ``llms-full.txt``."""

_LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
_QUOTE = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_PICTURE = re.compile(r"<picture>.*?</picture>\n?", re.DOTALL)


def navigation() -> dict[str, list[str]]:
    """The pages of ``docs`` by the parts of the site's navigation, without those of one name."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    parts = {name: list(_pages_in(under)) for entry in nav for name, under in entry.items()}
    return {name: [page for page in pages if page != "index"] for name, pages in parts.items()}


def _pages_in(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        file = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if (ROOT / "docs" / file).is_file() and "/" not in file and file.endswith(".md"):
            yield file.removesuffix(".md")


def llms(link: Callable[[str], str] = str) -> str:
    """The list.

    Args:
        link: From the path of a page in the repository to its address.
    """
    lines = ["# flatfast", "", f"> {SUMMARY}", ""]
    for part, names in navigation().items():
        if not names:
            continue
        lines += [f"## {part}", ""]
        for name in names:
            text = _text(name)
            found = re.search(r"^# (.+)$", text, re.MULTILINE)
            assert found is not None
            lines.append(f"- [{found[1]}]({link(f'docs/{name}.md')}): {first_sentences(text)}")
        lines.append("")
    lines += ["## Tutorials", ""]
    for name in ORDER:
        file = FOLDER / f"{name}.py"
        lines.append(f"- [{title(file)}]({link(f'tutorials/{name}.py')}): {opening(file)}")
    return "\n".join(lines) + "\n"


def first_sentences(text: str, least: int = 60) -> str:
    """How a page begins: its first sentences, of that many characters at least, in one line."""
    plain = _plain(_PICTURE.sub("", _QUOTE.sub("", text)))
    body = plain.split("\n# ", 1)[-1] if not plain.startswith("# ") else plain
    paragraphs = [
        part for part in body.split("\n\n")[1:] if not part.startswith(("|", "#", "```", "- "))
    ]
    line = " ".join(paragraphs[0].replace("**", "").split())
    told = ""
    for sentence in re.split(r"(?<=[.?!]) ", line):
        told = f"{told} {sentence}".strip()
        if len(told) >= least:
            break
    return told.rstrip(":") + ("." if told.endswith(":") else "")


def skill() -> str:
    """The skill."""
    start = _text("start")
    parts = [
        "---\nname: flatfast\ndescription: "
        + "Choose or transfer SGD momentum (and Adam's settings) when the learning rate, batch "
        "size or number of devices changes; measure the 2/3 law's C; watch what a training does. "
        "Use when somebody asks what momentum to use, or changes batch or learning rate.\n---",
        "# flatfast",
        "<!-- made by `make quotes` of README.md and pages of docs -->",
        "## Does it apply?",
        section("index", "Does it hold for my kind of training?"),
        start.split("\n", 1)[1].strip(),
        "## One line for every framework",
        _table(ROOT / "README.md", "| where | the one line |"),
        "## When to advise something else",
        _table(ROOT / "docs/choose.md", "| if you | take | because |"),
        "## Where the law does not hold",
        section("limitations", "Where the law does not hold"),
    ]
    return (
        _plain("\n\n".join(_QUOTE.sub("", p) if i != 2 else p for i, p in enumerate(parts))) + "\n"
    )


def section(page: str, heading: str) -> str:
    """What stands under a heading of a page, to the next heading of its level.

    Raises:
        ValueError: If there is no such heading.
    """
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", _text(page), re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise ValueError(f"docs/{page}.md has no heading {heading!r}")
    return found[1].strip()


def full() -> str:
    """The pages that one needs in order to use flatfast, in one text."""
    texts = [_plain(_PICTURE.sub("", _QUOTE.sub("", _text(name)))).strip() for name in FULL]
    return f"# flatfast\n\n> {SUMMARY}\n\n" + "\n\n---\n\n".join(texts) + "\n"


def _text(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")


def _table(file: Path, head: str) -> str:
    """A table of a page, found by its head."""
    text = file.read_text(encoding="utf-8")
    if head not in text:
        raise ValueError(f"{file.name} has no table {head!r}")
    return text[text.index(head) :].split("\n\n", 1)[0]


def _plain(text: str) -> str:
    """A text for a reader elsewhere: a link to a page becomes the page's path in the repository."""

    def told(match: re.Match[str]) -> str:
        words, target = match[1], match[2].partition("#")[0]
        if re.match(r"https?:", target):
            return f"{words} ({target})"
        path = posixpath.normpath(posixpath.join("docs", target)) if target else ""
        if not (ROOT / path).exists():  # of README, whose links are from the root
            path = target
        if words.endswith(".md"):
            return path
        return f"{words} ({path})" if path and "(" not in words else words

    def change(part: str) -> str:
        return _LINK.sub(told, re.sub(r"\(\[([^\]]+)\]\(([^)]+)\)\)", r"([\1:](\2))", part))

    return re.sub(r":( \()([^()]+)\)\)", r": \2)", outside_code(text, change))


def texts() -> dict[Path, str]:
    """The list and the skill, by their files."""
    return {LLMS: llms(), SKILL: skill()}


if __name__ == "__main__":
    write_or_check(texts, __doc__)
