"""README and docs quote the committed results, by a script."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def quotes(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("quotes", ROOT / "scripts" / "quote_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "QUOTES", {"answer": lambda: "forty-two"})
    monkeypatch.setattr(module, "PAGES", (tmp_path / "page.md",))
    return module


PAGE = "before\n<!-- quote:answer -->\n{}<!-- /quote -->\nafter\n"


def test_blocks_are_filled_and_nothing_else_changes(quotes):
    assert quotes.quoted(PAGE.format("")) == PAGE.format("forty-two\n")
    assert quotes.quoted(PAGE.format("old\ntext\n")) == PAGE.format("forty-two\n")
    assert quotes.quoted("no blocks") == "no blocks"


def test_a_block_out_of_date_fails_the_check(quotes, tmp_path, monkeypatch, capsys):
    (tmp_path / "page.md").write_text(PAGE.format("forty\n"))
    monkeypatch.setattr(sys, "argv", ["quote_results.py", "--check"])
    with pytest.raises(SystemExit, match=r"out of date: page\.md"):
        quotes.main()
    monkeypatch.setattr(sys, "argv", ["quote_results.py"])
    quotes.main()
    monkeypatch.setattr(sys, "argv", ["quote_results.py", "--check"])
    quotes.main()


def test_an_unknown_block(quotes):
    with pytest.raises(SystemExit, match="no quote 'anwser'; there are answer"):
        quotes.quoted("<!-- quote:anwser -->\n<!-- /quote -->")


def test_the_committed_pages_are_up_to_date():
    script = ROOT / "scripts" / "quote_results.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
