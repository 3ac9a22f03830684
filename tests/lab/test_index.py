"""The index of a store: what it saves, and that nothing is believed of it that is not so."""

import os
import random
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pytest

from flatfast.lab import atomic
from flatfast.lab.index import INDEX, SETTLED, read_index
from flatfast.lab.rows import key_rows, keys
from flatfast.lab.store import Store, StoreError, find_run, read_store
from tests.lab.fake import SETTINGS, plan, rows_of

OTHER = {**SETTINGS, "records": 5}
RUNS = plan()


def age(folder):
    """Make the chunks older than files are that may still be changed unseen."""
    for path in folder.glob("chunks/*"):
        status = path.stat()
        if status.st_mtime < time.time() - SETTLED:
            continue
        past = status.st_mtime_ns - int(2 * SETTLED * 1e9)
        os.utime(path, ns=(past, past))


@pytest.fixture
def folder(tmp_path):
    """Six chunks, and an index of them."""
    with Store(tmp_path / "s", SETTINGS) as store:
        for k in range(0, len(RUNS), 9):
            store.append(rows_of(RUNS[k : k + 9]))
    age(tmp_path / "s")
    with Store(tmp_path / "s", SETTINGS):
        pass
    assert (tmp_path / "s" / INDEX).exists()
    return tmp_path / "s"


@pytest.fixture
def reads(monkeypatch):
    """The names of the chunks that are read from now on."""
    seen, real = [], Path.read_bytes

    def read(path):
        if path.name.startswith("chunk-"):
            seen.append(path.name)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    return seen


def chunks_of(folder):
    return sorted((folder / "chunks").iterdir())


def flip(path, keep_time=False):
    """Change a bit of a file, with or without a trace in its times."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_store_is_opened_without_reading_what_the_index_knows(folder, reads):
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(RUNS.identities())
        assert store.problems == []
        assert reads == []
        assert len(store.survey().entries) == 6
        assert reads == []


def test_what_the_index_does_not_know_is_read(folder, reads):
    with Store(folder, SETTINGS) as store:
        store.append(rows_of(plan(7)[6::7]))
    age(folder)
    new = {path.name for path in chunks_of(folder)} - set(read_index(folder))
    assert len(new) == 1
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(plan(7).identities())
    assert set(reads) == new
    reads.clear()
    with Store(folder, SETTINGS):
        assert reads == []


def test_a_copy_is_read_once(folder, tmp_path, reads):
    """As a copy has other times: nothing says that it is whole."""
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    age(tmp_path / "copy")
    for _ in range(2):
        with Store(tmp_path / "copy", SETTINGS) as store:
            assert store.done() == set(RUNS.identities())
        assert len(reads) == 6


def test_a_file_that_was_changed_a_moment_ago_is_not_entered(tmp_path, reads):
    """Its times are too coarse to tell a change that comes next."""
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(RUNS))
    assert read_index(tmp_path / "s") == {}
    with Store(tmp_path / "s", SETTINGS):
        assert len(reads) == 1


def test_a_changed_file_is_found_on_opening(folder):
    flip(chunks_of(folder)[2])
    for _ in range(2):
        with Store(folder, SETTINGS) as store:
            assert len(store.done()) == len(RUNS) - 9
            assert str(chunks_of(folder)[2]) in store.problems[0]


def test_a_bad_disk_is_found_where_rows_are_read(folder):
    """It changes bits and leaves times as they are."""
    victim = chunks_of(folder)[2]
    flip(victim, keep_time=True)
    assert str(victim) in read_store(folder).problems[0]
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(RUNS.identities())
        rows = store.rows(RUNS.identities())
        assert len(rows) == len(RUNS) - 9
        assert str(victim) in store.survey().problems[0]


def test_no_damage_to_the_index_is_believed(folder):
    whole = (folder / INDEX).read_bytes()
    chance = random.Random(0)
    broken = [b"", whole[:-1], whole[20:], b"flatfast index 2" + whole[16:]]
    for _ in range(60):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        broken.append(bytes(content))
    for content in broken:
        (folder / INDEX).write_bytes(content)
        assert read_index(folder) == {}
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(RUNS.identities())
    assert len(read_index(folder)) == 6


def test_an_index_of_other_files_says_nothing(folder, tmp_path):
    """Neither of chunks that are gone, nor of another sweep's."""
    gone = chunks_of(folder)[0]
    lost = keys(read_store(folder).rows) - {
        key
        for entry in read_index(folder).values()
        if entry.name != gone.name
        for key in key_rows(entry.keys)
    }
    gone.unlink()
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(RUNS.identities()) - lost
    with Store(tmp_path / "t", OTHER) as store:
        store.append(rows_of(plan(1)))
    shutil.copy(folder / INDEX, tmp_path / "t" / INDEX)
    with Store(tmp_path / "t", OTHER) as store:
        assert store.done() == set(plan(1).identities())


