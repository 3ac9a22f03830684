"""README and docs quote the committed results, by a script."""

import subprocess
import sys
import types
from pathlib import Path

import pytest

from studies.quotes import __main__ as quotes_page
from studies.quotes import values

ROOT = Path(__file__).parent.parent


TABLES = """
from studies.quotes.values import interval
from studies.markdown import table
from studies.experiments.tables import template as elsewhere

__all__ = ["answer", "elsewhere"]

def answer():
    return "forty-two"

def measured(found):
    return f"{found['answer']} measured"

def helper(found, digits):
    return ""

def other(path):
    return ""

def optional(found, digits=3):
    return ""
"""


@pytest.fixture
def quotes(tmp_path, monkeypatch):
    monkeypatch.setattr(quotes_page, "ROOT", tmp_path)
    tables = types.ModuleType("studies.made_up.tables")
    exec(TABLES, vars(tables))
    monkeypatch.setitem(sys.modules, tables.__name__, tables)
    monkeypatch.setattr(quotes_page, "PAGES", (tmp_path / "page.md",))
    return quotes_page


PAGE = "before\n<!-- quote:made_up.answer -->\n{}<!-- /quote -->\nafter\n"


def test_blocks_are_filled_and_nothing_else_changes(quotes):
    assert quotes.quoted(PAGE.format("")) == PAGE.format("forty-two\n")
    assert quotes.quoted(PAGE.format("old\ntext\n")) == PAGE.format("forty-two\n")
    assert quotes.quoted("no blocks") == "no blocks"


def test_a_table_is_given_the_committed_result(quotes, tmp_path, monkeypatch):
    monkeypatch.setattr(values, "ROOT", tmp_path)
    block = "<!-- quote:made_up.measured -->\n{}\n<!-- /quote -->"
    assert quotes.quoted(block.format("old")) == block.format("not measured yet")
    result = tmp_path / "results/made_up/made_up.json"
    result.parent.mkdir(parents=True)
    result.write_text('{"answer": 42}')
    assert quotes.quoted(block.format("old")) == block.format("42 measured")


def test_a_block_out_of_date_fails_the_check(quotes, tmp_path, monkeypatch, capsys):
    (tmp_path / "page.md").write_text(PAGE.format("forty\n"))
    monkeypatch.setattr(sys, "argv", ["quotes", "--check"])
    with pytest.raises(SystemExit, match=r"out of date: page\.md"):
        quotes.main()
    monkeypatch.setattr(sys, "argv", ["quotes"])
    quotes.main()
    monkeypatch.setattr(sys, "argv", ["quotes", "--check"])
    quotes.main()


def test_an_unknown_table(quotes):
    with pytest.raises(SystemExit, match=r"no table made_up\.anwser: studies\.made_up\.tables"):
        quotes.quoted("<!-- quote:made_up.anwser -->\n<!-- /quote -->")


@pytest.mark.parametrize("name", ["interval", "table", "helper", "other", "optional"])
def test_what_is_no_table(quotes, name):
    """Not what the module imports, nor what wants more than the study's result."""
    there = r"studies\.made_up\.tables has elsewhere, answer, measured$"
    with pytest.raises(SystemExit, match=rf"^no table made_up\.{name}: {there}"):
        quotes.quoted(f"<!-- quote:made_up.{name} -->\n<!-- /quote -->")


def test_a_table_that_a_module_hands_on_is_one(quotes):
    assert "## The file" in quotes.quoted("<!-- quote:made_up.elsewhere -->\n<!-- /quote -->")


def test_an_import_that_fails_is_told_as_such(quotes, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(quotes.ELSEWHERE, "broken", "broken_tables")
    module = tmp_path / "broken_tables.py"
    block = "<!-- quote:broken.answer -->\n<!-- /quote -->"
    module.write_text("import no_such_package\n")
    with pytest.raises(SystemExit, match=r"^broken_tables cannot be imported: .*no_such_package"):
        quotes.quoted(block)
    module.write_text("from json import no_such_name\n")
    with pytest.raises(SystemExit, match=r"^broken_tables cannot be imported: .*no_such_name"):
        quotes.quoted(block)


@pytest.mark.parametrize("content", ['{"answer": 4', "[42]", ""])
def test_a_damaged_result_is_named(quotes, tmp_path, monkeypatch, content):
    monkeypatch.setattr(values, "ROOT", tmp_path)
    result = tmp_path / "results/made_up/made_up.json"
    result.parent.mkdir(parents=True)
    result.write_text(content)
    with pytest.raises(SystemExit, match=r"^made_up\.measured: results/made_up/made_up\.json is "):
        quotes.quoted("<!-- quote:made_up.measured -->\n<!-- /quote -->")
    result.write_text("{}")
    with pytest.raises(KeyError) as caught:
        quotes.quoted("<!-- quote:made_up.measured -->\n<!-- /quote -->")
    assert caught.value.__notes__ == [
        "in the table made_up.measured, of results/made_up/made_up.json"
    ]


def test_an_unknown_study(quotes):
    with pytest.raises(
        SystemExit, match=r"no table madeup\.answer: there is no studies\.madeup\.tables"
    ):
        quotes.quoted("<!-- quote:madeup.answer -->\n<!-- /quote -->")


@pytest.mark.parametrize(
    "text",
    [
        "<!-- quote:answer -->\n<!-- /quote -->",
        "<!-- quote:made_up.answer -->\nopen",
        "<!--quote:made_up.answer -->\n<!-- /quote -->",
        "<!--  quote:made_up.answer -->\n<!-- /quote -->",
        "<!-- quote: made_up.answer -->\n<!-- /quote -->",
        "<!-- quote made_up.answer -->\n<!-- /quote -->",
        "<!-- Quote:made_up.answer -->\n<!-- /Quote -->",
        "<!-- quote:made_up.answer --> \n<!-- /quote -->",
        "<!-- quote:made_up.answer -->\n<!-- / quote -->",
        "<!-- quote:made_up.answer -->\n<!-- quote:made_up.answer -->\n<!-- /quote -->",
        "<!-- /quote -->",
    ],
)
def test_a_block_of_another_form_is_not_passed_over(quotes, text):
    page = "<!-- a comment -->\n<!-- quote:made_up.answer -->\n<!-- /quote -->\n" + text
    with pytest.raises(SystemExit, match=r"^line [45]: not a block of the form STUDY\.TABLE"):
        quotes.quoted(page)


def test_an_error_names_its_page(quotes, tmp_path, monkeypatch):
    (tmp_path / "page.md").write_text("<!--quote:made_up.answer -->")
    monkeypatch.setattr(sys, "argv", ["quotes", "--check"])
    with pytest.raises(SystemExit, match=r"^page\.md: line 1: not a block"):
        quotes.main()


def test_the_committed_pages_are_up_to_date():
    command = [sys.executable, "-m", "studies.quotes", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
