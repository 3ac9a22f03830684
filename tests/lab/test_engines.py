"""Engines: the same rows whoever makes them; lost workers, errors, stops."""

import json
import multiprocessing
import os
import signal
import tempfile
import threading

import jax
import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.engines import worker
from flatfast.lab.engines.choose import open_engines
from flatfast.lab.engines.dispatch import MOST_LOSSES, LostWorkerError, dispatch
from flatfast.lab.engines.grouping import Grouping
from flatfast.lab.engines.job import Job, NotSentError, pack, unpack
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.engines.processes import Processes
from flatfast.lab.engines.worker import Made, OtherVersionsError, Refused
from flatfast.lab.machine import versions
from flatfast.lab.problems import PROBLEMS, load
from flatfast.lab.rows import MADE_ON
from flatfast.lab.runs import chunks, runs_of, together
from flatfast.lab.store import Store, read_chunks
from flatfast.lab.sweep import FailedRunsError, Failure, sweep
from tests.lab.fake import SETTINGS, FakeEngine, plan, rows_of
from tests.lab.small import SMALL, bad_problem, job_of, own_job, sorted_rows

WIDTH = 8


class Here:
    """Workers that work at once, and are lost when told to be."""

    slots = 2

    def __init__(self, lost=lambda task: False):
        self.lost = lost
        self.tasks, self.cancelled, self.most = [], [], 0
        self._sent = 0

    def submit(self, task):
        self.tasks.append(task)
        return len(self.tasks) - 1

    def wait(self, sent):
        self.most = max(self.most, len(sent))
        return [sent[-1]]  # in no order that anybody asked for

    def result(self, sent):
        task = self.tasks[sent]
        if self.lost(task):
            raise LostWorkerError("its node burnt down")
        return Made(pa.concat_tables(map(rows_of, task)), [], 0.001 * len(task))

    def cancel(self, sent):
        self.cancelled += sent


def test_tasks_grow_to_what_they_should_take_and_shrink_towards_the_end():
    parts = chunks(runs_of([(0.1, 0.5)], 800, 100), WIDTH)
    grouping = Grouping(parts, slots=2, seconds=10)
    assert len(grouping.next()) == len(grouping.next()) == 1
    grouping.measured(parts[:1], 1.0)
    sizes = []
    while task := grouping.next():
        sizes.append(len(task))
        grouping.measured(task, float(len(task)))
    assert sizes[0] == 10
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sum(sizes) == len(parts) - 2


def test_what_was_lost_goes_alone_and_first():
    parts = chunks(runs_of([(0.1, 0.5)], 800, 100), WIDTH)
    grouping = Grouping(parts, slots=2, seconds=10)
    grouping.measured(parts[:1], 1.0)
    task = grouping.next()
    assert len(task) == 10
    grouping.again(task[:3])
    assert [grouping.next() for _ in range(3)] == [[chunk] for chunk in task[:3]]
    assert len(grouping.next()) == 10


def test_tasks_grow_with_the_workers_that_one_driver_has_to_store_for():
    parts = chunks(runs_of([(0.1, 0.5)], 80_000, 100), WIDTH)
    grouping = Grouping(parts, slots=100, seconds=10)
    for _ in range(20):
        grouping.stored(0.25)
    assert grouping.seconds == pytest.approx(100 * 0.25 / 0.5)
    grouping.measured(parts[:1], 1.0)
    assert len(grouping.next()) == 49  # of a second each, and not 10
    grouping.slots = 2
    assert grouping.seconds == 10


def test_all_runs_come_once_and_in_flight_there_are_few():
    workers = Here()
    parts = chunks(plan(), WIDTH)
    made = list(dispatch(parts, workers))
    assert sorted_rows(made).equals(sorted_rows(map(rows_of, parts)))
    assert workers.most == 4
    assert workers.cancelled == []