def test_a_chunk_of_another_sweep_is_left_out_though_the_index_knows_it(folder, tmp_path):
    with Store(tmp_path / "t", OTHER) as store:
        store.append(rows_of(plan(8)[6::8]))
    [stray] = chunks_of(tmp_path / "t")
    shutil.copy(stray, folder / "chunks")
    age(folder)
    for _ in range(2):
        with Store(folder, SETTINGS) as store:
            assert store.done() == set(RUNS.identities())
            assert "records is 5 there, 4 here" in store.problems[0]


@pytest.mark.parametrize("way", ["folder", "full"])
def test_an_index_that_cannot_be_written_costs_nothing(folder, monkeypatch, way):
    (folder / INDEX).unlink()
    if way == "folder":
        (folder / INDEX).mkdir()
    else:
        monkeypatch.setattr(atomic, "_flush", lambda path: (_ for _ in ()).throw(OSError("full")))
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(RUNS.identities())
    assert read_index(folder) == {}
    assert not list(folder.glob(f"*{atomic.SUFFIX}"))


def test_an_index_alone_makes_no_sweep(folder):
    shutil.rmtree(folder / "chunks")
    (folder / "manifest.json").unlink()
    with Store(folder, OTHER) as store:
        assert not store.done()
        store.append(rows_of(plan(1)))


def test_appending_touches_one_file_however_many_there_are(folder, reads, monkeypatch):
    moved, real = [], os.replace

    def replace(source, target):
        moved.append(target.name)
        real(source, target)

    monkeypatch.setattr(atomic.os, "replace", replace)
    with Store(folder, SETTINGS) as store:
        done = store.done()
        for number in range(1, 4):
            store.append(rows_of(plan(6 + number)[5 + number :: 6 + number]))
            assert len(moved) == number
            assert len(done) == len(RUNS) + 9 * number
        assert reads == []


def test_rows_are_read_from_the_chunks_that_hold_them(folder, reads):
    table = read_store(folder).rows
    for wanted in (RUNS[:4], RUNS[9:18], RUNS[::9], RUNS, RUNS[:0]):
        asked = set(wanted.identities())
        expected = table.filter(pa.array([key in asked for key in key_rows(table)], pa.bool_()))
        with Store(folder, SETTINGS) as store:
            reads.clear()
            rows = store.rows([*asked, ("grid", 9.0, 0.5, 0, 1)])
            assert rows.equals(expected) or len(rows) == len(expected) == 0
            holding = {k // 9 for k, key in enumerate(RUNS.identities()) if key in asked}
            assert len(reads) == len(holding)


def test_a_run_in_two_chunks_has_one_row(folder, tmp_path):
    with Store(tmp_path / "t", SETTINGS) as store:
        store.append(rows_of(RUNS[5:20]))
    shutil.copy(chunks_of(tmp_path / "t")[0], folder / "chunks")
    for _ in range(2):
        with Store(folder, SETTINGS) as store:
            assert key_rows(store.rows(RUNS.identities())) == key_rows(read_store(folder).rows)
            assert len(store.done()) == len(RUNS)
        age(folder)


def test_one_run_is_found_in_its_chunk(folder, reads):
    expected = read_store(folder).rows.to_pylist()
    for row in (expected[0], expected[17], expected[-1]):
        reads.clear()
        found = find_run(folder, row["lr"] * (1 + 1e-12), row["momentum"], row["seed"])
        assert found == row
        assert len(reads) == 1


def test_a_run_that_is_not_there_is_told_by_its_neighbours(folder):
    message = (
        r"no grid run at lr 0\.09, momentum 0\.9, seed 40; the nearest are lr 0\.1, momentum 0\.9, "
        r"seed 5, 1000 steps; lr 0\.1, momentum 0\.9, seed 4, 1000 steps; lr 0\.1, momentum 0\.9, "
        r"seed 3, 1000 steps$"
    )
    with pytest.raises(ValueError, match=message):
        find_run(folder, 0.09, 0.9, 40)
    with pytest.raises(ValueError, match=r"no law run at .*; its runs are of grid"):
        find_run(folder, 0.1, 0.9, 0, method="law")
    with pytest.raises(ValueError, match=r"seed 0, 999 steps; the nearest are lr 0\.1"):
        find_run(folder, 0.1, 0.9, 0, steps=999)
    with pytest.raises(StoreError, match="holds no sweep"):
        find_run(folder / "none", 0.1, 0.9, 0)


def test_a_run_of_several_lengths_is_asked_for_by_its_steps(folder):
    longer = plan()[:1]
    longer.steps[:] = 5000
    with Store(folder, SETTINGS) as store:
        store.append(rows_of(longer))
    with pytest.raises(ValueError, match="this run with 1000 and 5000 steps: give steps"):
        find_run(folder, 0.1, 0.9, 0)
    assert find_run(folder, 0.1, 0.9, 0, steps=5000)["steps"] == 5000


def test_a_run_whose_chunk_went_bad_is_refused(folder):
    for path in chunks_of(folder):
        flip(path, keep_time=True)
    with pytest.raises(StoreError, match=r"the run's chunk .* cannot be used: its content is not"):
        find_run(folder, 0.1, 0.9, 0)
