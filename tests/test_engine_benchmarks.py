"""Benchmarks of the engines: what is read off processes and rows."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="needs the torch extra")
if not Path("/proc/self/stat").exists():
    pytest.skip("reads /proc", allow_module_level=True)

from benchmarks import engine_kills, engine_tables, engines, tables
from benchmarks.engine_cases import Case, swept
from benchmarks.processes import below, memory, processor_seconds
from flatfast.lab.engines.choose import open_engines
from tests.lab.fake import plan, rows_of

BUSY = "import time\nwhile time.process_time() < 0.4: pass\nprint('done', flush=True)\ninput()"


def test_processor_time_is_also_that_of_processes_below_and_of_those_that_ended():
    before = processor_seconds()
    words = [sys.executable, "-c", BUSY]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert "time.process_time" in below(os.getpid())[process.pid]
        alive = processor_seconds() - before
        process.communicate(b"\n")
    assert process.pid not in below(os.getpid())
    assert 0.35 < alive <= processor_seconds() - before


def test_memory_is_the_resident_one(monkeypatch, tmp_path):
    # What the system tells, not what it should tell: it may count pages late, or reuse them.
    assert memory() > 2**20
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "statm").write_text("4000 300 120 1 0 900 0\n")
    monkeypatch.setattr("benchmarks.processes.PROC", tmp_path)
    assert memory() == 300 * os.sysconf("SC_PAGE_SIZE")


def test_rows_that_are_there_twice_are_found(tmp_path):
    (tmp_path / "chunks").mkdir()
    assert engine_kills.keyed(engine_kills.rows_of(tmp_path)) == {}
    for name, runs in (("a", plan()[:5]), ("b", plan()[5:9])):
        pq.write_table(rows_of(runs), tmp_path / "chunks" / f"{name}.parquet")
    assert len(engine_kills.keyed(engine_kills.rows_of(tmp_path))) == 9
    pq.write_table(rows_of(plan()[8:10]), tmp_path / "chunks" / "c.parquet")
    with pytest.raises(RuntimeError, match="1 rows are there twice"):
        engine_kills.keyed(engine_kills.rows_of(tmp_path))


def test_rates_are_of_pairs_and_cases_fit_their_plans():
    case = Case("scalar-product", 40, 10, 1e-4)
    slow = [{"clock": 2.0, "processor": 4.0}, {"clock": 20.0, "processor": 4.0}]
    fast = [{"clock": 1.0, "processor": 5.0}, {"clock": 10.0, "processor": 5.0}]
    found = engines._rates(case, {"local": fast, "processes": slow, "ray": fast})
    assert found["over_local_by_clock"]["processes"]["estimate"] == 0.5
    assert found["over_local_by_processor"]["processes"]["estimate"] == 1.25
    assert found["run_steps_per_processor_second"]["ray"] == 80
    assert case.plan(40).seed.tolist() == list(range(40, 80))


def test_a_sweep_that_is_timed_is_whole():
    case = Case("scalar-product", 8, 20, 1e-4)
    with open_engines("local") as make:
        spent = swept(case, make, case.job(), case.plan())
    assert spent["clock"] > 0
    with (
        open_engines("local") as make,
        pytest.raises(RuntimeError, match="are missing, or"),
    ):
        swept(Case("scalar-product", 8, 21, 1e-4), make, case.job(), case.plan())


def test_tables_name_what_was_killed(monkeypatch):
    kills = [{"engine": "ray", "kind": "worker", "stored": 3}] * 2
    found = {"kills": kills, "counts": {"ray: worker": 2}, "commands": 4, "folders": 1}
    found |= {"runs_a_folder": 1024, "lost": 0, "twice": 0, "other": 0}
    monkeypatch.setattr(engine_tables, "load", lambda path: found)
    told = tables.engine_kills()
    assert "| ray | 2 | 0 | 0 | 0 |" in told
    assert "2 kills at random moments in 4 commands" in told
    assert engine_tables._part("compared") is None


def test_a_driver_may_write_less_than_a_chunk():
    sink = pa.BufferOutputStream()
    pq.write_table(rows_of(plan()), sink)
    assert sink.getvalue().size > engine_kills.SMALL_FILE
