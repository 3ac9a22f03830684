"""What the theory offers is told by topic, all of it and each once."""

import re
from pathlib import Path

import flatfast.theory

GROUPS = ["Manifold", "Drift", "Adam", "Limit", "Times"]
PAGE = Path(__file__).parents[2] / "docs" / "theory.md"


def test_the_docstring_has_a_line_for_each_name():
    listed = re.findall(r"^    (\w+) {2,}\S", flatfast.theory.__doc__, re.MULTILINE)
    assert listed == flatfast.theory.__all__
    assert len(set(listed)) == len(listed)
    assert all(hasattr(flatfast.theory, name) for name in listed)


def test_the_page_opens_with_the_same_groups():
    groups = re.split(r"^(\w+): .*\n", flatfast.theory.__doc__, flags=re.MULTILINE)[1:]
    names = [re.findall(r"^    (\w+) ", text, re.MULTILINE) for text in groups[1::2]]
    opening = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    rows = re.findall(r"^\| \[(\w+)\]\(.*\|(.*)\|$", opening, re.MULTILINE)
    assert [name for name, _ in rows] == groups[::2] == GROUPS
    assert [re.findall(r"`(\w+)`", row) for _, row in rows] == names
