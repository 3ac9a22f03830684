"""Sweeps whose workers, nodes and drivers are killed at random moments, and what is left of them.

A sweep is made by one command after the other, each with another engine: ``ray`` on a cluster of
two nodes on this machine, ``ray`` on one of the command's own, ``processes`` and ``local``. While a
command works, at random moments, something that it consists of is killed with SIGKILL: a worker, a
whole node (its raylet with all that it has started; another joins), the driver; or the driver may
write no file of more than a thousand bytes from now on, as if its disk were full. A driver's end is
followed by the next command. After every command all rows on the disk are read: none may be there
twice, none that was there may be gone, and each must be, bit for bit, what an undisturbed sweep by
the local engine has made of it. What counts as success was said before: no row lost, none twice,
none other, in all folders, after 30 kills or more; the first breach ends this with an error.

Writes ``results/speed/engine_kills.json``.

    python -m benchmarks.engine_kills
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.processes import below
from flatfast.lab.machine import machine

COMMAND = "from flatfast.cli import main; main()"

SWEEP = (
    *("matrix-sensing", "--start", "init", "--lr", "0.001,0.002", "--momentum", "0.5,0.9"),
    *("--seeds", "512", "--steps", "400", "--records", "8"),
)

RUNS = 2 * 2 * 512

KEY = ("method", "lr", "momentum", "seed", "steps")

ENGINES = ("ray on two nodes", "processes", "ray", "local")

KINDS = {
    "ray on two nodes": ("worker", "node", "driver", "disk"),
    "processes": ("worker", "driver", "disk"),
    "ray": ("worker", "driver", "disk"),
    "local": ("driver", "disk"),
}
"""What can be killed of a command, by its engine."""

WORKERS = ("ray::flatfast", "multiprocessing.spawn import spawn_main")
"""What the names of workers at work have in them."""

SMALL_FILE = 1000
"""Bytes that a driver whose disk is full may write into a file: fewer than a chunk has."""

PAUSE = 5.0
"""Most seconds between two kills."""


@dataclass(frozen=True)
class Kill:
    """What was killed when.

    Attributes:
        engine: Of the command.
        kind: What.
        stored: Rows on the disk just before.
    """

    engine: str
    kind: str
    stored: int


class Cluster:
    """Two nodes of Ray with a core each, of which one may go and come."""

    def __init__(self) -> None:
        """Start both."""
        from ray.cluster_utils import Cluster as Nodes

        self._folder = os.environ["RAY_TMPDIR"] = tempfile.mkdtemp(prefix="ff-")
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        soon = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}
        first = {"num_cpus": 1, "_system_config": soon}
        self._nodes = Nodes(initialize_head=True, head_node_args=first)
        self._nodes.add_node(num_cpus=1)
        self.address: str = self._nodes.address

    def workers(self) -> list[int]:
        """Processes that make runs."""
        return _workers(os.getpid())

    def kill_node(self) -> None:
        """End the second node at once, with all that runs on it, and let another join."""
        (node,) = self._nodes.worker_nodes
        raylet = node.all_processes["raylet"][0].process.pid
        for pid in (raylet, *below(raylet)):
            _kill(pid)
        self._nodes.remove_node(node, allow_graceful=False)
        self._nodes.add_node(num_cpus=1)

    def close(self) -> None:
        """End both."""
        self._nodes.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


def _workers(pid: int) -> list[int]:
    return [each for each, name in below(pid).items() if any(word in name for word in WORKERS)]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def command(engine: str, folder: Path, cluster: Cluster) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that sweeps into a folder; what it tells is beside that."""
    words = [sys.executable, "-c", COMMAND, "sweep", *SWEEP, "--out", str(folder)]
    words += ["--engine", engine.partition(" ")[0]]
    if engine == "ray on two nodes":
        words += ["--address", cluster.address]
    if engine != "local":
        words += ["--cores", "1"]
    with told(folder).open("wb") as file:
        process = subprocess.Popen(words, stdout=file, stderr=file, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def told(folder: Path) -> Path:
    """What the last command into a folder has told."""
    return folder.with_suffix(".told")


def rows_of(folder: Path) -> pa.Table | None:
    """All rows of a folder's chunks as they are on the disk, those twice there twice."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("chunks/*.parquet"))]
    return pa.concat_tables(t.replace_schema_metadata(None) for t in tables) if tables else None


def _chunks(folder: Path) -> int:
    return len(list(folder.glob("chunks/*.parquet")))


def keyed(table: pa.Table | None) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by run.

    Raises:
        RuntimeError: If a run is there twice.
    """
    rows = [] if table is None else table.to_pylist()
    found = {tuple(row[name] for name in KEY): row for row in rows}
    if len(found) < len(rows):
        raise RuntimeError(f"{len(rows) - len(found)} rows are there twice")
    return found


def disturbed(
    engine: str, folder: Path, cluster: Cluster, rng: random.Random, most: int
) -> Iterator[Kill]:
    """Run a command and kill what it consists of until its driver has ended, or ``most`` times."""
    before = _chunks(folder)
    with command(engine, folder, cluster) as process:
        # The first kill, too, comes when runs are made, and not while libraries load.
        while process.poll() is None and _chunks(folder) == before:
            if _workers(process.pid) or cluster.workers():
                break
            time.sleep(0.1)
        while process.poll() is None:
            time.sleep(rng.uniform(0, PAUSE))
            if process.poll() is not None or most == 0:
                continue
            kind = rng.choice(KINDS[engine])
            stored = len(keyed(rows_of(folder)))
            if kind == "driver":
                process.kill()
            elif kind == "disk":
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))
            elif kind == "node":
                cluster.kill_node()
            else:
                working = _workers(process.pid) or cluster.workers()
                if not working:
                    continue
                _kill(rng.choice(working))
            most -= 1
            yield Kill(engine, kind, stored)
            if kind in ("driver", "disk"):
                process.wait(120)
    if process.returncode not in (0, 1, -signal.SIGKILL):
        words = told(folder).read_text()
        raise RuntimeError(f"{engine} ended with {process.returncode}: {words[-2000:]}")


