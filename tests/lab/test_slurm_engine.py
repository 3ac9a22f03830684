"""The slurm engine: on processes of this machine, on commands that are made up, on a real SLURM."""

import contextlib
import json
import os
import pickle
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("submitit", reason="submitit is not installed (the extra slurm)")

from submitit.slurm.slurm import SlurmJob

from flatfast.lab.engines.choose import open_engines
from flatfast.lab.engines.dispatch import LostWorkerError
from flatfast.lab.engines.job import Job
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.engines.slurm import cluster, driver, engine, task
from flatfast.lab.engines.slurm.cluster import SlurmCluster, SlurmError, slurm_answers
from flatfast.lab.engines.slurm.driver import Slurm
from flatfast.lab.engines.slurm.engine import Share, SlurmEngine
from flatfast.lab.engines.slurm.files import Chunks, kind_of
from flatfast.lab.engines.slurm.settings import gpus_of, settings_of
from flatfast.lab.engines.slurm.task import Task
from flatfast.lab.engines.worker import Made, OtherVersionsError, Refused
from flatfast.lab.machine import usable_cores
from flatfast.lab.problems import load
from flatfast.lab.rows import MADE_ON
from flatfast.lab.runs import chunks, runs_of, together
from flatfast.lab.store import Store, StoreError
from flatfast.lab.survey import JOBS
from flatfast.lab.sweep import FailedRunsError, InterruptedSweepError, sweep
from tests.lab.fake import SETTINGS, plan, rows_of

real = pytest.mark.skipif(
    not slurm_answers(), reason="no SLURM answers; scripts/slurm_here.sh start starts one"
)
CORES = min(2, usable_cores())


def job_of(records=6):
    return Job(load("scalar-product"), records=records)


def few():
    return together([runs_of([(1e-3, 0.9), (2e-3, 0.8)], 5, 30), runs_of([(1e-3, 0.5)], 3, 20)])


def slow(seeds=3, steps=150_000):
    """Three chunks that take some tenths of a second each."""
    return chunks(runs_of([(1e-7, 0.9), (1e-7, 0.8), (1e-7, 0.7)], seeds, steps), seeds)


ENDLESS = runs_of([(1e-7, 0.6)], 3, 10**9)


def sorted_rows(tables):
    table = pa.concat_tables(tables).replace_schema_metadata(None)
    return table.sort_by([(n, "ascending") for n in ("method", "lr", "momentum", "seed", "steps")])


def rows_here(job, parts):
    return sorted_rows(LocalEngine(job).run(parts))


def local(folder, **options):
    return Slurm(folder, cores=CORES, slurm=["cluster=local"], **options)


def made_in(folder):
    return sorted((folder / JOBS / driver.MADE).glob("*.arrow"))


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


# Files and tasks, without any cluster.


@pytest.fixture
def files(tmp_path):
    return Chunks(tmp_path, "kind")


def made_of(chunk, about=None):
    rows = rows_of(chunk)
    return Made(rows if about is None else rows.replace_schema_metadata(about), [], 0.5)


def test_chunks_are_read_as_they_were_written(files):
    one, two, three = chunks(plan(), 8)[:3]
    for chunk, machine in ((one, "a"), (three, "b")):
        told = {"machine": {"processor": machine}, "versions": {"jax": "1"}}
        files.write(chunk, made_of(chunk, {MADE_ON: json.dumps(told)}))
    files.write(two, Made(None, [Refused(two, "ValueError", "not these", True)], 0.1))
    assert [files.has(chunk) for chunk in chunks(plan(), 8)[:4]] == [True, True, True, False]
    made = files.read([one, two, three])
    assert sorted_rows([made.rows]).equals(sorted_rows([rows_of(one), rows_of(three)]))
    about = json.loads(made.rows.schema.metadata[MADE_ON])
    assert about == {"machine": {"processor": "a, b"}, "versions": {"jax": "1"}}
    assert [(each.runs, each.words, each.of_values) for each in made.refused] == [
        (two, "not these", True)
    ]
    assert made.seconds == 1.0
    files.remove([one, two, three])
    assert list(files.folder.iterdir()) == []


