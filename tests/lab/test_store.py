"""The store: resume, refusal, and what a broken folder costs."""

import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flatfast.lab import atomic
from flatfast.lab.store import (
    COLUMNS,
    SettingsMismatchError,
    Store,
    StoreError,
    conform,
    discard,
    export_runs,
    keys,
    read_chunks,
    read_manifest,
)
from tests.lab.fake import SETTINGS, plan, rows_of


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


def test_other_settings_are_refused_by_name(tmp_path):
    Store(tmp_path / "s", SETTINGS).__exit__()
    other = {"problem": {"name": "fake", "version": 2, "settings": {"size": 4}}, "records": 4}
    with pytest.raises(SettingsMismatchError) as caught:
        Store(tmp_path / "s", other)
    message = str(caught.value)
    assert "problem.settings.size is 3 there, 4 here" in message
    assert "problem.version is 1 there, 2 here" in message
    assert "--out" in message
    assert "--fresh" in message
    assert "records" not in message


@pytest.mark.parametrize("content", [b"", b"not parquet", "cut", "foreign"])
def test_a_broken_chunk_is_named_and_its_runs_redone(tmp_path, content):
    runs = plan()
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(runs[:30]))
        store.append(rows_of(runs[30:]))
    victim = next((tmp_path / "s" / "chunks").glob("chunk-*"))
    lost = keys(pq.ParquetFile(victim).read())
    if content == "cut":
        victim.write_bytes(victim.read_bytes()[:-100])
    elif content == "foreign":
        pq.write_table(pa.table({"x": [1, 2]}), victim)
    else:
        victim.write_bytes(content)
    with Store(tmp_path / "s", SETTINGS) as store:
        assert len(store.problems) == 1
        assert str(victim) in store.problems[0]
        assert store.done() == set(runs.identities()) - lost
        # the broken file's name is free again for the runs it held
        again = [key in lost for key in runs.identities()]
        store.append(rows_of(runs[[k for k, missing in enumerate(again) if missing]]))
        assert store.done() == set(runs.identities())


def test_leftovers_of_a_dead_process_are_removed(tmp_path):
    Store(tmp_path / "s", SETTINGS).__exit__()
    leftover = tmp_path / "s" / "chunks" / f".chunk-0.parquet.1{atomic.SUFFIX}"
    leftover.write_bytes(b"half")
    with Store(tmp_path / "s", SETTINGS) as store:
        assert store.problems == []
    assert not leftover.exists()


def test_two_sweeps_cannot_share_a_folder(tmp_path):
    with (
        Store(tmp_path / "s", SETTINGS),
        pytest.raises(StoreError, match="another sweep is writing"),
    ):
        Store(tmp_path / "s", SETTINGS)
    Store(tmp_path / "s", SETTINGS).__exit__()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(StoreError, match=r"f is a file; give a folder with --out"):
        Store(tmp_path / "f", SETTINGS)
    with pytest.raises(StoreError, match="is a file"):
        Store(tmp_path / "f" / "inside", SETTINGS)


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match=r"not empty and holds no sweep \(thesis.tex\)"):
        Store(tmp_path, SETTINGS)
    with pytest.raises(StoreError, match=r"holds no sweep \(no manifest.json\)"):
        read_manifest(tmp_path)
    discard(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"settings": 3}', "{"])
def test_a_manifest_that_is_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StoreError, match=r"manifest.json is not a manifest"):
        read_manifest(tmp_path)


def test_another_format(tmp_path):
    (tmp_path / "manifest.json").write_text('{"settings": {}, "format": 99}')
    with pytest.raises(StoreError, match="of format 99, this version reads 1"):
        read_manifest(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot write to"):
        Store(tmp_path / "s", SETTINGS)


def test_a_file_system_that_is_read_only():
    with pytest.raises(StoreError, match="cannot write to"):
        Store(__import__("pathlib").Path("/proc/flatfast"), SETTINGS)


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


def test_discard_makes_room(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store:
        store.append(rows_of(plan(1)))
    assert discard(tmp_path / "s")
    with Store(tmp_path / "s", {"other": 1}) as store:
        assert not store.done()
    assert not discard(tmp_path / "nowhere")
