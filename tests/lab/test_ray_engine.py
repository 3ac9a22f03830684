"""The engine ray: on a cluster of two nodes, and on one that a command starts for itself."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs the ray extra")
if not Path("/proc/self/stat").exists():
    pytest.skip("finds its processes in /proc", allow_module_level=True)

from ray import exceptions  # noqa: E402

from benchmarks.processes import below  # noqa: E402
from flatfast import extras  # noqa: E402
from flatfast.lab.engines import ray_tasks  # noqa: E402
from flatfast.lab.engines.choose import open_engines  # noqa: E402
from flatfast.lab.engines.dispatch import LostWorkerError  # noqa: E402
from flatfast.lab.engines.local import LocalEngine  # noqa: E402
from flatfast.lab.engines.passing import LOCK, passing_folder  # noqa: E402
from flatfast.lab.engines.ray_cluster import FOLDER  # noqa: E402
from flatfast.lab.engines.ray_tasks import LOST, Ray  # noqa: E402
from flatfast.lab.engines.worker import OtherVersionsError  # noqa: E402
from flatfast.lab.runs import chunks, runs_of, together  # noqa: E402
from flatfast.lab.simulation.simulate import tile_of  # noqa: E402
from flatfast.lab.store import Store, read_chunks  # noqa: E402
from flatfast.lab.sweep import sweep  # noqa: E402
from tests.lab.fake import SETTINGS  # noqa: E402
from tests.lab.small import SMALL, job_of, own_job, sorted_rows  # noqa: E402

WORKER = "ray::flatfast"


def until(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # The paths of sockets are short, and Ray's own folder is left alone.
        folder = tempfile.mkdtemp(prefix="ff-test-")
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # A node that is gone is missed sooner than by default.
        settings = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
        made = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "_system_config": settings}
        )
        made.add_node(num_cpus=1)
        yield made
        made.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def engines(cluster):
    with Ray(cluster.address, cores=1) as made:
        yield made


@pytest.fixture
def lost(monkeypatch):
    """What the driver learns of lost workers."""
    told, result = [], ray_tasks.RayEngine.result

    def noted(self, sent):
        try:
            return result(self, sent)
        except LostWorkerError as error:
            told.append(str(error))
            raise

    monkeypatch.setattr(ray_tasks.RayEngine, "result", noted)
    return told


@pytest.mark.parametrize("name", SMALL)
def test_rows_are_those_of_this_process_bit_for_bit(engines, name):
    job = job_of(name)
    runs = together([runs_of([(1e-3, 0.9), (2e-3, 0.8)], 5, 30), runs_of([(1e-3, 0.5)], 3, 20)])
    here = LocalEngine(job)
    expected = sorted_rows(here.run(chunks(runs, here.width)))
    assert sorted_rows(engines(job).run(chunks(runs, 4))).equals(expected)


def test_a_problem_of_a_file_travels_without_the_file(engines, tmp_path):
    job = own_job(tmp_path / "mine.py")
    runs = runs_of([(0.01, 0.5)], 3, 40)
    (made,) = engines(job).run([runs])
    assert sorted_rows([made]).equals(sorted_rows(LocalEngine(job).run([runs])))


def test_errors_of_a_problem_come_back_with_their_runs(engines):
    runs = runs_of([(1e-3, 0.9)], 2, 20)
    odd = together([runs, runs_of([(1e-3, 0.9)], 1, 30)])  # a chunk of two lengths
    (found,) = engines(job_of("scalar-product")).run([odd])
    assert found.why == "a chunk has one planned length, got [20 30]"
    assert found.runs.identities() == odd.identities()


def test_other_versions_on_a_node_end_the_sweep(engines, monkeypatch):
    monkeypatch.setattr(ray_tasks, "versions", lambda: {"jax": "0.0.1"})
    engine = engines(job_of("scalar-product"))
    with pytest.raises(OtherVersionsError, match=r"has jax .*, and not 0\.0\.1"):
        list(engine.run([runs_of([(1e-3, 0.9)], 2, 20)]))


LONG = 100_000
"""Steps of runs of the scalar product that last until somebody kills their worker."""


def kill_below(pid):
    """Kill the first workers below a process that are at work, and say which."""
    working = {}

    def found():
        working.update({each: name for each, name in below(pid).items() if WORKER in name})
        return working

    until(found)
    for each in working:
        os.kill(each, signal.SIGKILL)
    return working


def test_a_worker_that_is_killed_costs_no_run(engines, lost):
    job = job_of("scalar-product")
    parts = chunks(runs_of([(1e-3, 0.9)], 16, LONG), 4)
    with ThreadPoolExecutor() as beside:
        killed = beside.submit(kill_below, os.getpid())
        tables = list(engines(job).run(parts))
    assert killed.result()
    assert "WorkerCrashedError: The worker died unexpectedly" in lost[0]
    assert sorted_rows(tables).equals(sorted_rows(LocalEngine(job).run(parts)))


def test_closed_nothing_goes_on(engines):
    soon, later = runs_of([(1e-3, 0.9)], 4, 20), runs_of([(1e-3, 0.9)], 16, 400 * LONG)
    made = engines(job_of("scalar-product")).run([soon, *chunks(later, 4)])
    next(made)
    until(lambda: any(WORKER in name for name in below(os.getpid()).values()))
    made.close()
    until(lambda: not any(WORKER in name for name in below(os.getpid()).values()), 15)


@pytest.mark.parametrize("first", ["ray", "local"])
def test_one_engine_goes_on_where_another_ended(engines, tmp_path, first):
    job = job_of("scalar-product")
    runs = runs_of([(1e-3, 0.9)], 24, 50)
    order = [engines(job), LocalEngine(job)]
    one, two = order if first == "ray" else reversed(order)
    with Store(tmp_path / "both", SETTINGS) as store:
        sweep(runs[:10], store, one)
        sweep(runs, store, two)
    with Store(tmp_path / "alone", SETTINGS) as store:
        sweep(runs, store, LocalEngine(job))
    rows = [sorted_rows([read_chunks(tmp_path / name)[0]]) for name in ("both", "alone")]
    assert rows[0].num_rows == len(runs)
    assert rows[0].equals(rows[1])


def test_nodes_may_come_and_go(cluster, engines, lost, monkeypatch):
    monkeypatch.setattr(ray_tasks, "LOOK_SECONDS", 0.0)
    job = job_of("scalar-product")
    parts = chunks(runs_of([(1e-3, 0.9)], 24, LONG), 4)
    engine = engines(job)
    assert engine.slots == 2
    (node,) = cluster.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid

    def power_cut():
        kill_below(raylet)
        cluster.remove_node(node, allow_graceful=False)

    with ThreadPoolExecutor() as beside:
        cut = beside.submit(power_cut)
        made = engine.run(parts)
        tables = [next(made)]
        cut.result()
        until(lambda: engines.slots() == 1)
        tables.append(next(made))
        cluster.add_node(num_cpus=1)
        until(lambda: engines.slots() == 2)
        tables += list(made)
    assert engine.slots == 2
    assert lost
    assert sorted_rows(tables).equals(sorted_rows(LocalEngine(job).run(parts)))


COMMAND = "from flatfast.cli import main; main()"


def test_stopped_nothing_is_left_and_the_next_command_goes_on(tmp_path):
    """On a cluster of the command's own; Ctrl-C reaches all processes of a terminal."""
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    words = ["sweep", "matrix-sensing", "--start", "init", "--lr", "0.001,0.002"]
    words += ["--momentum", "0.5,0.9", "--seeds", "96", "--steps", "1000", "--records", "8"]
    words += ["--out", str(out)]
    with tempfile.TemporaryDirectory(prefix="ff-test-") as temporary:
        known = {
            "HOME": str(home),
            "TMPDIR": temporary,
            "MPLCONFIGDIR": str(tmp_path),
            "FLATFAST_CACHE": str(tmp_path),
        }
        command = [sys.executable, "-c", COMMAND, *words, "--engine", "ray", "--cores", "1"]
        process = subprocess.Popen(
            command,
            env={**os.environ, **known},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        until(lambda: list(out.glob("**/*.parquet")) or process.poll() is not None)
        started = below(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        told = process.communicate(timeout=60)[1]
        assert process.returncode == 130, told
        assert "of 384 runs are stored" in told
        assert any(WORKER in name for name in started.values())
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), 20)
        assert os.listdir(temporary) in ([], [f"flatfast-cores-{os.getuid()}"])
        assert os.listdir(home) == []
    before = read_chunks(out)[0].num_rows
    assert 0 < before < 384
    again = [sys.executable, "-c", COMMAND, *words, "--engine", "local"]
    subprocess.run(again, env={**os.environ, **known, "TMPDIR": str(tmp_path)}, check=True)
    table = read_chunks(out)[0]
    assert table.num_rows == 384
    assert (
        len(set(zip(*(table[n].to_pylist() for n in ("lr", "momentum", "seed")), strict=True)))
        == 384
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (exceptions.WorkerCrashedError(), "WorkerCrashedError: The worker died"),
        (exceptions.NodeDiedError("gone"), "NodeDiedError: gone"),
        (exceptions.OutOfMemoryError("too much"), "OutOfMemoryError: too much"),
        (exceptions.OwnerDiedError("00", b"", ""), "OwnerDiedError: "),
        (
            exceptions.RayTaskError("make", "", exceptions.NodeDiedError("far")),
            "NodeDiedError: far",
        ),
    ],
)
def test_what_counts_as_lost(engines, monkeypatch, kind, words):
    def get(_):
        raise kind

    engine = engines(job_of("scalar-product"))
    monkeypatch.setattr(ray, "get", get)
    with pytest.raises(LostWorkerError, match=words):
        engine.result("sent")