def test_what_is_left_is_given_run_by_run(files):
    runs = plan()
    early, late = runs[:20], runs[15:30]
    for chunk in (early, late):
        files.write(chunk, made_of(chunk))
    Chunks(files.folder, "other").write(runs, made_of(runs))
    (files.folder / "kind-cut.arrow").write_bytes(b"ARROW1")
    tables = list(files.left(chunks(runs[10:], 8)))
    assert sorted_rows(tables).equals(sorted_rows([rows_of(runs[10:30])]))
    assert not (files.folder / "kind-cut.arrow").exists()


def test_a_task_begins_at_its_first_chunk_that_is_missing(files, monkeypatch):
    parts = chunks(plan(), 8)[:4]
    seen = []

    def make(key, read, chunk, known, cores, gpus):
        if len(seen) == 2:
            raise MemoryError
        seen.extend(chunk)
        return made_of(chunk[0])

    monkeypatch.setattr(task, "make", make)
    over = files.folder / "over"
    work = Task(files, files.folder / "job", parts, over, cores=1, gpus=0, limit=60)
    with pytest.raises(MemoryError):
        work()
    assert [files.has(chunk) for chunk in parts] == [True, True, False, False]
    monkeypatch.setattr(task, "make", lambda *args: seen.extend(args[2]) or made_of(args[2][0]))
    work.checkpoint().function()
    assert [chunk.identities() for chunk in seen] == [chunk.identities() for chunk in parts]
    assert sorted_rows([files.read(parts).rows]).equals(sorted_rows(map(rows_of, parts)))
    files.remove(parts)  # as they are stored; and the job is begun again all the same
    over.touch()
    work()
    assert len(seen) == len(parts)


def test_a_chunk_that_no_limit_would_let_end_is_said(files, monkeypatch):
    paths = files.folder / "job", files.folder / "over"
    work = Task(files, paths[0], chunks(plan(), 8)[:1], paths[1], cores=1, gpus=0, limit=60)
    monkeypatch.setattr(task.time, "monotonic", lambda: 31.0)
    with pytest.raises(TimeoutError, match=r"0\.52 minutes when .* 1 minutes .*--slurm time="):
        work.checkpoint()


