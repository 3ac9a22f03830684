"""The store: resume, refusal, and what a broken folder costs."""

import contextlib
import errno
import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flatfast.lab import atomic
from flatfast.lab.chunks import read_chunk
from flatfast.lab.rows import COLUMNS, conform, export_runs, keys
from flatfast.lab.store import (
    SettingsMismatchError,
    Store,
    StoreError,
    manifest_of_chunks,
    read_chunks,
    read_manifest,
    read_store,
)
from tests.lab.fake import SETTINGS, plan, rows_of

OTHER = {**SETTINGS, "problem": {"name": "fake", "version": 2, "settings": {"size": 4}}}


@pytest.fixture
def folder(tmp_path):
    """A sweep of the fake problem, in two chunks."""
    runs = plan()
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(runs[:30]))
        store.append(rows_of(runs[30:]))
    return tmp_path / "s"


def chunks_of(folder):
    return sorted((folder / "chunks").iterdir())


def snapshot(folder):
    """Every path below a folder, with the content of files."""
    return {p: p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def test_what_is_appended_is_found_again(tmp_path):
    runs = plan()
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(runs[:20]))
        store.append(rows_of(runs[20:]))
        there = store.table()
    with Store(tmp_path / "s", SETTINGS) as again:
        assert again.done() == set(runs.identities())
        assert again.table().equals(there)
        assert again.problems == []
    assert there.column_names == [*COLUMNS, "metric:error"]
    assert there.num_rows == len(runs)


def test_floats_round_trip_exactly(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(plan()))
    table, _ = read_chunks(tmp_path / "s")
    assert {1 - 1e-7, 1 / 3} <= set(table["momentum"].to_pylist() + table["lr"].to_pylist())


def test_rows_are_sorted_whatever_the_order_of_chunks(tmp_path):
    runs = plan()
    with Store(tmp_path / "a", SETTINGS) as a, Store(tmp_path / "b", SETTINGS) as b:
        a.append(rows_of(runs))
        for k in reversed(range(0, len(runs), 7)):
            b.append(rows_of(runs[k : k + 7]))
        assert a.table().equals(b.table())


def test_a_run_is_stored_once(tmp_path):
    runs = plan()
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(runs[:5]))
        with pytest.raises(ValueError, match="each run can be stored once"):
            store.append(rows_of(runs[4:6]))
    (tmp_path / "s" / "chunks" / "copy.parquet").write_bytes(
        next((tmp_path / "s" / "chunks").glob("chunk-*")).read_bytes()
    )
    assert read_chunks(tmp_path / "s")[0].num_rows == 5


def test_other_settings_are_refused_by_name(folder):
    before = snapshot(folder)
    with pytest.raises(SettingsMismatchError) as caught:
        Store(folder, OTHER)
    assert snapshot(folder) == before
    message = str(caught.value)
    assert "problem.settings.size is 3 there, 4 here" in message
    assert "problem.version is 1 there, 2 here" in message
    assert "--out" in message
    assert "--fresh" in message
    assert "records" not in message


@pytest.mark.parametrize("content", [b"", b"not parquet", "cut", "foreign"])
def test_a_broken_chunk_is_named_and_its_runs_redone(folder, content):
    runs = plan()
    victim = chunks_of(folder)[0]
    lost = keys(pq.ParquetFile(victim).read())
    if content == "cut":
        victim.write_bytes(victim.read_bytes()[:-100])
    elif content == "foreign":
        pq.write_table(pa.table({"x": [1, 2]}), victim)
    else:
        victim.write_bytes(content)
    with Store(folder, SETTINGS) as store:
        assert len(store.problems) == 1
        assert str(victim) in store.problems[0]
        assert store.done() == set(runs.identities()) - lost
        # the broken file's name is free again for the runs it held
        again = [key in lost for key in runs.identities()]
        store.append(rows_of(runs[[k for k, missing in enumerate(again) if missing]]))
        assert store.done() == set(runs.identities())
    assert read_chunks(folder)[1] == []


def test_no_flipped_bit_changes_a_row_unseen(folder):
    victim = chunks_of(folder)[0]
    whole, expected = victim.read_bytes(), read_chunks(folder)[0]
    chance = random.Random(0)
    for _ in range(60):
        broken = bytearray(whole)
        broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        victim.write_bytes(broken)
        table, problems = read_chunks(folder)
        assert len(table) < len(expected)
        assert len(problems) == 1
        assert str(victim) in problems[0]


