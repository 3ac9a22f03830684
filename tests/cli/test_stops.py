"""Ctrl-C and SIGTERM: never lost, never silent, and one exit code."""

import contextlib
import os
import signal
import time

import pytest

from flatfast.cli import interrupts
from flatfast.cli.app import run
from flatfast.cli.interrupts import keeping, until_stopped


def wait() -> None:
    """Let a signal that was sent arrive."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.01)
    raise AssertionError("no signal came")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_ends_with_a_line_and_its_code(capsys, number, code):
    before = signal.getsignal(number)

    def work() -> int:
        os.kill(os.getpid(), number)
        wait()
        return 0

    assert until_stopped(work) == code
    assert capsys.readouterr().err == f"flatfast: {interrupts.NOTHING}\n"
    assert signal.getsignal(number) is before


def test_the_innermost_part_says_what_is_kept(capsys):
    def work() -> int:
        with keeping("stopped: the house"), keeping("stopped: the ro\x1bof"):
            signal.raise_signal(signal.SIGINT)
        return 0

    assert until_stopped(work) == 130
    assert capsys.readouterr().err == "flatfast: stopped: the ro␛of\n"


def test_a_stop_that_somebody_drops_is_asked_for_again(capsys, monkeypatch):
    monkeypatch.setattr(interrupts, "AGAIN", 0.05)

    def work() -> int:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        wait()
        return 0

    assert until_stopped(work) == 130
    assert "stopped" in capsys.readouterr().err


def test_a_stop_that_is_cleaned_up_after_is_not_asked_for_again(monkeypatch):
    monkeypatch.setattr(interrupts, "AGAIN", 0.02)
    cleaned = []

    def work() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for _ in range(20):
                time.sleep(0.005)
            cleaned.append(True)
        return 0

    assert until_stopped(work) == 130
    assert cleaned == [True]


def test_work_that_is_done_has_its_own_code(capsys):
    assert until_stopped(lambda: 3) == 3
    assert capsys.readouterr().err == ""


def test_a_stop_comes_through_the_parser(monkeypatch):
    monkeypatch.setattr("flatfast.lab.recipes.recipe_of", _stopped)
    with pytest.raises(KeyboardInterrupt):
        run(["reproduce", "scalar-product"])


def _stopped(*_: object) -> None:
    raise KeyboardInterrupt
