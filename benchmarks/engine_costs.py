"""What an engine costs besides its runs: a worker's start, a stored chunk, memory of the driver."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.engine_cases import Case, named, rows
from benchmarks.processes import memory
from benchmarks.timing import seconds, spread
from flatfast.lab.engines.choose import open_engines
from flatfast.lab.engines.dispatch import dispatch
from flatfast.lab.engines.job import pack
from flatfast.lab.runs import chunks
from flatfast.lab.store import Store

WORKER = """
import json, pickle, sys, time
begin = time.perf_counter()
def since():
    global begin
    now = time.perf_counter()
    spent, begin = now - begin, now
    return spent
from flatfast.lab.engines import worker
packed, runs, known = pickle.load(open(sys.argv[1], "rb"))
worker.settle(int(sys.argv[2]))
from flatfast.lab.engines.job import unpack
spent = {"imports": since()}
unpack(packed)
spent["job"] = since()
worker.make("a", lambda: packed, [runs], known, int(sys.argv[2]))
spent["first_chunk"] = since()
worker.make("a", bytes, [runs], known, int(sys.argv[2]))
spent["again"] = since()
print(json.dumps(spent))
"""
"""What a worker does when it starts, timed."""


def starts(repeats: int, case: Case, cores: int) -> dict[str, Any]:
    """What a worker's start takes, with an empty compilation cache and with a full one."""
    job = case.job()
    with open_engines("processes", cores=cores) as make:
        width = make(job).width
    found: dict[str, dict[str, list[float]]] = {"empty_cache": {}, "full_cache": {}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job"
        path.write_bytes(pickle.dumps((pack(job), case.plan(0, width), {})))
        for repeat in range(repeats):
            cache = {
                "JAX_COMPILATION_CACHE_DIR": f"{folder}/{repeat}",
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            }
            for kind in found:
                words = [sys.executable, "-c", WORKER, str(path), str(cores)]
                told = json.loads(_told(words, cache))
                for part, spent in told.items():
                    found[kind].setdefault(part, []).append(spent)
                print(f"{repeat} {case.name:16s}{kind}: {told}")
    return {
        "problem": case.name,
        "runs": width,
        "seconds": {
            kind: {part: spread(spent) for part, spent in parts.items()}
            for kind, parts in found.items()
        },
    }


def _told(words: list[str], environment: dict[str, str]) -> bytes:
    known = {**os.environ, **environment}
    return subprocess.run(words, env=known, capture_output=True, check=True).stdout


def storing(case: Case, count: int = 1000) -> dict[str, Any]:
    """The driver's seconds a chunk of a store that grows, and the bytes of a row."""
    job = case.job()
    with open_engines("local") as make:
        (table,) = rows(make(job).run([case.plan(0, 64)]))
    clock: list[float] = []
    processor: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder) / "runs", named(case)) as store,
    ):
        for k in range(count):
            seeds = table["seed"].to_numpy() + 64 * k
            part = table.set_column(table.schema.get_field_index("seed"), "seed", [seeds])
            before = time.process_time()
            clock.append(seconds(partial(store.append, part)))
            processor.append(time.process_time() - before)
        stored = sum(p.stat().st_size for p in (Path(folder) / "runs").glob("chunks/*"))
    tenth = count // 10
    return {
        "chunks": count,
        "rows_a_chunk": len(table),
        "seconds_a_chunk": {
            kind: {"at_first": spread(spent[:tenth]), "at_last": spread(spent[-tenth:])}
            for kind, spent in (("clock", clock), ("processor", processor))
        },
        "bytes_a_row_stored": stored / count / len(table),
        "bytes_a_row_sent": len(pickle.dumps(table)) / len(table),
    }


def driver_memory(case: Case, seconds_a_task: float = 0.2) -> dict[str, Any]:
    """The driver's resident bytes while Ray brings it many small tasks, of which it keeps none."""
    told: list[int] = []
    passed = 0
    job = case.job()
    with open_engines("ray") as make:
        engine = make(job)
        parts = chunks(case.plan(), engine.width)
        for made in rows(dispatch(parts, engine, seconds_a_task)):  # type: ignore[arg-type]
            passed += made.nbytes
            told.append(memory())
    quarter = len(told) // 4
    return {
        "tasks": len(told),
        "rows": case.runs,
        "bytes_that_came": passed,
        "bytes_after_a_quarter": told[quarter],
        "bytes_at_the_end": told[-1],
    }