def test_errors_are_not_losses():
    for kind in (exceptions.RayTaskError, exceptions.TaskCancelledError, exceptions.RaySystemError):
        assert not issubclass(kind, LOST)


@pytest.mark.parametrize(
    ("has", "cores", "gpus", "room"),
    [
        ({"CPU": 7.0}, 2, 0, 3),
        ({"CPU": 1.0}, 2, 0, 0),
        ({"memory": 1.0}, 1, 0, 0),
        ({"CPU": 16.0, "GPU": 4.0}, 2, 1, 4),
        ({"CPU": 16.0, "GPU": 4.0}, 2, 2, 2),
        ({"CPU": 64.0, "GPU": 4.0}, 1, 0.3, 12),  # a task's share is of one card
        ({"CPU": 64.0, "GPU": 2.0}, 1, 0.2, 10),
        ({"CPU": 64.0}, 1, 1, 0),
    ],
)
def test_tasks_for_which_a_node_has_room(has, cores, gpus, room):
    assert ray_tasks._room(has, cores, gpus) == room


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cores": 0}, "cores must be 1 or more, got 0"),
        ({"workers": 0}, "workers must be 1 or more, got 0"),
        ({"gpus": 1.5}, r"gpus must be a whole number, at least 1, or between 0 and 1, got 1\.5"),
        ({"gpus": -1.0}, "gpus must be a whole number, at least 1, or between 0 and 1, got -1"),
        ({"address": "ray://there:10001"}, "address must be host:port .*, got 'ray://there:10001'"),
        ({"address": "there"}, "address must be host:port .*, got 'there'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message), open_engines("ray", **options):
        pass


def test_tasks_for_which_nodes_have_yet_to_start(cluster, engines):
    """An autoscaler starts them for tasks that wait; a GPU's chunks are its own tiles."""
    job = job_of("scalar-product")
    with open_engines("ray", address=cluster.address, gpus=2, workers=3) as make:
        engine = make(job)
    assert engine.slots == engine.workers == 3
    assert engine.width == 2 * tile_of(job.problem, job.dtype, "gpu")


def test_a_task_must_fit_a_node(cluster, engines):
    with (
        pytest.raises(ValueError, match=r"no node has 99 CPUs and 1 GPUs for a task"),
        open_engines("ray", address=cluster.address, cores=99, gpus=1),
    ):
        pass


def test_folders_that_killed_commands_have_left_are_removed(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="ff-test-") as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        dead, late, new = (Path(place, f"{FOLDER}{name}") for name in ("dead", "late", "new"))
        for folder in (dead, late, new):
            (folder / "session").mkdir(parents=True)
        (dead / LOCK).touch()
        os.utime(late, (0, 0))
        with passing_folder(FOLDER) as first, passing_folder(FOLDER) as second:
            assert set(Path(place).iterdir()) == {first, second, new}
        assert os.listdir(place) == [new.name]


def test_nobody_at_the_address(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        message = f"there is no Ray cluster at {address}: .*refused"
        with pytest.raises(ConnectionError, match=message), open_engines("ray", address=address):
            pass


def test_more_than_there_is_of_this_machine(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ValueError, match=r"1 tasks of 999 cores need 999, and here are \d+"):
        Ray(cores=999)


def test_a_part_of_a_gpu_is_a_part_of_its_memory():
    """In a process of its own, which it changes."""
    words = "import os; from flatfast.lab.engines.worker import settle; settle(1, 0.5); "
    words += "print(os.environ['XLA_PYTHON_CLIENT_MEM_FRACTION'])"
    told = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert told.stdout == "0.450\n"


def test_without_ray_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(extras, "is_there", lambda module: module != "ray")
    message = r'the engine ray is not installed: pip install "flatfast\[ray\]"'
    with pytest.raises(ModuleNotFoundError, match=message), open_engines("ray"):
        pass
