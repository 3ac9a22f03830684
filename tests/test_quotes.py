"""README and docs quote the committed results, by a script."""

import subprocess
import sys
import types
from pathlib import Path

import pytest

from studies.quotes import __main__ as quotes_page
from studies.quotes import values

ROOT = Path(__file__).parent.parent


@pytest.fixture
def quotes(tmp_path, monkeypatch):
    monkeypatch.setattr(quotes_page, "ROOT", tmp_path)
    tables = types.ModuleType("tables")
    tables.answer = lambda: "forty-two"
    tables.measured = lambda found: f"{found['answer']} measured"
    monkeypatch.setitem(sys.modules, "studies.made_up.tables", tables)
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


def test_an_unknown_study(quotes):
    with pytest.raises(SystemExit, match=r"no table madeup\.answer: studies\.madeup\.tables"):
        quotes.quoted("<!-- quote:madeup.answer -->\n<!-- /quote -->")


@pytest.mark.parametrize("block", ["answer -->\n<!-- /quote -->", "made_up.answer -->\nopen"])
def test_a_block_of_another_form_is_not_passed_over(quotes, block):
    with pytest.raises(SystemExit, match=r"not a block of the form STUDY\.TABLE"):
        quotes.quoted("<!-- quote:" + block)


def test_the_committed_pages_are_up_to_date():
    command = [sys.executable, "-m", "studies.quotes", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
