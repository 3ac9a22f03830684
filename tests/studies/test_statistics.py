"""The simulation study: its sweeps hold what was put in, and its parts are kept."""

from dataclasses import replace

import numpy as np
import pytest

from flatfast.lab.estimation.resampling import median
from studies.runner import Order, collect, compute
from studies.statistics import collapse, intervals
from studies.statistics.cases import DESIGNS, IN_STEP, sweep
from studies.statistics.fits import FITS, fits
from studies.statistics.run import CASES, STUDY
from studies.statistics.shapes import SHAPES
from studies.study import write_json

QUIET = DESIGNS[0]


@pytest.mark.parametrize("name", SHAPES)
def test_the_best_momentum_of_a_sweep_follows_the_law_put_in(name):
    grid, log_c = sweep(SHAPES[name], QUIET, np.random.default_rng(0))
    times = median(grid.log_time)
    best = np.log(grid.mu)[np.argmin(times, axis=-1)]
    cell = np.log(10) / QUIET.per_decade
    assert np.abs(best - log_c - QUIET.gamma * np.log(grid.lr)).max() < 1.5 * cell


def test_parts_have_names_of_their_own(tmp_path):
    names = [part.name for part in STUDY.parts(tmp_path, False)]
    assert len(set(names)) == len(names) == len(CASES)


def test_every_fit_finds_a_smooth_curve_s_minimum():
    rows = fits(QUIET, "two-branch", sets=4)
    assert [row["fit"] for row in rows] == [fit.name for fit in FITS]
    assert all(abs(row["bias_log_mu"]) < 0.1 for row in rows)


def test_the_interval_in_use_covers():
    found = intervals.coverage(QUIET, "two-branch", sets=4)
    assert found["coverage"]["in use"] == 1
    assert found["failed"] == 0
    assert "C" in found["coverage"]
    assert "C" not in intervals.coverage(IN_STEP, "two-branch", sets=1)["coverage"]


def test_the_collapse_covers():
    found = collapse.coverage(QUIET, "two-branch", sets=2)
    assert found["coverage"] == 1
    assert abs(found["bias"]) < 0.01


def test_parts_are_kept_and_rows_of_before_stay(tmp_path, monkeypatch):
    few = [case for case in CASES if case[1] == QUIET and case[2] == "kink"]
    monkeypatch.setattr("studies.statistics.run.CASES", few)
    monkeypatch.setattr("studies.statistics.run.QUICK_SETS", 1)
    order = Order("statistics", tmp_path / "runs", tmp_path / "out", quick=True)
    computed = compute(STUDY, order).computed
    assert [name.split(".")[0] for name in computed] == ["intervals", "collapse", "fits"]
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    assert (result["sets"], len(result["fits"])) == (1, len(FITS))

    # What is committed is kept where the folder lacks its parts, and replaced where it has them.
    old = {**result, "intervals": [{**result["intervals"][0], "sd": 7.0}]}
    write_json(tmp_path / "committed" / "statistics.json", old)
    nothing = replace(order, folder=tmp_path / "empty", out=tmp_path / "committed")
    assert collect(STUDY, nothing) == old
    here = replace(order, out=tmp_path / "committed")
    assert collect(STUDY, here)["intervals"] == result["intervals"]
