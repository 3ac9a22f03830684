"""Ctrl-C and SIGTERM: never lost, never silent, and one exit code."""

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader

import pytest

from flatfast.cli import interrupts
from flatfast.cli.app import run
from flatfast.cli.interrupts import Stopped, behind, keeping, until_stopped
from tests.cli.conftest import TINY


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


def test_an_error_in_answer_to_a_stop_tells_what_is_kept(capsys):
    """As a library raises it, and the command line finds the stop behind it."""

    def work() -> int:
        try:
            with keeping("stopped: the house"):
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt as stop:
                    raise OSError("the connection is gone") from stop
        except OSError as error:
            stop = behind(error)
            assert stop is not None
            raise stop from None
        return 0

    assert until_stopped(work) == 130
    assert capsys.readouterr().err == "flatfast: stopped: the house\n"


def test_other_errors_say_nothing_of_it():
    with pytest.raises(OSError, match="gone") as told, keeping("stopped: the house"):
        raise OSError("the connection is gone")
    assert not hasattr(told.value, "__notes__")


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


def test_a_second_stop_while_the_first_is_cleaned_up_after_changes_nothing(capsys):
    cleaned = []

    def work() -> int:
        try:
            with keeping("stopped: the house"):
                signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)
        return 0

    assert until_stopped(work) == 143
    assert cleaned == [True]
    assert capsys.readouterr().err == "flatfast: stopped: the house\n"


def test_a_stop_that_falls_into_a_callback_is_told_once(capsys, monkeypatch):
    """Python prints what is raised in one, and goes on."""
    monkeypatch.setattr(interrupts, "AGAIN", 0.05)
    stops = [signal.SIGINT]

    def callback(*_: object) -> None:
        if stops:
            signal.raise_signal(stops.pop())

    def work() -> int:
        gc.callbacks.append(callback)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(callback)
        wait()
        return 0

    before = sys.__unraisablehook__
    monkeypatch.setattr(sys, "unraisablehook", before)
    assert until_stopped(work) == 130
    assert capsys.readouterr().err == f"flatfast: {interrupts.NOTHING}\n"
    assert sys.unraisablehook is before


def test_a_stop_waits_until_an_extension_module_is_loaded():
    """Raised through the loading of one, it may end the process in a crash."""
    loaded = []

    class Spec:
        origin = "nowhere.so"

        @property
        def name(self) -> str:
            signal.raise_signal(signal.SIGINT)
            loaded.append(True)
            return "nothing"

    def work() -> int:
        with contextlib.suppress(ImportError):
            ExtensionFileLoader("nothing", "nowhere.so").create_module(Spec())
        wait()
        return 0

    assert until_stopped(work) == 130
    assert loaded


def test_other_errors_in_callbacks_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Broken:
        def __del__(self) -> None:
            raise ValueError("a bug")

    def work() -> int:
        Broken()
        return 0

    assert until_stopped(work) == 0
    assert [each.exc_type for each in told] == [ValueError]


@pytest.mark.parametrize(
    "place", ["flatfast.lab.recipes.recipe_of", "flatfast.cli.app.Commands.parse_args"]
)
@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Stopped(signal.SIGTERM)])
def test_a_stop_comes_through_the_parser(capsys, monkeypatch, place, stop):
    """From the command, and from the reading of its words."""
    monkeypatch.setattr(place, raising(stop))
    code = until_stopped(lambda: run(["reproduce", "scalar-product"]))
    assert code == (143 if isinstance(stop, Stopped) else 130)
    assert capsys.readouterr().err == f"flatfast: {interrupts.NOTHING}\n"


def test_an_error_that_a_library_makes_of_a_stop_is_a_stop(capsys, monkeypatch):
    def guarded(*_: object) -> None:
        try:
            raise Stopped(signal.SIGINT)
        except BaseException:
            raise ImportError("cannot import multiarray") from None

    monkeypatch.setattr("flatfast.lab.recipes.recipe_of", guarded)
    assert until_stopped(lambda: run(["reproduce", "scalar-product"])) == 130
    assert capsys.readouterr().err == f"flatfast: {interrupts.NOTHING}\n"


SWEEP = ("sweep", "scalar-product", "--lr", "0.02", "--momentum", "0.9", *TINY, "--steps", "20")


@pytest.mark.parametrize(
    "place", ["flatfast.cli.sweep.tell_leftovers", "flatfast.lab.engines.simulator.Simulator.run"]
)
def test_a_stop_before_the_first_chunk_does_not_speak_of_runs(capsys, monkeypatch, tmp_path, place):
    monkeypatch.setattr(place, raising(Stopped(signal.SIGINT)))
    monkeypatch.chdir(tmp_path)
    assert until_stopped(lambda: run([*SWEEP, "--out", "here"])) == 130
    told = "flatfast: stopped: nothing was stored yet; repeat the command to start again\n"
    assert capsys.readouterr().err.endswith(told)
    assert list(tmp_path.iterdir()) == []


STOPPED_TWICE = """
import atexit, os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
for number in (signal.SIGINT, signal.SIGTERM):
    atexit.register(os.kill, os.getpid(), number)
"""


def test_a_stop_while_the_program_begins_and_others_while_it_ends(process):
    running = process("momentum", "--lr", 0.4, "--C", 0.2, before=STOPPED_TWICE)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", f"flatfast: {interrupts.NOTHING}\n")


def test_a_stop_after_the_work_changes_nothing(process):
    ending = STOPPED_TWICE.replace("numpy", "no such module")
    running = process("--version", before=ending)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")


def raising(error: BaseException) -> Callable[..., None]:
    def stopped(*_: object) -> None:
        raise error

    return stopped
