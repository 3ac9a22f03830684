"""What a store of many runs costs: to open, to append to, to read, and to report.

Made-up runs, of 64 records of two metrics, in chunks of 256: times about a curve over momentum that
obeys the law, and noise for metrics, which does not compress. Each piece of work in a process of
its own, on files that the system has read before; with the peak of its resident memory above what
was held before it began, and for the report that of the whole process.

Writes ``results/speed/store_size.json``: what was measured under the name of ``--as``, beside what
the file holds under other names.

    python -m benchmarks.store_size --sizes 10000 100000 1000000
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.memory import peak_above
from flatfast.lab.atomic import SUFFIX
from flatfast.lab.goal import Goal
from flatfast.lab.index import INDEX
from flatfast.lab.machine import machine
from flatfast.lab.rows import COLUMNS, KEY, conform
from flatfast.lab.runs import Runs, runs_of
from flatfast.lab.store import Store, find_run, read_store
from flatfast.lab.sweep import Failure, sweep

GRIDS = {
    1_000: (5, 10, 20),
    10_000: (10, 25, 40),
    100_000: (20, 50, 100),
    1_000_000: (50, 100, 200),
}
"""Learning rates, momenta and seeds of each number of runs."""

RECORDS, CHUNK = 64, 256
METRICS = ("metric:test_error", "metric:train_loss")
GOAL = Goal("test_error", 0.1, smoothing=0.0)
SETTINGS = {
    "problem": {"name": "made-up", "version": 1, "settings": {}, "goal": asdict(GOAL)},
    "records": RECORDS,
}
SCALARS = [name for name, kind in COLUMNS.items() if not pa.types.is_list(kind)]
Times = list[tuple[float, float]]
"""Of each repeat, seconds on the clock and of the processor."""

ASKED = 1_000
"""Runs that a sweep asks for that finds all of them stored; those that would be made last."""


def plan(size: int) -> Runs:
    """The runs of a store of this size, in the order in which a sweep makes them."""
    rates, momenta, seeds = GRIDS[size]
    pairs = [
        (lr, 1 - mu)
        for lr in np.geomspace(1e-3, 1e-1, rates).tolist()
        for mu in np.geomspace(0.5, 0.003, momenta).tolist()
    ]
    return runs_of(pairs, seeds, lambda lr: round(400 * lr ** (-2 / 3)))


def rows_of(runs: Runs, rng: np.random.Generator) -> pa.Table:
    """Rows that an engine might have made."""
    count = len(runs)
    scaled = (1 - runs.momentum) * runs.lr ** (-2 / 3)
    time_ = runs.lr ** (-2 / 3) * (20 / scaled + 4 * scaled) * rng.lognormal(0, 0.1, count)
    arrived = time_ < runs.steps
    record = np.linspace(0, 1, RECORDS) * runs.steps[:, None]
    ends = np.arange(count + 1) * RECORDS

    def lists(values: NDArray[Any]) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values.ravel()))

    noise = rng.lognormal(-1, 0.5, (2, count, RECORDS)).astype(np.float32)
    return conform(
        pa.table(
            {
                "method": runs.method.tolist(),
                "lr": runs.lr,
                "momentum": runs.momentum,
                "seed": runs.seed,
                "steps": runs.steps,
                "steps_run": runs.steps,
                "status": np.where(arrived, "converged", "not_converged").tolist(),
                "convergence_step": pa.array(time_, mask=~arrived),
                "diverged_step": pa.nulls(count, pa.int64()),
                "metric_start": np.ones(count),
                "metric_end": noise[0, :, -1].astype(np.float64),
                "threshold": np.full(count, 0.1),
                "record_step": lists(record.astype(np.int64)),
                **{name: lists(own) for name, own in zip(METRICS, noise, strict=True)},
            }
        )
    )


def fill(folder: Path, size: int) -> None:
    """Store the runs."""
    runs, rng = plan(size), np.random.default_rng(size)
    with Store(folder, SETTINGS) as store:
        for begin in range(0, size, CHUNK):
            store.append(rows_of(runs[begin : begin + CHUNK], rng))


class NoEngine:
    """For sweeps that find all of their runs stored."""

    width, workers = CHUNK, 1

    def run(self, chunks: Sequence[Runs]) -> Iterator[pa.Table | Failure]:
        """Make nothing."""
        if chunks:
            raise AssertionError(f"{len(chunks)} chunks are missing")
        return iter(())


def opened(folder: Path, size: int) -> Times:
    """Open the folder for a sweep, and let it go."""

    def work() -> None:
        with Store(folder, SETTINGS) as store:
            assert len(store.done()) == size

    work()
    return timed(work)


def opened_anew(folder: Path, size: int) -> Times:
    """The same where nothing is known of the chunks, as of a copy."""

    def work() -> None:
        (folder / INDEX).unlink(missing_ok=True)
        with Store(folder, SETTINGS) as store:
            assert len(store.done()) == size

    return timed(work)


def done(folder: Path, size: int) -> Times:
    """Ask an open store for the keys of its runs."""
    with Store(folder, SETTINGS) as store:
        return timed(store.done)


def append(folder: Path, size: int) -> Times:
    """Append a chunk to an open store."""
    rng, before = np.random.default_rng(0), set(folder.glob("chunks/*"))
    runs = runs_of([(0.5, 0.5)], 5 * CHUNK, 100)
    parts = [rows_of(runs[k : k + CHUNK], rng) for k in range(0, len(runs), CHUNK)]
    with Store(folder, SETTINGS) as store:
        times = timed(lambda: store.append(parts.pop()), len(parts))
    for path in set(folder.glob("chunks/*")) - before:
        path.unlink()
    return times


def one_run(folder: Path, size: int) -> Times:
    """Find the row of one run."""
    run = plan(size)[size // 3 : size // 3 + 1]
    lr, momentum, seed = float(run.lr[0]), float(run.momentum[0]), int(run.seed[0])

    def work() -> None:
        assert find_run(folder, lr, momentum, seed)["steps"] == run.steps[0]

    return timed(work)


def read_of(columns: list[str] | None) -> Callable[[Path, int], Times]:
    """Read columns of all runs."""

    def reading(folder: Path, size: int) -> Times:
        def work() -> None:
            assert len(read_store(folder, columns).rows) == size

        return timed(work)

    return reading


def go_on(folder: Path, size: int) -> Times:
    """A sweep of :data:`ASKED` of the runs, all of which are stored: from the open store on."""
    runs = plan(size)[-ASKED:]
    with Store(folder, SETTINGS) as store:

        def work() -> None:
            assert len(sweep(runs, store, NoEngine())) == ASKED

        return timed(work)


WORK: dict[str, Callable[[Path, int], Times]] = {
    "open_anew": opened_anew,
    "open": opened,
    "done": done,
    "append": append,
    "one_run": one_run,
    "go_on": go_on,
    "read_keys": read_of(list(KEY)),
    "read_scalars": read_of(SCALARS),
    "read_all": read_of(None),
}


def timed(work: Callable[[], Any], repeats: int = 3) -> Times:
    """Seconds of a piece of work, repeat by repeat: on the clock, and of the processor."""
    times = []
    for _ in range(repeats):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - begin, time.process_time() - begin_cpu))
    return times


def measured(name: str, folder: Path, size: int) -> dict[str, Any]:
    """A piece of work in this process."""
    times: Times = []
    peak = peak_above(lambda: times.extend(WORK[name](folder, size)))
    seconds, cpu = zip(*times, strict=True)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak / 1e6}


def in_a_process(name: str, folder: Path, size: int) -> dict[str, Any]:
    """:func:`measured` in a process of its own."""
    words = ["--one", json.dumps([name, str(folder), size])]
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.store_size", *words],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return found


def reported(folder: Path) -> dict[str, Any]:
    """The command that writes a report: its time, and the peak of its memory."""
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        words = [sys.executable, "-m", "flatfast", "report", str(folder), "--out", out]
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        if status:
            raise RuntimeError(f"flatfast report ended with {os.waitstatus_to_exitcode(status)}")
        return {
            "seconds": [time.perf_counter() - begin],
            "cpu_seconds": [usage.ru_utime + usage.ru_stime],
            "peak_mb": usage.ru_maxrss * 1024 / 1e6,
        }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--one", help="work, folder and size as JSON, measured here")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--as", dest="name", default="now", help="name of what is measured")
    parser.add_argument("--folder", type=Path, help="where the stores are made, or lie already")
    parser.add_argument("--no-report", action="store_true", help="leave the report out")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "speed"
    )
    options = parser.parse_args()
    if options.one:
        name, folder, size = json.loads(options.one)
        print(json.dumps(measured(name, Path(folder), size)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "store_size.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    here = options.folder or Path(tempfile.mkdtemp())
    sizes: dict[str, Any] = {}
    for size in options.sizes:
        folder = here / str(size)
        if not folder.exists():
            fill(folder, size)
        files = [p for p in (folder / "chunks").iterdir() if not p.name.endswith(SUFFIX)]
        load = os.getloadavg()[0]
        found: dict[str, Any] = {
            "chunks": len(files),
            "mb": sum(p.stat().st_size for p in files) / 1e6,
            **{name: in_a_process(name, folder, size) for name in WORK},
        }
        if not options.no_report:
            found["report"] = reported(folder)
        sizes[str(size)] = {**found, "load": {"before": load, "after": os.getloadavg()[0]}}
        print(f"{size:,} runs, {len(files):,} chunks, {found['mb']:.0f} MB")
        for name in (*WORK, *(["report"] if "report" in found else [])):
            wall, cpu = (statistics.median(found[name][k]) for k in ("seconds", "cpu_seconds"))
            peak = found[name]["peak_mb"]
            print(f"  {name:12s} {wall:10.4f} s {cpu:10.4f} s of CPU {peak:8.0f} MB")
    result[options.name] = {"machine": machine(), "sizes": sizes}
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")
    if options.folder is None:
        shutil.rmtree(here)


if __name__ == "__main__":
    main()