def test_kinds_are_the_same_in_every_process_and_tell_jobs_apart():
    kinds = {kind_of(job_of()), kind_of(job_of(7)), kind_of(Job(load("matrix-sensing"), records=6))}
    assert len(kinds) == 3
    script = (
        "from flatfast.lab.engines.slurm.files import kind_of; from tests.lab.test_slurm_engine "
        "import job_of; print(kind_of(job_of()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(_paths())}
    told = subprocess.run(
        [os.sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert told.stdout.strip() == kind_of(job_of()), told.stderr


def _paths():
    import flatfast

    root = Path(__file__).parents[2]
    return [str(Path(flatfast.__file__).parents[1]), str(root), *os.sys.path[1:]]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("partition", "must be KEY=VALUE, got 'partition'"),
        ("=gpu", "must be KEY=VALUE"),
        ("cpus_per_task=4", "is given as --cores, got 'cpus_per_task=4'"),
        ("nodes=2", "nodes of a job cannot be set"),
        ("time=1:00", "whole number of minutes, at least 5, got '1:00'"),
        ("time=4", "at least 5, got 4"),
        ("cluster=pbs", "must be one of slurm, local, got 'pbs'"),
    ],
)
def test_settings_that_are_none(pair, message):
    with pytest.raises(ValueError, match=message):
        settings_of([pair])


def test_settings_are_typed_as_sbatch_has_them():
    pairs = ["slurm_partition=gpu", "mem=8GB", "gpus-per-node=2", "exclusive=true", "time=30"]
    found = settings_of([*pairs, "setup=module load a", "setup=export A=1"])
    assert found == {
        "partition": "gpu",
        "mem": "8GB",
        "gpus_per_node": 2,
        "exclusive": True,
        "time": 30,
        "setup": ["module load a", "export A=1"],
    }
    assert (gpus_of(found), gpus_of(settings_of([]))) == (2, 0)


@pytest.mark.parametrize("name", ["workers", "cores"])
def test_there_is_at_least_one(name, tmp_path):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        Slurm(tmp_path, **{name: 0})


def test_a_folder_with_a_schedulers_files_alone_is_a_new_sweeps(tmp_path):
    (tmp_path / JOBS / driver.MADE).mkdir(parents=True)
    with Store(tmp_path, SETTINGS) as store:
        assert not store.claimed


# Jobs as processes of this machine.


def test_rows_are_those_of_the_local_engine_bit_for_bit(tmp_path):
    job, parts = job_of(), chunks(few(), 10)
    with local(tmp_path, workers=1) as slurm:
        made = list(slurm(job).run(parts))
        assert all(MADE_ON in table.schema.metadata for table in made)
    assert sorted_rows(made).equals(rows_here(job, parts))
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_problem_comes_back_with_its_runs(tmp_path, monkeypatch):
    job = job_of()
    good = runs_of([(1e-3, 0.9)], 2, 20)
    odd = together([runs_of([(2e-3, 0.9)], 1, 20), runs_of([(2e-3, 0.9)], 1, 30)])
    monkeypatch.setattr("flatfast.lab.sweep.chunks", lambda runs, width: [good, odd])
    with (
        Store(tmp_path, SETTINGS) as store,
        local(tmp_path, workers=1) as slurm,
        pytest.raises(FailedRunsError, match=r"2 runs: a chunk has one .*lr 0\.002, momentum 0\.9"),
    ):
        sweep(together([good, odd]), store, slurm(job))
    assert len(Store(tmp_path, SETTINGS).done()) == len(good)


def test_a_task_that_is_killed_is_made_again(tmp_path, monkeypatch):
    job, parts = job_of(), slow()[:1]
    monkeypatch.setattr(engine, "FIRST_LOOK", 0.1)
    killed = []
    with local(tmp_path, workers=1) as slurm:
        submit = slurm._cluster.submit

        def submit_and_kill(tasks):
            jobs = submit(tasks)
            if not killed:
                killed.extend(jobs)
                slurm._cluster.cancel(jobs)
            return jobs

        monkeypatch.setattr(slurm._cluster, "submit", submit_and_kill)
        made = list(slurm(job).run(parts))
    assert killed
    assert sorted_rows(made).equals(rows_here(job, parts))


def sent_together(slurm, job, parts):
    """A job of several chunks, the first of which is made."""
    sends = slurm(job)
    sent = sends.submit(parts)
    sends._submit_gathered(0)
    until(lambda: sends._files.has(parts[0]))
    return sends, sent


def die(slurm):
    """What the system does when a driver is killed: it lets go of its lock."""
    slurm._lock._file.close()


def test_what_a_killed_driver_left_is_ended_and_used(tmp_path, monkeypatch):
    job, first = job_of(), slow()[0]
    killed = local(tmp_path, workers=1)
    killed.__enter__()
    _, sent = sent_together(killed, job, [first, ENDLESS])
    refused = tmp_path / JOBS / driver.MADE / "refused.json"
    refused.write_text("[]")
    assert not sent.job.done()
    die(killed)
    with local(tmp_path, workers=1) as slurm:
        assert sent.job.done()
        assert not refused.exists()
        monkeypatch.setattr(SlurmEngine, "submit", None)  # nothing is made again
        # What is wanted first need not be all.
        assert sum(map(len, slurm(job).run([first[:1]]))) == 1
        made = list(slurm(job).run([first]))
    assert sorted_rows(made).equals(rows_here(job, [first]))


@pytest.mark.parametrize(("fresh", "kept"), [(False, 1), (True, 0)])
def test_fresh_makes_no_use_of_what_was_left(tmp_path, fresh, kept):
    folder = tmp_path / JOBS
    (folder / driver.MADE).mkdir(parents=True)
    (folder / driver.MADE / "kind-1.arrow").write_bytes(b"")
    (folder / driver.ABOUT).write_text(json.dumps({"cluster": "local", "name": "flatfast-1"}))
    with local(tmp_path, fresh=fresh):
        assert len(made_in(tmp_path)) == kept


def test_jobs_of_a_driver_that_lives_are_let_alone(tmp_path):
    with local(tmp_path), pytest.raises(StoreError, match="another sweep"), local(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_stop_ends_the_jobs_and_keeps_what_they_have_made(tmp_path):
    stack = contextlib.ExitStack()
    slurm = stack.enter_context(local(tmp_path, workers=1))
    _, sent = sent_together(slurm, job_of(), [slow()[0], ENDLESS])
    with pytest.raises(InterruptedSweepError), stack:
        raise InterruptedSweepError
    assert sent.job.done()
    assert len(made_in(tmp_path)) == 1
    with pytest.raises(KeyboardInterrupt), local(tmp_path / "none"):
        raise KeyboardInterrupt
    assert not (tmp_path / "none" / JOBS).exists()


def test_without_a_slurm_it_is_said_what_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "slurm_answers", lambda: False)
    with (
        pytest.raises(SlurmError, match="no SLURM answers here; --slurm cluster=local"),
        open_engines("slurm", folder=tmp_path, cores=1, workers=1),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
    with (
        pytest.raises(ValueError, match="needs the sweep's folder"),
        open_engines("slurm"),
    ):
        pass


# A SLURM whose commands are made up.


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Commands of a SLURM that answer with what lies in files, and note what they are asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sinfo", "squeue", "scancel", "sbatch", "srun"):
        path = folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'echo {name} "$@" >> {folder}/asked\n'
            f"cat {folder}/{name}.told 2>/dev/null\n"
            f"test ! -e {folder}/{name}.fails || {{ cat {folder}/{name}.fails >&2; exit 1; }}\n"
        )
        path.chmod(0o755)
    (folder / "sinfo.told").write_text("3/5/0/8\n1/3/0/4\n")
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def asked_of(made_up):
    return (made_up / "asked").read_text().splitlines()


def cluster_of(tmp_path, **settings):
    return SlurmCluster(tmp_path / "log", "flatfast-x", {"time": 5, "cpus_per_task": 2, **settings})


def test_as_many_jobs_as_the_partition_has_cores_for(made_up, tmp_path):
    assert cluster_of(tmp_path, partition="gpu").at_once == 6
    assert "--partition=gpu" in asked_of(made_up)[-1]


def test_what_sbatch_is_given(made_up, tmp_path, monkeypatch):
    (made_up / "sbatch.told").write_text("Submitted batch job 7\n")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "10")
    settings = {"mem": "2GB", "reservation": "mine", "setup": ["echo a"], "gpus_per_node": "a:1"}
    jobs = cluster_of(tmp_path, partition="gpu", **settings).submit([len, max])
    assert [job.job_id for job in jobs] == ["7_0", "7_1"]
    assert os.environ["SLURM_MEM_PER_NODE"] == "10"
    lines = (tmp_path / "log" / "7_submission.sh").read_text().splitlines()
    for line in ("array=0-1%2", "job-name=flatfast-x", "time=5", "mem=2GB", "cpus-per-task=2"):
        assert f"#SBATCH --{line}" in lines
    assert {
        "#SBATCH --partition=gpu",
        "#SBATCH --reservation=mine",
        "echo a",
        "#SBATCH --gpus-per-node=a:1",
    } < set(lines)
    assert any(line.startswith("srun ") and "--cpus-per-task=2" in line for line in lines)


