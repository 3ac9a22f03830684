"""Commands as a user gives them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from flatfast.cli.app import run
from flatfast.lab.report.theme import Theme

TINY = ("--set", "start=init", "--seeds", "2", "--records", "16")
"""Runs that take no time."""


@dataclass
class Answer:
    """What a command printed, white space made single, and its exit code."""

    code: int
    out: str
    err: str

    def told(self, code: int) -> str:
        """The error message, after the exit code was checked; a traceback is no message."""
        assert self.code == code, self.out + self.err
        assert "Traceback" not in self.out + self.err
        assert self.err.strip()
        return self.err


@pytest.fixture
def flatfast(capsys, tmp_path, monkeypatch):
    """Runs a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")

    def answer(*words: object) -> Answer:
        code = run([str(word) for word in words])
        printed = capsys.readouterr()
        return Answer(code, " ".join(printed.out.split()), " ".join(printed.err.split()))

    return answer


@pytest.fixture
def unrendered(monkeypatch):
    """Reports whose figures are drawn but not rendered, which takes most of a report's time."""

    def save(figure: Figure, theme: Theme, folder: Path, name: str) -> dict[str, Path]:
        path = folder / f"{name}{'-dark' if theme.name == 'dark' else ''}.svg"
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        return {"svg": path, "png": path}

    monkeypatch.setattr("flatfast.lab.report.write.save", save)


@pytest.fixture
def process(tmp_path):
    """Starts a command in a process of its own, in an empty folder."""

    def start(*words: object, before: str = "", **options: object) -> subprocess.Popen[str]:
        code = f"{before}\nfrom flatfast.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
            **options,
        )

    return start