def test_what_is_lost_is_made_again_alone_and_given_up_in_the_end():
    parts = chunks(plan(), WIDTH)
    cursed = parts[3]
    lost_once = set()

    def lost(task):
        first = id(task[0]) not in lost_once
        lost_once.add(id(task[0]))
        return any(chunk is cursed for chunk in task) or first

    workers = Here(lost)
    made = list(dispatch(parts, workers))
    (failure,) = [each for each in made if isinstance(each, Failure)]
    assert failure.runs is cursed
    assert f"{MOST_LOSSES + 1} workers in a row were lost" in failure.why
    assert "burnt down" in failure.why
    assert sum(any(chunk is cursed for chunk in task) for task in workers.tasks) == MOST_LOSSES + 1
    rows = [each for each in made if not isinstance(each, Failure)]
    others = [rows_of(chunk) for chunk in parts if chunk is not cursed]
    assert sorted_rows(rows).equals(sorted_rows(others))


def test_closed_nothing_goes_on():
    workers = Here()
    made = dispatch(chunks(plan(), WIDTH), workers)
    next(made)
    made.close()
    assert sorted(workers.cancelled) == [0, 1, 2]


class Failing(FakeEngine):
    """Refuses runs of a learning rate."""

    def __init__(self, lr, error):
        super().__init__(width=WIDTH)
        self.lr, self.error = lr, error

    def run(self, parts):
        for chunk in parts:
            if self.lr in chunk.lr:
                yield Failure(chunk, self.error)
            else:
                yield rows_of(chunk)


def test_the_runs_that_fail_are_named_and_the_others_stored(tmp_path):
    engine = Failing(0.03, ZeroDivisionError("by nought"))  # the longest, which come last
    with (
        Store(tmp_path, SETTINGS) as store,
        pytest.raises(FailedRunsError, match=r"^18 runs could not .* \(18 runs: ZeroDiv") as told,
    ):
        sweep(plan(), store, engine)
    assert "lr 0.03, momentum 0.9" in str(told.value)
    assert f"flatfast report {tmp_path}" in str(told.value)
    assert read_chunks(tmp_path)[0].num_rows == len(plan()) - 18


def test_an_error_before_anything_is_made_ends_the_sweep(tmp_path):
    engine = Failing(1 / 3, ZeroDivisionError("by nought"))
    runs = plan()
    with Store(tmp_path, SETTINGS) as store, pytest.raises(ZeroDivisionError, match="by nought"):
        sweep(runs[runs.lr == 1 / 3], store, engine)


@pytest.fixture(scope="module")
def processes():
    with Processes(min(2, len(os.sched_getaffinity(0))), cores=1) as made:
        yield made


@pytest.mark.parametrize("name", SMALL)
def test_rows_of_processes_are_those_of_this_process_bit_for_bit(processes, name):
    job = job_of(name)
    runs = together([runs_of([(1e-3, 0.9), (2e-3, 0.8)], 5, 30), runs_of([(1e-3, 0.5)], 3, 20)])
    here, there = LocalEngine(job), processes(job)
    made = list(there.run(chunks(runs, 4)))
    for table in made:
        about = json.loads(table.schema.metadata[MADE_ON])
        assert about["versions"] == versions()
    expected = sorted_rows(here.run(chunks(runs, here.width)))
    assert sorted_rows(made).equals(expected)


def test_a_worker_that_is_killed_costs_no_run(processes, tmp_path):
    job = job_of("scalar-product")
    engine = processes(job)
    parts = chunks(runs_of([(1e-3, 0.9)], 40, 50), 4)
    made = engine.run(parts)
    tables = [next(made)]
    for process in list(processes._pool._processes.values()):
        os.kill(process.pid, signal.SIGKILL)
    tables += list(made)
    assert sorted_rows(tables).equals(sorted_rows(LocalEngine(job).run(parts)))


def test_errors_of_a_problem_come_back_in_words(processes):
    job = Job(load("scalar-product"), records=4)
    runs = runs_of([(1e-3, 0.9)], 2, 20)
    odd = together([runs, runs_of([(1e-3, 0.9)], 1, 30)])  # a chunk of two lengths
    found = list(processes(job).run([odd]))
    assert [type(each.error) for each in found] == [ValueError]
    assert found[0].why.startswith("a chunk has one planned length")
    assert found[0].runs.identities() == odd.identities()


