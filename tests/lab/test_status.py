"""How a sweep goes on: what its status says, and that no run depends on it."""

import errno
import time
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from flatfast.lab import status as module
from flatfast.lab.status import (
    STATUS,
    State,
    Status,
    StatusFile,
    compact,
    duration,
    read_status,
    write_status,
)
from flatfast.lab.store import Store, read_chunks
from flatfast.lab.sweep import Failure, InterruptedSweepError, sweep
from flatfast.lab.tally import Tally
from tests.lab.fake import SETTINGS, FakeEngine, plan, rows_of

OTHER = {**SETTINGS, "records": 5}
RUNS = plan()


class Clock:
    """Tells the time that it is given."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Folder:
    """A store as its status sees it."""

    def __init__(self, folder, claimed=True):
        self.folder, self.claimed = folder, claimed


@pytest.fixture
def at_once(monkeypatch):
    """Every status is written."""
    monkeypatch.setattr(module, "EVERY", 0.0)


def test_a_status_is_read_as_it_was_written(tmp_path):
    written = Status(
        State.FAILED,
        "grid",
        "processes",
        3,
        10,
        4,
        1,
        100,
        40,
        30,
        1.5,
        2.0,
        1e9,
        1e9 + 0.25,
        {"why: é": 1},
        "boom",
    )
    write_status(tmp_path, written)
    assert read_status(tmp_path) == written
    assert written.left == 30


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"format": 2}', '{"format": 1, "x": 1}'])
def test_what_is_no_status_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / STATUS).write_text(text)
    assert read_status(tmp_path) is None


def test_a_sweep_keeps_its_status(tmp_path, at_once):
    seen = []
    with Store(tmp_path / "s", SETTINGS) as store:
        with StatusFile(store, ("grid",), engine="here", also=seen.append) as status:
            sweep(RUNS[:20], store, FakeEngine(), status)
            sweep(RUNS, store, FakeEngine(), status)
        assert store.problems == []
    first, last = seen[0], read_status(tmp_path / "s")
    assert (first.stage, first.state, first.engine) == ("grid", State.RUNNING, "here")
    assert last == replace(seen[-1], started=last.started, updated=last.updated)
    assert last.updated == pytest.approx(seen[-1].updated, abs=2e-3)
    assert last.state is State.DONE
    assert (last.stage, last.wanted, last.stored) == ("runs", len(RUNS), len(RUNS))
    assert last.planned_done == last.planned_steps == RUNS[20:].steps.sum()
    assert last.steps == 4 * (len(RUNS) - 20)
    assert [one.stored for one in seen] == sorted(one.stored for one in seen)
    with Store(tmp_path / "s", SETTINGS) as store:
        assert store.problems == []


def test_rates_are_those_of_the_last_minute(tmp_path, at_once):
    clock = Clock()
    status = StatusFile(Folder(tmp_path), clock=clock)
    status.begin(100, 0, 100_000, 1)
    assert read_status(tmp_path).left is None
    for _ in range(10):  # a slow beginning
        clock.now += 30
        status.advance(1, 300, 30)
    now = read_status(tmp_path)
    assert (now.steps_per_second, now.planned_per_second) == (1.0, 10.0)
    assert now.left == (100_000 - 3000) / 10
    for _ in range(10):  # then faster
        clock.now += 10
        status.advance(1, 1000, 1000)
    assert read_status(tmp_path).steps_per_second == 100.0
    clock.now += 500  # a chunk that takes longer than the window
    status.advance(1, 1000, 1000)
    assert read_status(tmp_path).steps_per_second == 2.0


def test_it_is_written_once_a_second_and_nothing_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.2)
    written, real = [], module.write_status
    monkeypatch.setattr(
        module, "write_status", lambda *words: (written.append(time.monotonic()), real(*words))
    )
    status = StatusFile(Folder(tmp_path))
    status.begin(1000, 0, 1000, 1)
    for _ in range(50):
        status.advance(1, 1, 1)
    end = time.monotonic() + 10
    while read_status(tmp_path).stored < 50 and time.monotonic() < end:
        time.sleep(0.01)
    assert read_status(tmp_path).stored == 50
    assert len(written) <= 3
    assert all(b - a > 0.15 for a, b in pairwise(written))


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (None, State.DONE, ""),
        (KeyboardInterrupt(), State.STOPPED, ""),
        (InterruptedSweepError("stopped: 3 runs"), State.STOPPED, ""),
        (ValueError("one\ntwo"), State.FAILED, "one"),
        (MemoryError(), State.FAILED, "MemoryError"),
    ],
)
def test_its_end_is_its_state(tmp_path, error, state, told):
    def end():
        with StatusFile(Folder(tmp_path)) as status:
            status.begin(2, 0, 2, 1)
            if error is not None:
                raise error

    if error is None:
        end()
    else:
        with pytest.raises(type(error)):
            end()
    assert (read_status(tmp_path).state, read_status(tmp_path).error) == (state, told)


def test_failures_are_counted_by_their_cause(tmp_path):
    class Failing(FakeEngine):
        def run(self, chunks):
            causes = iter([None, "wide", "long", "wide"])
            for rows in super().run(chunks):
                cause = next(causes, None)
                yield rows if cause is None else Failure(self.seen[-1], ValueError(cause))

    with Store(tmp_path / "s", SETTINGS) as store, StatusFile(store) as status:
        with pytest.raises(RuntimeError, match="could not be made"):
            sweep(RUNS, store, Failing(), status)
        sweep(RUNS[:1], store, FakeEngine(), status)
    found = read_status(tmp_path / "s")
    assert found.failures == {"wide": 16, "long": 2}
    assert (found.failed, found.wanted) == (0, 1)


def test_causes_without_number_are_put_together(tmp_path):
    with StatusFile(Folder(tmp_path)) as status:
        status.begin(100, 0, 100, 1)
        status.fail(1, "of two\nlines")
        for number in range(50):
            status.fail(2, f"run {number} is odd" + 1000 * "!")
        status.fail(1, "of two\nother lines")
    found = read_status(tmp_path).failures
    assert len(found) == 21
    assert found["of two"] == 2
    assert found["other causes"] == 2 * 31
    assert max(map(len, found)) == 300


def test_a_folder_that_is_not_the_sweeps_yet_is_left_alone(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store, StatusFile(store) as status:
        status.begin(10, 0, 10, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_costs_the_status_and_not_the_sweep(tmp_path, at_once, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_status", full)
    with Store(tmp_path / "s", SETTINGS) as store, StatusFile(store, also=full) as status:
        assert len(sweep(RUNS, store, FakeEngine(), status)) == len(RUNS)
    assert not (tmp_path / "s" / STATUS).exists()


def test_a_status_alone_makes_no_sweep(tmp_path):
    write_status(tmp_path, Status())
    with Store(tmp_path, SETTINGS) as store:
        store.append(rows_of(RUNS))
    assert read_chunks(tmp_path)[1] == []


def test_durations_and_numbers():
    assert [duration(s) for s in (-1, 59.6, 3599, 86400 * 2 + 61)] == [
        "0:00:00",
        "0:01:00",
        "0:59:59",
        "2 d 0:01:01",
    ]
    assert [compact(v) for v in (0.5, 999, 1234, 2.5e6)] == ["0.5", "999", "1.23 k", "2.5 M"]


def test_a_tally_counts_every_chunk_once(tmp_path, monkeypatch):
    read, real = [], module.Path.read_bytes
    monkeypatch.setattr(
        module.Path, "read_bytes", lambda path: (read.append(path.name), real(path))[1]
    )
    tally = Tally(tmp_path / "s")
    tally.update()
    assert (tally.runs, tally.last) == (0, None)
    with Store(tmp_path / "s", SETTINGS) as store:
        for k in range(0, len(RUNS), 9):
            store.append(rows_of(RUNS[k : k + 9]))
            tally.update()
            assert tally.runs == k + 9
        tally.update()
    assert len(read) == 6
    rows = read_chunks(tmp_path / "s")[0]
    assert tally.ended == Counter(rows["status"].to_pylist())
    cells = list(zip(rows["lr"].to_pylist(), rows["momentum"].to_pylist(), strict=True))
    assert tally.stored == Counter(cells)
    arrived = zip(cells, rows["status"].to_pylist(), strict=True)
    assert +tally.converged == Counter(cell for cell, ended in arrived if ended == "converged")
    assert tally.steps == sum(rows["steps_run"].to_pylist())
    assert abs(tally.last - time.time()) < 60


def test_a_tally_leaves_out_what_is_broken_or_anothers_and_begins_anew(tmp_path):
    for name, settings in (("s", SETTINGS), ("t", OTHER)):
        with Store(tmp_path / name, settings) as store:
            store.append(rows_of(RUNS[:10]))
            store.append(rows_of(RUNS[10:]))
    mine, others = (sorted((tmp_path / n / "chunks").iterdir()) for n in ("s", "t"))
    tally = Tally(tmp_path / "s")
    (tmp_path / "s" / "chunks" / others[0].name).write_bytes(others[0].read_bytes())
    tally.update()
    assert tally.runs == len(RUNS)
    mine[0].write_bytes(b"broken")
    again = Tally(tmp_path / "s")
    again.update()
    assert again.runs in (10, len(RUNS) - 10)
    mine[0].unlink()
    tally.update()
    assert tally.runs == again.runs
    (tmp_path / "s" / "manifest.json").unlink()
    again = Tally(tmp_path / "s")
    again.update()
    assert again.runs > tally.runs