def main() -> None:
    """Kill, look, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[1] / "results" / "speed"
    )
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kills: list[Kill] = []
    folders = commands = 0
    cluster = Cluster()
    try:
        with tempfile.TemporaryDirectory() as name:
            with command("local", Path(name) / "alone", cluster) as process:
                process.wait()
            expected = keyed(rows_of(Path(name) / "alone"))
            if len(expected) != RUNS:
                raise RuntimeError(f"the undisturbed sweep made {len(expected)} runs")
            while len(kills) < options.kills:
                folder, known = Path(name) / str(folders), 0
                folders += 1
                while known < RUNS:
                    engine = ENGINES[commands % len(ENGINES)]
                    commands += 1
                    left = options.kills - len(kills)
                    for kill in disturbed(engine, folder, cluster, rng, left):
                        kills.append(kill)
                        print(f"{len(kills):3d} {kill.engine}: {kill.kind}, {kill.stored} stored")
                    found = keyed(rows_of(folder))
                    wrong = [run for run, row in found.items() if row != expected.get(run)]
                    if wrong or len(found) < known:
                        raise RuntimeError(
                            f"{len(wrong)} rows differ, {known - len(found)} are gone"
                        )
                    known = len(found)
    finally:
        cluster.close()
    counts = Counter((kill.engine, kill.kind) for kill in kills)
    result = {
        "machine": machine(),
        "seed": options.seed,
        "folders": folders,
        "commands": commands,
        "runs_a_folder": RUNS,
        "kills": [asdict(kill) for kill in kills],
        "counts": {f"{engine}: {kind}": count for (engine, kind), count in sorted(counts.items())},
        "lost": 0,
        "twice": 0,
        "other": 0,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "engine_kills.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
