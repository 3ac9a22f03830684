"""``flatfast watch`` on sweeps that run, that ended, and that were killed."""

import contextlib
import os
import time

import pytest

from flatfast.lab.folder_lock import FolderLock, is_held
from flatfast.lab.status import LIVE, State, Status, read_status, write_status
from flatfast.lab.store import Store
from tests.cli.conftest import TINY
from tests.lab.fake import SETTINGS, plan, rows_of

pytestmark = pytest.mark.usefixtures("unrendered")

SWEEP = ("sweep", "scalar-product", "--lr", "0.02,0.03", "--momentum", 0.9, *TINY, "--steps", 20)


@pytest.fixture
def runs(tmp_path):
    """A folder of runs without a status."""
    with Store(tmp_path / "runs", SETTINGS) as store:
        store.append(rows_of(plan()))
    return tmp_path / "runs"


def standing(**more: object) -> Status:
    now = time.time()
    return Status(
        **{
            "stage": "grid",
            "engine": "processes",
            "workers": 3,
            "wanted": 108,
            "stored": 54,
            "planned_steps": 900,
            "planned_done": 400,
            "steps_per_second": 2500.0,
            "planned_per_second": 1.0,
            "started": now - 90,
            "updated": now,
            **more,
        }
    )


def test_a_sweep_that_runs(flatfast, runs):
    write_status(runs, standing(failed=2, failures={"too wide": 2}))
    with Store(runs, SETTINGS):
        told = flatfast("watch", "runs").out
    assert "runs: grid, running for 0:01:3" in told
    assert "grid: 54 of 108 runs, 2 failed, 2.5 k steps/s, processes, 3 workers, 0:0" in told
    assert " left 54 runs are stored: " in told
    assert told.count("█") == told.count("░") == 30
    assert "the last chunk 0:00:0" in told
    assert "2 runs could not be made: too wide" in told


def test_a_sweep_that_was_killed_is_not_said_to_run(flatfast, runs):
    """Its last word was that it runs; the lock knows better."""
    now = time.time()
    write_status(runs, standing(updated=now - 600))
    for path in (runs / "chunks").iterdir():
        os.utime(path, (now - 500, now - 500))
    told = flatfast("watch", "runs").out
    assert "runs: grid, not running since " in told
    assert "(0:08:2" in told
    assert " left" not in told


def test_without_a_status_the_chunks_tell(flatfast, runs):
    told = flatfast("watch", "runs", "--once").out
    assert "runs: not running since " in told
    assert "54 runs are stored: 18 not converged, 36 converged; the last chunk 0:00:0" in told
    with Store(runs, SETTINGS):
        assert "runs: running 54 runs are stored" in flatfast("watch", "runs").out


def test_a_sweep_that_has_stored_nothing_yet(flatfast, tmp_path):
    with Store(tmp_path / "runs", SETTINGS):
        told = flatfast("watch", "runs").out
    assert "runs: running; nothing is stored yet no run is stored" in told


@pytest.mark.parametrize("state", [State.DONE, State.STOPPED, State.FAILED])
def test_how_a_sweep_ended(flatfast, runs, state):
    error = "out of memory" if state is State.FAILED else ""
    write_status(runs, standing(state=state, error=error))
    told = flatfast("watch", "runs").out
    assert f"runs: {state.value} since " in told
    assert error in told
    assert " left" not in told
    with Store(runs, SETTINGS):
        told = flatfast("watch", "runs").out
    assert ("its report is being written" in told) == (state is State.DONE)


def test_folders_without_a_sweep(flatfast, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert "none is not there; give the folder" in flatfast("watch", "none").told(2)
    assert "file is a file; give the folder" in flatfast("watch", "file").told(2)
    assert "empty holds no sweep; give the folder" in flatfast("watch", "empty").told(2)


def test_watching_ends_with_the_sweep(flatfast, runs, monkeypatch):
    """On a terminal it goes on for as long as the sweep does."""
    write_status(runs, standing())
    looks = []
    with contextlib.ExitStack() as open_store:
        open_store.enter_context(Store(runs, SETTINGS))

        def sleep(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 2:
                write_status(runs, standing(state=State.DONE, stored=108))

        monkeypatch.setattr("flatfast.cli.watch.time.sleep", sleep)
        monkeypatch.setattr("flatfast.cli.console.Console.is_terminal", True)
        told = flatfast("watch", "runs").out
    assert len(looks) == 2
    assert "108 of 108 runs" in told


def test_looking_does_not_keep_a_sweep_from_beginning(tmp_path):
    assert not is_held(tmp_path)
    lock = FolderLock(tmp_path)
    assert is_held(tmp_path)
    lock.release(keep=True)
    assert not is_held(tmp_path)
    FolderLock(tmp_path).release(keep=True)


def test_a_sweep_leaves_its_status_and_its_page(flatfast, tmp_path):
    answer = flatfast(*SWEEP, "--out", "here", "--live")
    assert answer.code == 0, answer.err
    assert "as it goes on, once the first runs are stored: here/progress.html" in answer.out
    status = read_status(tmp_path / "here")
    assert (status.state, status.stage, status.engine) == (State.DONE, "sweep", "local")
    assert (status.wanted, status.stored, status.steps) == (4, 4, 80)
    page = (tmp_path / "here" / LIVE).read_text()
    assert "scalar-product: all runs are made" in page
    assert page.count("--done:100%") == 2
    assert "here: done since " in flatfast("watch", "here").out
    assert "files were left out" not in flatfast("report", "here").out


def test_without_live_there_is_no_page(flatfast, tmp_path):
    assert flatfast(*SWEEP, "--out", "here").code == 0
    assert read_status(tmp_path / "here").state is State.DONE
    assert not (tmp_path / "here" / LIVE).exists()
