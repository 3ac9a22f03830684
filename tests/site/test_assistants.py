"""What coding assistants read is made of the pages, and is up to date."""

import re

import pytest

pytest.importorskip("yaml", reason="needs PyYAML")

from scripts.site import assistants
from scripts.site.links import ROOT


@pytest.mark.parametrize(
    ("file", "make"), [(assistants.LLMS, assistants.llms), (assistants.SKILL, assistants.skill)]
)
def test_committed_files_are_up_to_date(file, make):
    assert file.read_text("utf-8") == make(), f"{file.name} is stale: run `make quotes`"


def test_every_page_is_in_the_navigation():
    listed = [page for pages in assistants.navigation().values() for page in pages]
    assert len(listed) == len(set(listed))
    assert set(listed) == {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}


def test_a_list_has_a_line_a_page_with_what_it_says_first():
    text = assistants.llms(lambda path: f"there/{path}")
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) > 25
    for line in lines:
        found = re.fullmatch(r"- \[.+\]\(there/[\w/]+\.(?:md|py)\): (.+)", line)
        assert found is not None, line
        assert 50 < len(found[1]) < 500, line


def test_first_sentences():
    page = (
        "# Title\n\n<!-- quote:a.b -->\n| x |\n<!-- /quote -->\n\n**One.** [Two](faq.md) is:\n\nx"
    )
    assert assistants.first_sentences(page, least=3) == "One."
    assert assistants.first_sentences(page) == "One. Two (docs/faq.md) is."


def test_a_skill_says_when_it_is_for_and_has_code_that_the_docs_run():
    text = assistants.skill()
    assert text.startswith("---\nname: flatfast\ndescription: ")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        assert block in (ROOT / "docs/start.md").read_text("utf-8")
    assert "](" not in re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for path in re.findall(r"\((docs/[\w/.]+)\)", text):
        assert (ROOT / path).is_file()


def test_a_heading_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"docs/start\.md has no heading 'Nothing'"):
        assistants.section("start", "Nothing")