def test_what_sbatch_refuses_is_told(made_up, tmp_path):
    (made_up / "sbatch.fails").write_text("sbatch: error: invalid partition specified: nix\n")
    with pytest.raises(SlurmError, match=r"refused 1 jobs.*invalid partition specified: nix"):
        cluster_of(tmp_path, partition="nix").submit([len])


def test_a_scheduler_that_is_too_busy_is_asked_again(made_up, tmp_path, monkeypatch):
    busy = made_up / "sbatch.fails"
    busy.write_text("sbatch: error: Slurm temporarily unable to accept job, sleeping\n")
    (made_up / "sbatch.told").write_text("Submitted batch job 8\n")
    monkeypatch.setattr(cluster, "time", Clock(lambda: busy.unlink(missing_ok=True)))
    assert [job.job_id for job in cluster_of(tmp_path).submit([len])] == ["8"]


class Clock:
    """Time in which something happens while somebody sleeps."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, happens):
        self.sleep = lambda seconds: happens()


class Number:
    def __init__(self, number):
        self.job_id = number


def test_how_jobs_have_ended(made_up, tmp_path):
    states = ["1_0|RUNNING|None", "1_1|NODE_FAIL|None", "1_2|PENDING|BeginTime"]
    held = "1_3|PENDING|launch failed requeued held"
    (made_up / "squeue.told").write_text("\n".join([*states, held, "1_5|COMPLETING|None"]) + "\n")
    here, cancelled = cluster_of(tmp_path), []
    here.cancel = cancelled.extend
    jobs = [Number(f"1_{k}") for k in range(6)]
    over = here.ended(jobs)
    assert over == {
        "1_1": "NODE_FAIL",
        "1_3": "PENDING launch failed requeued held",
        "1_4": "forgotten",
    }
    assert cancelled == [jobs[3]]  # else it would wait for somebody to release it
    (made_up / "squeue.fails").write_text("slurm_load_jobs error: Socket timed out")
    assert here.ended(jobs) == {}


def test_jobs_that_would_wait_for_good_are_told(made_up, tmp_path):
    (made_up / "squeue.told").write_text("1_0|PENDING|PartitionTimeLimit\n")
    with pytest.raises(SlurmError, match=r"never start the jobs \(PartitionTimeLimit\)"):
        cluster_of(tmp_path).ended([Number("1_0")])


def test_what_is_cancelled_is_waited_for(made_up, tmp_path, monkeypatch):
    """What waits goes first, or it would begin; signals go to what runs alone."""
    told = made_up / "squeue.told"
    told.write_text("5_0|RUNNING|None\n5_1|PENDING|Resources\n")
    ended = "5_0|FAILED|None\n5_1|CANCELLED|None\n"
    monkeypatch.setattr(cluster, "time", Clock(lambda: told.write_text(ended)))
    cluster_of(tmp_path).cancel_all()
    names = [line for line in asked_of(made_up) if line.startswith("scancel")]
    assert names == [
        "scancel --quiet --state=PENDING 5",
        "scancel --quiet --signal=HUP 5_0",
        "scancel --quiet 5",
    ]
    assert sum(line.startswith("squeue") for line in asked_of(made_up)) == 4


class Slots:
    """A cluster that notes arrays."""

    queues = True

    def __init__(self):
        self.arrays = []

    def submit(self, tasks):
        self.arrays.append(len(tasks))
        return [object() for _ in tasks]


def test_jobs_are_sent_together_and_seldom(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(engine.time, "monotonic", lambda: now[0])
    slots = Slots()
    share = Share(slots=2, cores=1, gpus=0, limit=60)
    sends = SlurmEngine(slots, share, tmp_path / "job", Chunks(tmp_path, "kind"), 8)
    parts = chunks(plan(), 8)
    for chunk in parts[:4]:
        sends.submit([chunk])
    sends._submit_gathered(0)
    for chunk in parts[4:6]:
        sends.submit([chunk])
        now[0] += 1
        sends._submit_gathered(3)
    now[0] += engine.WAVE_SECONDS
    sends._submit_gathered(2)
    assert slots.arrays == [4, 2]


def test_a_job_that_is_lost_on_its_way_is_not_to_blame(tmp_path, monkeypatch):
    """Each time it has made a chunk; only one that makes nothing is given back as lost."""
    monkeypatch.setattr(engine.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(engine, "FIRST_LOOK", 0.0)
    files = Chunks(tmp_path, "kind")
    parts = chunks(plan(), 8)[:6]

    class Preempting(Slots):
        def submit(self, tasks):
            self.arrays.append(len(tasks))
            missing = [chunk for chunk in parts if not files.has(chunk)]
            if len(self.arrays) <= 4:
                files.write(missing[0], made_of(missing[0]))
            return [SlurmJob(tmp_path, f"{len(self.arrays)}")]

        def ended(self, jobs):
            return {job.job_id: "PREEMPTED" for job in jobs}

    slots = Preempting()
    sends = SlurmEngine(slots, Share(1, 1, 0, 60), tmp_path / "job", files, 8)
    sent = sends.submit(parts)
    assert sends.wait([sent]) == [sent]
    assert slots.arrays == [1] * 5
    with pytest.raises(LostWorkerError, match=r"job 5 ended \(PREEMPTED\)"):
        sends.result(sent)


def ended(folder):
    """An engine, and a job of it that SLURM says has ended."""
    sends = SlurmEngine(Slots(), Share(1, 1, 0, 60), folder / "job", Chunks(folder, "kind"), 8)
    sent = sends.submit(chunks(plan(), 8)[:1])
    sent.job, sent.how = SlurmJob(folder, "7_0"), "NODE_FAIL"
    return sends, sent


def test_a_job_that_is_lost_is_told_with_its_last_word(tmp_path):
    sends, sent = ended(tmp_path)
    with pytest.raises(LostWorkerError, match=r"7_0 ended \(NODE_FAIL\): .*share this disk\?"):
        sends.result(sent)
    sent.job.paths.stderr.write_text("before\nKilled\n\n")
    with pytest.raises(LostWorkerError, match=r"Killed \(.*7_0_0_log\.err\)"):
        sends.result(sent)


@pytest.mark.parametrize(
    ("last", "kind", "words"),
    [
        ("OSError: [Errno 28] No space left", LostWorkerError, r"7_0 ended .*No space left"),
        (
            f"{OtherVersionsError.__module__}.OtherVersionsError: n1 has jax 1",
            SlurmError,
            "^n1 has",
        ),
    ],
)
def test_errors_of_a_node_are_its_own_unless_all_have_them(tmp_path, last, kind, words):
    sends, sent = ended(tmp_path)
    trace = f"Traceback (most recent call last):\n  somewhere\n{last}\n"
    with sent.job.paths.result_pickle.open("wb") as file:
        pickle.dump(("error", trace), file)
    assert sends.wait([sent]) == [sent]
    with pytest.raises(kind, match=words):
        sends.result(sent)


# A real SLURM.


def told(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def restarts_of(name):
    """Job number to how often it was begun again."""
    columns = "--Format=JobArrayID:20,RestartCnt:10"
    out = told("squeue", "--noheader", "--array", "--states=all", f"--name={name}", columns)
    return {line.split()[0]: int(line.split()[1]) for line in out.splitlines()}


@real
def test_slurm_makes_the_same_rows_in_an_array(tmp_path):
    job, parts = job_of(), chunks(few(), 10)
    with Slurm(tmp_path, cores=CORES) as slurm:
        name = slurm._cluster._name
        made = list(slurm(job).run(parts))
        assert any("_" in number for number in restarts_of(name))
    assert sorted_rows(made).equals(rows_here(job, parts))
    assert list(tmp_path.iterdir()) == []


@real
@pytest.mark.parametrize(
    "how",
    [("scontrol", "requeue"), ("scancel", "--signal=USR2")],
    ids=["preempted", "near its limit"],
)
def test_a_job_that_is_queued_again_goes_on_at_its_next_chunk(tmp_path, how):
    job, (first, last, _) = job_of(300), slow()  # between records a job heeds signals
    endless = runs_of([(1e-7, 0.6)], 3, 3 * 10**7)
    with Slurm(tmp_path, cores=CORES) as slurm:
        sends, sent = sent_together(slurm, job, [first, endless, last])
        made = made_in(tmp_path)[0].stat().st_mtime_ns
        told(*how, sent.job.job_id)
        until(lambda: restarts_of(slurm._cluster._name) == {sent.job.job_id: 1})
        assert len(made_in(tmp_path)) == 1
        sends._files.write(endless, Made(None, [Refused(endless, "Test", "enough", False)], 0))
        assert sends.wait([sent]) == [sent]
        assert made == min(path.stat().st_mtime_ns for path in made_in(tmp_path))
        rows = sends.result(sent).rows
    assert sorted_rows([rows]).equals(rows_here(job, [first, last]))


@real
def test_a_job_that_is_cancelled_is_submitted_again(tmp_path, monkeypatch):
    job, parts = job_of(), slow()[:2]
    monkeypatch.setattr(engine, "FIRST_LOOK", 0.5)
    cancelled = []
    with Slurm(tmp_path, cores=CORES) as slurm:
        submit = slurm._cluster.submit

        def submit_and_cancel(tasks):
            jobs = submit(tasks)
            if not cancelled:
                cancelled.append(jobs[0].job_id)
                told("scancel", jobs[0].job_id)
            return jobs

        monkeypatch.setattr(slurm._cluster, "submit", submit_and_cancel)
        made = list(slurm(job).run(parts))
    assert cancelled
    assert sorted_rows(made).equals(rows_here(job, parts))


@real
def test_jobs_of_a_killed_driver_are_ended_by_the_next(tmp_path, monkeypatch):
    job, first = job_of(), slow()[0]
    killed = Slurm(tmp_path, cores=CORES).__enter__()
    _, sent = sent_together(killed, job, [first, ENDLESS])
    die(killed)
    with Slurm(tmp_path, cores=CORES) as slurm:
        assert killed._cluster._states()[sent.job.job_id][0] in ("CANCELLED", "FAILED")
        monkeypatch.setattr(SlurmEngine, "submit", None)  # nothing is made again
        made = list(slurm(job).run([first]))
    assert sorted_rows(made).equals(rows_here(job, [first]))
