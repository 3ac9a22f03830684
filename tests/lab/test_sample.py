"""Many runs: trajectories of a sample of the seeds, times and fits of all, and it is said."""

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.store_size import METRICS, plan, rows_of
from flatfast.lab import sample
from flatfast.lab.analysis import analyse
from flatfast.lab.report import sample_line, summarise
from flatfast.lab.report.page import page
from flatfast.lab.rows import SCALARS, key_rows
from flatfast.lab.sample import sampled_seeds
from flatfast.lab.store import Store, read_sampled, read_store

GOAL = {"metric": "test_error", "threshold": 0.1, "relative": True, "smoothing": 0.0}
SETTINGS = {"problem": {"name": "made-up", "version": 1, "settings": {}, "goal": GOAL}}


@pytest.fixture
def few(monkeypatch):
    """A sample of six of twenty seeds."""
    monkeypatch.setattr(sample, "MOST", 320)
    monkeypatch.setattr(sample, "FEWEST", 3)


@pytest.fixture(scope="module")
def runs():
    return rows_of(plan(1000), np.random.default_rng(0))


@pytest.fixture(scope="module")
def folder(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "s"
    with Store(folder, SETTINGS) as store:
        for k in range(0, len(runs), 256):
            store.append(runs.slice(k, 256))
    return folder


def test_as_many_seeds_as_fit_and_no_fewer_than_needed(few):
    seed = np.tile(np.arange(20), 50)
    chosen = sampled_seeds(seed)
    assert len(chosen) == 6
    assert (np.diff(chosen) > 0).all()
    assert set(chosen) <= set(range(20))
    assert np.array_equal(chosen, sampled_seeds(seed[::-1]))
    assert not np.array_equal(chosen, np.arange(6))
    assert len(sampled_seeds(np.tile(np.arange(20), 500))) == 3
    assert sampled_seeds(np.tile(np.arange(3), 500)) is None
    assert sampled_seeds(seed[:320]) is None


def test_a_store_is_read_with_trajectories_of_the_sample_alone(folder, few):
    stored, whole = read_sampled(folder), read_store(folder)
    assert tuple(stored.rows.column_names) == SCALARS
    assert stored.rows.equals(whole.rows.select(SCALARS))
    assert (stored.manifest, stored.problems) == (whole.manifest, whole.problems)
    seeds = sampled_seeds(whole.rows["seed"].to_numpy())
    own = [key[3] in seeds for key in key_rows(whole.rows)]
    assert stored.sample.equals(whole.rows.filter(own))
    assert set(METRICS) < set(stored.sample.column_names)


def test_few_runs_are_read_whole(folder):
    stored = read_sampled(folder)
    assert stored.sample is None
    assert stored.rows.equals(read_store(folder).rows)


def test_a_report_says_of_which_runs_it_shows_trajectories(folder, runs, few):
    stored = read_sampled(folder)
    study = analyse(stored.rows, stored.manifest["settings"], n_boot=20, sample=stored.sample)
    assert len(study.recorded) == 300
    told = summarise(study)
    assert told["counts"]["runs"] == 1000
    assert told["counts"]["sample"] == {"runs": 300, "seeds": 6, "of_seeds": 20}
    said = "a sample of 300 of 1\u202f000 runs, all of 6 of 20 seeds, drawn at random"
    assert said in sample_line(told)
    assert said in page(told, [])
    # Rows that are at hand with all trajectories make the same report.
    again = summarise(analyse(runs, stored.manifest["settings"], n_boot=20))
    assert again == told


def test_times_and_fits_are_of_all_runs(folder, runs, few, monkeypatch):
    stored = read_sampled(folder)
    sampled = analyse(stored.rows, stored.manifest["settings"], n_boot=20, sample=stored.sample)
    monkeypatch.setattr(sample, "MOST", 10_000)
    whole = analyse(runs, stored.manifest["settings"], n_boot=20)
    assert whole.sample is None
    assert sample_line(summarise(whole)) == ""
    assert asdict(sampled.fit.exponent) == asdict(whole.fit.exponent)
    assert np.array_equal(sampled.grid.log_time, whole.grid.log_time)
    assert sampled.generalization.trained.median.shape == whole.grid.log_time.shape[:2]


def test_runs_that_are_set_aside_are_not_in_the_sample(folder, few):
    """Longer runs at one learning rate: of most length are those that are analysed."""
    stored = read_sampled(folder)
    longer = stored.sample.filter(pc.equal(stored.sample["lr"], stored.sample["lr"][0]))
    steps = pc.add(longer["steps"], 1)
    longer = longer.set_column(longer.column_names.index("steps"), "steps", steps)
    rows = [stored.rows, longer.select(SCALARS)]
    both = [stored.sample, longer]
    study = analyse(
        pa.concat_tables(rows),
        stored.manifest["settings"],
        n_boot=20,
        sample=pa.concat_tables(both),
    )
    assert study.recorded.equals(stored.sample)