def test_pages_carry_checksums_that_any_reader_can_verify(folder):
    """As a file that was copied out of its folder, so that its name says nothing."""
    content = bytearray(chunks_of(folder)[0].read_bytes())
    at = pq.ParquetFile(pa.BufferReader(bytes(content))).metadata.row_group(0).column(1)
    content[at.dictionary_page_offset + at.total_compressed_size - 1] ^= 1
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(pa.BufferReader(bytes(content)), page_checksum_verification=True).read(
            ["lr"]
        )


def test_chunks_of_another_sweep_are_named_and_left_out(folder, tmp_path):
    with Store(tmp_path / "t", OTHER) as other:
        other.append(rows_of(plan(8)))
    stray = chunks_of(tmp_path / "t")[0]
    (folder / "chunks" / stray.name).write_bytes(stray.read_bytes())
    (folder / "chunks" / "notes.parquet").write_bytes(stray.read_bytes())
    table, problems = read_chunks(folder)
    assert keys(table) == set(plan().identities())
    assert len(problems) == 2
    assert any(stray.name in line and "size is 4 there, 3 here" in line for line in problems)
    assert any("notes.parquet" in line for line in problems)
    # Starting over removes what is ours by name, and nothing else.
    with Store(folder, OTHER, fresh=True) as store:
        store.append(rows_of(plan(1)))
        assert len(store.problems) == 0
    assert (folder / "chunks" / "notes.parquet").exists()
    assert len(chunks_of(folder)) == 2


NO_RUN_S = json.dumps({"format": 2, "settings": {**SETTINGS, "version": 7}})
"""A manifest that no run bears out."""


@pytest.mark.parametrize("text", [None, "", "{", "[]", NO_RUN_S])
def test_a_lost_manifest_is_put_back_by_the_sweep_it_belongs_to(folder, text):
    manifest = folder / "manifest.json"
    manifest.unlink() if text is None else manifest.write_text(text)
    before = snapshot(folder)
    with pytest.raises(SettingsMismatchError, match="version is 1 there, 2 here"):
        Store(folder, OTHER)
    assert snapshot(folder) == before
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(plan().identities())
    assert read_manifest(folder)["settings"] == SETTINGS


@pytest.mark.parametrize("text", [None, "", '{"settings": 3}'])
def test_starting_over_mends_a_manifest(folder, text):
    manifest = folder / "manifest.json"
    manifest.unlink() if text is None else manifest.write_text(text)
    with Store(folder, OTHER, fresh=True) as store:
        assert not store.done()
        store.append(rows_of(plan(1)))
    assert read_manifest(folder)["settings"] == OTHER
    assert keys(read_chunks(folder)[0]) == set(plan(1).identities())


def test_starting_over_deletes_when_the_first_chunk_is_there(folder):
    before = snapshot(folder)
    forgotten = []
    with Store(folder, OTHER, fresh=True, on_fresh=forgotten.append) as store:
        assert not store.done()
        assert snapshot(folder) == before
        store.append(rows_of(plan(1)))
        assert forgotten == [folder]
    assert len(chunks_of(folder)) == 1
    with Store(folder, OTHER) as store:
        assert len(store.done()) == len(plan(1))


class Interrupted(BaseException):
    pass


