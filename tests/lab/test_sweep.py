"""Plans, chunks, resuming, interrupting; killed at random moments, nothing is lost."""

import itertools
import multiprocessing
import random
import time

import numpy as np
import pytest

from flatfast.lab.chunks import write_chunk
from flatfast.lab.runs import chunks, runs_of, together
from flatfast.lab.store import Store, read_chunks
from flatfast.lab.sweep import InterruptedSweepError, sweep
from tests.lab.fake import SETTINGS, FakeEngine, plan, sweep_into


class Ledger:
    def __init__(self):
        self.told = []

    def begin(self, runs, done, planned_steps, workers):
        self.told.append(("begin", runs, done, planned_steps))

    def advance(self, runs, planned_steps, steps):
        self.told.append((runs, planned_steps, steps))


def test_chunks_cover_the_plan_once_and_share_a_length():
    runs = plan()
    parts = chunks(runs, 8)
    assert sorted(key for part in parts for key in part.identities()) == sorted(runs.identities())
    for part in parts:
        assert 1 <= len(part) <= 8
        assert len(np.unique(part.steps)) == 1


def test_a_run_planned_twice_is_made_once():
    runs = plan()
    assert sorted(together([runs, runs[:10]]).identities()) == sorted(runs.identities())


def test_only_what_is_missing_is_made(tmp_path):
    runs, ledger = plan(), Ledger()
    with Store(tmp_path / "s", SETTINGS) as store:
        sweep(runs[:20], store, FakeEngine())
        engine = FakeEngine()
        found = sweep(runs, store, engine, ledger)
        assert sum(len(chunk) for chunk in engine.seen) == len(runs) - 20
        assert found.num_rows == len(runs)
        assert sweep(runs[:7], store, engine).num_rows == 7
    assert ledger.told[0][:3] == ("begin", len(runs), 20)
    assert sum(entry[1] for entry in ledger.told[1:]) == ledger.told[0][3]


def test_interrupting_drops_the_chunk_in_flight(tmp_path):
    runs = plan()

    class Stopped(FakeEngine):
        def run(self, parts):
            for made in super().run(parts):
                if len(self.seen) == 3:
                    raise KeyboardInterrupt
                yield made

    with Store(tmp_path / "s", SETTINGS) as store:
        engine = Stopped()
        with pytest.raises(InterruptedSweepError, match=r"stopped: \d+ of 54 runs are stored"):
            sweep(runs, store, engine)
        assert len(store.done()) == sum(len(chunk) for chunk in engine.seen[:2])
        whole = sweep(runs, store, FakeEngine())
    assert whole.num_rows == len(runs)


def test_a_stop_just_after_a_chunk_was_written_counts_it(tmp_path, monkeypatch):
    runs, written = plan(), []

    def write(*words):
        written.append(write_chunk(*words))
        if len(written) == 2:
            raise KeyboardInterrupt
        return written[-1]

    monkeypatch.setattr("flatfast.lab.store.write_chunk", write)
    with (
        Store(tmp_path / "s", SETTINGS) as store,
        pytest.raises(InterruptedSweepError) as stop,
    ):
        sweep(runs, store, FakeEngine())
    stored = read_chunks(tmp_path / "s")[0].num_rows
    assert stored > len(store.done())
    assert str(stop.value).startswith(f"stopped: {stored} of 54 runs are stored")


@pytest.mark.parametrize(
    ("pair", "seeds", "message"),
    [
        ((0.0, 0.9), 1, "lr must be positive and finite, got 0.0"),
        ((0.1, 1.0), 1, r"momentum must be in \[0, 1\), got 1.0"),
        ((0.1, 0.9), 0, "seeds must be at least 1, got 0"),
        ((0.2, 0.5), 1, "must differ in the first 9 digits, got lr 0.2, momentum 0.5 and lr 0.2,"),
        ((0.2, 0.5 + 1e-10), 1, "momentum 0.5000000001"),
        ((0.2 * (1 + 1e-10), 0.5), 1, "must differ in the first 9 digits"),
    ],
)
def test_bad_plans(pair, seeds, message):
    with pytest.raises(ValueError, match=message):
        runs_of([(0.2, 0.5), pair], seeds, 10)


def sweeping(folder):
    """A process of its own, forked from a server that has imported what it needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.lab.fake"])
    process = context.Process(target=sweep_into, args=(folder,))
    process.start()
    return process


def test_killed_at_random_moments_nothing_is_lost_and_nothing_is_twice(tmp_path):
    """At least 20 SIGKILLs, at moments spread over start, chunks and writes."""
    whole = sweeping(tmp_path / "whole")
    whole.join()
    assert whole.exitcode == 0
    expected, _ = read_chunks(tmp_path / "whole")
    order = [(name, "ascending") for name in ("lr", "momentum", "seed")]
    chance = random.Random(0)
    kills = resumed = 0
    # A machine that wakes us late leaves few kills to a sweep: then another one is begun.
    for folder in (tmp_path / f"broken-{n}" for n in itertools.count()):
        while True:
            process = sweeping(folder)
            begin = time.monotonic()
            before = len(list(folder.glob("chunks/chunk-*"))) if folder.exists() else 0
            # Wait for some chunks of this life, then for a moment within one.
            chunks_more, moment = chance.randint(0, 2), chance.uniform(0, 0.02)
            while process.is_alive() and time.monotonic() - begin < 60:
                if len(list(folder.glob("chunks/chunk-*"))) >= before + chunks_more:
                    break
                time.sleep(0.001)
            time.sleep(moment)
            if process.is_alive():
                process.kill()
                kills += 1
                resumed += before > 0
            process.join()
            if process.exitcode == 0:
                break
            # Killed or not, what is there can be read.
            if (folder / "chunks").exists():
                assert read_chunks(folder)[1] == []
        found, problems = read_chunks(folder)
        assert problems == []
        assert found.sort_by(order).equals(expected.sort_by(order))
        assert not list(folder.glob("chunks/.*"))
        if kills >= 20 and resumed >= 10:
            break