def claiming(folder, held, out):
    tempfile.tempdir = str(folder)
    out.send(worker._claim(1))
    held.wait(60)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="binds no process to cores")
def test_no_two_workers_claim_a_core(tmp_path):
    cores = len(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    claimed = []
    workers = []
    for _ in range(cores + 1):
        here, there = context.Pipe()
        workers.append(context.Process(target=claiming, args=(tmp_path, held, there)))
        workers[-1].start()
        claimed.append(here.recv())
    held.set()
    for each in workers:
        each.join()
    # The last found none free, and stays where it is.
    assert claimed[-1] == []
    assert sorted(core for (core,) in claimed[:-1]) == sorted(os.sched_getaffinity(0))


def test_versions_must_be_the_drivers():
    with pytest.raises(OtherVersionsError, match=r"jax .*, and not 0\.0\.1"):
        worker.make("key", bytes, [], {"jax": "0.0.1"})


@pytest.mark.parametrize("name", [n for n in PROBLEMS if n not in ("fashion-mlp", "cifar-resnet")])
def test_problems_travel_by_value(name):
    if name == "matrix-sensing-paper":
        pytest.skip("two hundred megabytes of data travel like half of one")
    problem = load(name, {"start": "init"} if name.startswith("digits") else {})
    there = unpack(pack(Job(problem))).problem
    start = problem.start()
    assert all(map(np.array_equal, jax.tree.leaves(start), jax.tree.leaves(there.start())))
    key = jax.random.key(3)
    for one, two in zip(
        jax.tree.leaves(problem.gradient(start, key)),
        jax.tree.leaves(there.gradient(start, key)),
        strict=True,
    ):
        assert np.array_equal(one, two)


def test_a_problem_of_a_file_travels_without_the_file(processes, tmp_path):
    job = own_job(tmp_path / "mine.py")
    runs = runs_of([(0.01, 0.5)], 3, 40)
    expected = list(LocalEngine(job).run([runs]))
    (made,) = processes(job).run([runs])
    assert sorted_rows([made]).equals(sorted_rows(expected))


def test_what_cannot_travel_is_said():
    problem = bad_problem()
    lock = threading.Lock()
    object.__setattr__(problem, "metrics", {"square": lambda params: lock and params["x"]})
    with pytest.raises(NotSentError, match=r"'bad' cannot be sent to workers: .*lock"):
        pack(Job(problem))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("clouds", {}, "engine must be one of local, processes.*, got 'clouds'"),
        (
            "local",
            {"workers": 2},
            "workers is for the engines processes, ray, slurm, got 2 with local",
        ),
        ("processes", {"workers": 0}, r"workers must be from 1 to \d+, the cores here, got 0"),
        ("processes", {"cores": 999}, r"cores must be from 1 to \d+, the cores here, got 999"),
    ],
)
def test_engines_that_there_are(name, options, message):
    with pytest.raises(ValueError, match=message), open_engines(name, **options):
        pass


def test_refused_runs_keep_their_words():
    refused = Refused(plan(), "ProblemError", "metric is nan", of_values=True)
    workers = Here()
    workers.result = lambda sent: Made(None, [refused], 0.1)
    (failure,) = dispatch([plan()[:1]], workers)
    assert (type(failure.error), failure.why) == (ValueError, "metric is nan")


def test_of_a_traceback_what_was_raised_last_is_told():
    words = "INTERNAL: error calling callback: Traceback (most recent call last):\n  File x\n"
    failure = Failure(plan()[:1], RuntimeError(f"{words}ValueError: u is too large for me\n---"))
    assert failure.why == "ValueError: u is too large for me"
    assert Failure(plan()[:1], ValueError("first\nand more")).why == "first"
    assert Failure(plan()[:1], KeyError()).why == "KeyError"