def steps_of_starting_over(monkeypatch, fail_at, error):
    """Count what starting over does to the disk, and fail before one of those steps."""
    steps = []

    def step(function):
        def counted(*args, **options):
            steps.append(function.__name__)
            if len(steps) == fail_at:
                raise error
            return function(*args, **options)

        return counted

    monkeypatch.setattr(atomic.os, "replace", step(os.replace))
    real = Path.unlink

    def unlink(path, missing_ok=False):
        removed = step(real) if path.suffix != atomic.SUFFIX else real
        removed(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    return steps


def start_over(folder, settings, claim=False):
    def remove_page(there):
        (there / "index.html").unlink()

    with Store(folder, settings, fresh=True, on_fresh=remove_page) as store:
        if claim:
            store.claim()
        store.append(rows_of(plan(1)))


@pytest.mark.parametrize("settings", [SETTINGS, OTHER])
@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize("fail_at", range(1, 7))
def test_starting_over_that_is_cut_off_leaves_a_folder_that_reads(
    folder, monkeypatch, fail_at, settings, claimed
):
    """Chunk, manifest, report, and two old chunks: five steps, whichever is the last."""
    (folder / "index.html").write_text("old")
    old = {path: path.read_bytes() for path in chunks_of(folder)}
    with monkeypatch.context() as patch:
        steps = steps_of_starting_over(patch, fail_at, Interrupted())
        with contextlib.suppress(Interrupted):
            start_over(folder, settings, claimed)
    assert len(steps) == min(fail_at, 5)
    new = set(plan(1).identities())
    stored = read_store(folder, manifest=manifest_of_chunks(folder)[0])
    there = keys(stored.rows)
    if not set(old) <= set(chunks_of(folder)):
        assert new <= there
        assert read_manifest(folder)["settings"] == settings
    assert there
    for problem in stored.problems:
        assert "it is of another sweep" in problem
    if fail_at == 6:
        assert (there, stored.problems) == (new, [])
        assert not (folder / "index.html").exists()


@pytest.mark.parametrize("fail_at", [1, 2])
def test_starting_over_on_a_full_disk_costs_no_run(folder, monkeypatch, fail_at):
    """Neither when the chunk does not fit, nor when the manifest does not."""
    (folder / "index.html").write_text("old")
    before = snapshot(folder)
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        steps_of_starting_over(patch, fail_at, full)
        with pytest.raises(StoreError, match=r"No space left on device\. The runs in .* as they w"):
            start_over(folder, OTHER)
    assert snapshot(folder) == before
    with Store(folder, SETTINGS) as store:
        assert store.done() == set(plan().identities())


def test_a_sweep_that_stored_nothing_leaves_nothing(tmp_path):
    with Store(tmp_path / "a" / "b", SETTINGS):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with Store(tmp_path / "mine", SETTINGS):
        pass
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_claimed_folder_without_runs_is_anybodys(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store:
        store.claim()
    with Store(tmp_path / "s", OTHER) as store:
        store.append(rows_of(plan(1)))
    assert read_manifest(tmp_path / "s")["settings"] == OTHER


def test_versions_machines_and_commands_of_all_chunks_are_told(tmp_path, monkeypatch):
    runs = plan()
    for number, part in (("1.0", runs[:30]), ("2.0", runs[30:])):
        monkeypatch.setattr(
            "flatfast.lab.store.versions", lambda n=number: {"jax": n, "numpy": "9"}
        )
        monkeypatch.setattr("flatfast.lab.store.machine", lambda n=number: {"cores": int(n[0])})
        with Store(tmp_path / "s", SETTINGS, command=f"sweep {number}") as store:
            store.append(rows_of(part))
    told = read_store(tmp_path / "s").manifest
    assert told["versions"] == {"jax": "1.0, 2.0", "numpy": "9"}
    assert told["machine"] == {"cores": "1, 2"}
    assert told["command"] == "sweep 1.0\nsweep 2.0"


def old_store(folder, runs):
    """As the first format had it: named by the runs, and silent about the sweep."""
    (folder / "chunks").mkdir(parents=True)
    manifest = {"format": 1, "settings": SETTINGS, "versions": {"jax": "0.1"}, "command": "old"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    rows = rows_of(runs)
    name = hashlib.sha256(repr(sorted(keys(rows))).encode()).hexdigest()[:16]
    pq.write_table(rows, folder / "chunks" / f"chunk-{name}.parquet")
    return folder / "chunks" / f"chunk-{name}.parquet"


def test_a_store_of_the_first_format_is_read_and_goes_on(tmp_path):
    runs = plan()
    old = old_store(tmp_path / "s", runs[:30])
    with Store(tmp_path / "s", SETTINGS, command="new") as store:
        assert store.done() == set(runs[:30].identities())
        store.append(rows_of(runs[30:]))
    stored = read_store(tmp_path / "s")
    assert stored.problems == []
    assert keys(stored.rows) == set(runs.identities())
    assert "0.1" in stored.manifest["versions"]["jax"]
    assert stored.manifest["command"] == "new\nold"
    # Its name stands for its runs; other runs are seen.
    pq.write_table(rows_of(runs[:29]), old)
    assert "not those that its name stands for" in read_chunks(tmp_path / "s")[1][0]


def test_runs_of_unknown_settings_are_nobodys(tmp_path):
    old_store(tmp_path / "s", plan())
    (tmp_path / "s" / "manifest.json").unlink()
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="runs of unknown settings"):
        Store(tmp_path / "s", SETTINGS)
    assert snapshot(tmp_path) == before
    with Store(tmp_path / "s", SETTINGS, fresh=True) as store:
        store.append(rows_of(plan(1)))
    assert len(chunks_of(tmp_path / "s")) == 1


def test_a_chunk_that_says_nothing_does_not_belong_to_the_second_format(folder):
    path = chunks_of(folder)[0]
    rows = read_chunk(path)[0]
    path.unlink()
    name = hashlib.sha256(repr(sorted(keys(rows))).encode()).hexdigest()[:16]
    pq.write_table(rows, folder / "chunks" / f"chunk-{name}.parquet")
    table, problems = read_chunks(folder)
    assert "does not say of which sweep" in problems[0]
    assert len(table) == len(plan()) - len(rows)


def test_leftovers_of_a_dead_process_are_removed(folder):
    leftovers = [
        folder / "chunks" / f".chunk-0.parquet.1{atomic.SUFFIX}",
        folder / f".manifest.json.1{atomic.SUFFIX}",
    ]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    with Store(folder, SETTINGS) as store:
        assert store.problems == []
    assert not any(leftover.exists() for leftover in leftovers)


def test_two_sweeps_cannot_share_a_folder(tmp_path):
    with (
        Store(tmp_path / "s", SETTINGS),
        pytest.raises(StoreError, match="another sweep is writing"),
    ):
        Store(tmp_path / "s", SETTINGS)
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(plan(1)))


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(StoreError, match=r"f is a file; give a folder with --out"):
        Store(tmp_path / "f", SETTINGS)
    with pytest.raises(StoreError, match="is a file"):
        Store(tmp_path / "f" / "inside", SETTINGS)


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    for fresh in (False, True):
        with pytest.raises(StoreError, match=r"not empty and holds no sweep \(thesis.tex\)"):
            Store(tmp_path, SETTINGS, fresh=fresh)
    with pytest.raises(StoreError, match=r"holds no sweep \(no manifest.json\)"):
        read_manifest(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_happens_to_have_our_names(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "chunks").mkdir()
    (tmp_path / "chunks" / "main.js").write_text("")
    before = snapshot(tmp_path)
    for fresh in (False, True):
        with pytest.raises(StoreError, match="not a manifest of flatfast"):
            Store(tmp_path, SETTINGS, fresh=fresh)
    assert snapshot(tmp_path) == before


def test_what_failed_is_told_with_the_file_it_was_to_be(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with (
        pytest.raises(OSError, match="Is a directory") as caught,
        atomic.atomically(tmp_path / "a.txt") as partial,
    ):
        partial.write_text("x")
    assert atomic.fault(caught.value) == f"Is a directory ({tmp_path / 'a.txt'})"
    with (
        pytest.raises(FileNotFoundError) as caught,
        atomic.atomically(tmp_path / "none" / "b.c") as partial,
    ):
        partial.write_text("x")
    assert atomic.fault(caught.value) == f"No such file or directory ({tmp_path / 'none' / 'b.c'})"
    assert atomic.fault(OSError("a disk on fire")) == "a disk on fire"


@pytest.mark.parametrize("text", ["", "[]", '{"settings": 3}', "{"])
def test_a_manifest_that_is_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest.json is not a manifest"):
        read_manifest(tmp_path)


def test_another_format(tmp_path):
    (tmp_path / "manifest.json").write_text('{"settings": {}, "format": 99}')
    with pytest.raises(StoreError, match="of format 99, this version reads 1 and 2"):
        read_manifest(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot write to"):
        Store(tmp_path / "s", SETTINGS)


def test_a_file_system_that_is_read_only():
    with pytest.raises(StoreError, match="cannot write to"):
        Store(Path("/proc/flatfast"), SETTINGS)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from flatfast.lab.store import Store, StoreError
from tests.lab.fake import SETTINGS, plan, rows_of
runs = plan(200)
store = Store(Path(sys.argv[1]), SETTINGS)
store.append(rows_of(runs[:2]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = max(path.stat().st_size for path in store.folder.glob("chunks/*")) + 200
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    store.append(rows_of(runs[2:]))
except StoreError as error:
    print(error)
"""


def test_a_full_disk_costs_the_chunk_in_flight(tmp_path):
    """A limit on file size makes writes fail part of the way, as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path / "s"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 runs are stored" in done.stdout
    assert "make room and repeat the command" in done.stdout
    with Store(tmp_path / "s", SETTINGS) as store:
        assert len(store.done()) == 2
        assert store.problems == []
    assert len(list((tmp_path / "s" / "chunks").iterdir())) == 1


def test_columns_are_checked():
    rows = rows_of(plan(1))
    with pytest.raises(ValueError, match="must have the column 'lr'"):
        conform(rows.drop_columns(["lr"]))
    with pytest.raises(ValueError, match="must not have the column 'colour'"):
        conform(rows.append_column("colour", pa.array(["red"] * len(rows))))
    with pytest.raises(ValueError, match="a column of another type"):
        conform(rows.set_column(1, "lr", pa.array(["fast"] * len(rows))))


def test_export_leaves_trajectories_out(tmp_path):
    export_runs(rows_of(plan(1)), tmp_path / "runs.parquet")
    names = pq.read_schema(tmp_path / "runs.parquet").names
    assert names == [name for name in COLUMNS if name != "record_step"]
