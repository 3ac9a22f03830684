"""Texts that are not ours, on the terminal and in the page: printed as they are, or named."""

import json
import os

import pytest

from flatfast.cli.console import Console
from flatfast.cli.printable import printable
from flatfast.lab.chunks import Origin
from tests.cli.conftest import TINY

ODD = ("a[/b]", "[bold]x", ":x:", "tab\tand $math^", "\x1b]0;title\x07")
SMALL = ("sweep", "scalar-product", "--lr", 0.02, "--momentum", "0.5,0.9", *TINY, "--steps", 60)


def test_control_characters_are_shown_and_not_sent():
    shown = printable("\x1b[31mred\x07\x9b\udcff\u202e\r\n\t\x7f")
    assert (
        shown == "␛[31mred␇\N{REPLACEMENT CHARACTER}" + 2 * "\N{REPLACEMENT CHARACTER}" + "␍\n\t␡"
    )
    assert printable("γ = 2/3, 日本語") == "γ = 2/3, 日本語"


@pytest.mark.parametrize("text", ODD)
def test_the_console_prints_texts_as_they_are(capsys, text):
    console = Console(width=100)
    console.say("into ", (text, "bold"))
    console.note(text)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\x07" not in told
    if "\x1b" not in text and "\t" not in text:
        assert f"into {text}\nnote: {text}\n" == told


def test_a_closed_pipe_stops_no_work():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        console = Console(file=pipe)
        for _ in range(3):
            console.say("anybody?")
        assert console.quiet


@pytest.mark.parametrize("folder", ["a[/b]", "[bold]x", ":x:", "\x1b[31mred", "no\udcffutf"])
def test_a_folder_may_have_any_name(flatfast, tmp_path, folder):
    answer = flatfast(*SMALL, "--out", folder)
    assert answer.code == 0, answer.err
    assert (tmp_path / folder / "index.html").is_file()
    assert f"page: {printable(folder)}/index.html" in answer.out
    assert "\x1b" not in answer.out


def test_a_report_where_names_are_not_utf_8(flatfast, unrendered, tmp_path, monkeypatch):
    """In the folder's name, and in the command that made its runs."""
    monkeypatch.setattr("sys.argv", ["flatfast", *map(str, SMALL), "--set", "x=no\udcffutf"])
    assert flatfast(*SMALL, "--out", "no\udcffutf").code == 0
    answer = flatfast("report", "no\udcffutf", "--out", "there\udcff")
    assert answer.code == 0, answer.err
    summary = json.loads((tmp_path / "there\udcff" / "summary.json").read_text())
    assert summary["command"].endswith("'x=no?utf'")
    assert "no?utf" in (tmp_path / "there\udcff" / "index.html").read_text()


def test_a_problem_where_names_are_not_utf_8_is_refused_by_name(flatfast, tmp_path):
    (tmp_path / "no\udcffutf.py").write_text("def problem(): pass\n")
    words = ("sweep", "no\udcffutf.py:problem", "--lr", 0.1, "--momentum", 0.5)
    assert "must lie where every name is UTF-8" in flatfast(*words).told(2)


@pytest.mark.parametrize(
    ("ending", "told"),
    [("sys.exit('no data here')", "no data here"), ("sys.exit(3)", "code 3"), ("exit()", "code 0")],
)
def test_a_problem_that_ends_the_program_is_an_error(flatfast, tmp_path, ending, told):
    (tmp_path / "p.py").write_text(f"import sys\ndef problem(): {ending}\n")
    answer = flatfast("sweep", "p.py:problem", "--lr", 0.1, "--momentum", 0.5)
    message = answer.told(1)
    assert told in message
    assert "p.py, line 2" in message


def test_runs_too_long_to_count_are_refused_before_the_folder_is_made(flatfast, tmp_path):
    for words in (["--steps", 2**31], ["--steps", 10**30], ["--duration", 1e300]):
        answer = flatfast(*SMALL[:6], *TINY, *words, "--out", "here")
        assert "steps must be at most 2147483647" in answer.told(2)
    assert not (tmp_path / "here").exists()


DAMAGED = ("{", "[]", "{}", '{"C": 3}', "\x00", "null")


def test_a_damaged_forecast_is_named_and_left_alone(flatfast, tmp_path):
    flatfast(*SMALL, "--out", "here")
    path = tmp_path / "here" / "forecast.json"
    for text in DAMAGED:
        path.write_text(text)
        answer = flatfast("report", "here")
        assert answer.code == 0, answer.err
        assert "here/forecast.json holds no forecast that can be read" in answer.out
        assert "holds no forecast that can be read" in (tmp_path / "here/index.html").read_text()
        assert path.read_text() == text


ODD_SETTINGS = (
    {},
    {"problem": 7},
    {"problem": {"name": ["x"], "goal": "low", "settings": []}},
    {"problem": {"goal": {"metric": 3, "threshold": "low"}, "version": {}}},
    {"problem": {"name": "<script>", "goal": {"metric": "nowhere $", "threshold": 0.1}}},
)


def test_what_all_chunks_say_stands_for_a_manifest_that_is_lost_or_odd(flatfast, tmp_path):
    flatfast(*SMALL, "--out", "here")
    path, summary = tmp_path / "here" / "manifest.json", tmp_path / "here" / "summary.json"
    manifest, right = json.loads(path.read_text()), summary.read_text()
    for settings in ODD_SETTINGS:
        path.write_text(json.dumps({**manifest, "settings": settings}))
        summary.unlink()
        answer = flatfast("report", "here")
        assert answer.code == 0, answer.err
        assert "the settings are those that all chunks carry" in " ".join(answer.out.split())
        assert summary.read_text() == right
    path.unlink()
    answer = flatfast("report", "here")
    assert answer.code == 0, answer.err
    assert "here holds no sweep (no manifest.json)" in " ".join(answer.out.split())


def test_an_odd_manifest_still_gives_a_page(flatfast, tmp_path, monkeypatch):
    # Chunks of folders made before they said whose they are.
    monkeypatch.setattr("flatfast.lab.chunks._origin", lambda _: Origin())
    flatfast(*SMALL, "--out", "here")
    path = tmp_path / "here" / "manifest.json"
    manifest = {**json.loads(path.read_text()), "format": 1}
    odd = {"machine": "a toaster", "versions": [1], "command": {}, "created": 5}
    for settings in ODD_SETTINGS:
        path.write_text(json.dumps({**manifest, **odd, "settings": settings}))
        answer = flatfast("report", "here")
        assert answer.code == 0, answer.err
        page = (tmp_path / "here" / "index.html").read_text()
        assert "The manifest has no readable" in page
        assert page.count("<script") == page.count("</script>") == 3  # the page's own
