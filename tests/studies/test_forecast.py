"""The study of forecasts: what it makes of a forecast and a sweep, from parts to the result."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from flatfast.lab.forecast.record import read_forecast
from studies.forecast import measure
from studies.forecast import run as forecast_run
from studies.forecast.cases import CASES, Case
from studies.forecast.run import STUDY
from studies.runner import Order, collect, compute, missing
from studies.study import RESULTS, read_json
from tests.lab.estimation.conftest import make_sweep

COMMITTED = read_forecast(RESULTS / "scalar-product/forecast.json")


def test_times_that_are_as_foretold_have_no_gap():
    found = replace(COMMITTED)
    grid = make_sweep(noise=0.0, seeds=2)
    scaled = grid.mu / grid.lr[:, None] ** (2 / 3)
    times = np.log(found.time_at(scaled)) - 2 / 3 * np.log(grid.lr)[:, None]
    exact = replace(grid, log_time=np.repeat(times[..., None], 2, axis=-1))
    gaps = measure.compare_times(exact, found, 0.6)
    assert 0 < gaps["compared"] <= gaps["cells"]
    assert gaps["largest_absolute_log_ratio"] == pytest.approx(0, abs=1e-9)
    late = measure.compare_times(replace(exact, log_time=exact.log_time + 0.1), found, 0.6)
    assert late["median_log_ratio"] == pytest.approx(0.1)


def test_cases_are_told_apart():
    assert len({case.key for case in CASES}) == len({case.name for case in CASES}) == len(CASES)
    held = read_json(RESULTS / "forecast/forecast.json", {})
    assert list(held["varied"]) == [case.key for case in CASES]


@pytest.fixture
def foretold(monkeypatch):
    """The committed forecast in place of new ones, and sweeps of few runs."""
    monkeypatch.setattr(measure, "forecast", lambda problem, limit: COMMITTED)
    limit = SimpleNamespace(time=np.array([6.0]))
    monkeypatch.setattr(measure, "predicted_times", lambda problem, C: limit)
    few = (Case("scalar-product", {"noise_std": 0.4}, lr=1e-3, seeds=8),)
    monkeypatch.setattr(forecast_run, "QUICK_CASES", few)


def test_from_parts_to_a_result_that_keeps_what_others_measured(foretold, tmp_path):
    order = Order("forecast", tmp_path / "runs", tmp_path, quick=True)
    names = ["committed.scalar-product", "batches", "varied.scalar-product,noise_std=0.4"]
    assert compute(STUDY, order).computed == names
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    assert result["committed"]["scalar-product"]["times"]["compared"] > 0
    assert result["batches"]["rows"][0]["lr"] == 0.01
    (varied,) = result["varied"].values()
    assert len(varied["forecast"]["C"]) == len(COMMITTED.C)
    assert (tmp_path / "forecast-dark.svg").exists()

    # Elsewhere nothing is kept: all that the result holds stays, and only the rest is missing.
    elsewhere = replace(order, folder=tmp_path / "elsewhere")
    assert collect(replace(STUDY, draw=lambda result, folder: None), elsewhere) == result
    asked = [part.name for part in missing(STUDY, replace(elsewhere, quick=False))]
    assert asked[:2] == ["committed.matrix-sensing", "committed.teacher-student"]
    assert "batches" not in asked
    assert len(asked) == 2 + len(CASES)
