"""The regime map: its estimators on sweeps of known exponent, its runs on a tiny scale."""

import dataclasses
import json
import math
from functools import partial

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest

from flatfast.lab.estimation.times import time_grid
from flatfast.lab.problems import load
from studies.regimes import analysis as regime_analysis
from studies.regimes import optima as regime_optima
from studies.regimes import run as regime_map
from studies.regimes import tables as quotes
from studies.regimes.cases import CASES, Case
from studies.regimes.fashion import FASHION_CASES
from studies.regimes.problems import with_slow_mode
from studies.regimes.run import STUDY
from studies.runner import Order, collect, compute, missing
from studies.sweeps import same_seeds
from tests.lab.estimation.conftest import make_sweep

HALF_DECADES = {"rates": 5, "decades": 2.0, "per_decade": 10}


def optimum(rng=None, **shape):
    """The optima of a synthetic sweep; times scatter by 10% unless told otherwise."""
    grid = make_sweep(rng, **{**HALF_DECADES, "noise": 0.1, "seeds": 12, **shape})
    return regime_optima.optimum_of(grid, n_boot=100)


@pytest.mark.parametrize("gamma", [1 / 2, 2 / 3, 1.0])
def test_local_exponents_cover_the_truth(gamma):
    rng = np.random.default_rng(0)
    slopes = [
        slope
        for _ in range(20)
        for slope in regime_optima.local_slopes(
            optimum(rng, gamma=gamma, phase=rng.uniform(-0.5, 0.5))
        )
    ]
    assert np.mean([slope.contains(gamma) for slope in slopes]) >= 0.9
    # Wide enough to be true, narrow enough to tell 1/2 from 2/3 in most tiles.
    assert np.median([slope.high - slope.low for slope in slopes]) < 0.3


def test_runs_without_noise_have_the_error_of_the_grid():
    found = optimum(gamma=0.5, noise=0.0, seeds=2)
    assert found.grid_variance > 0
    for slope in regime_optima.local_slopes(found):
        assert slope.contains(0.5)
        assert 0 < slope.high - slope.low < 0.1


def test_an_optimum_that_is_not_located_has_no_slope():
    grid = make_sweep(**HALF_DECADES)
    times = grid.log_time.copy()
    times[2] = np.inf
    found = regime_optima.optimum_of(dataclasses.replace(grid, log_time=times), n_boot=20)
    slopes = [regime_analysis.told(one) for one in regime_optima.local_slopes(found)]
    assert [slope is None for slope in slopes] == [False, True, True, False]


def test_the_window_of_momenta_that_settle():
    grid = make_sweep(**HALF_DECADES)
    times = grid.log_time.copy()
    times[0] = np.inf
    times[0, 2:5] = 1.0
    times[1] = np.inf
    window = regime_optima.settling_window(dataclasses.replace(grid, log_time=times))
    assert window[0] == pytest.approx([grid.mu[2] / grid.lr[0], grid.mu[4] / grid.lr[0]])
    assert window[1] is None


def test_the_fastest_cell_stands_beside_a_cliff():
    grid = make_sweep(**HALF_DECADES)
    times = grid.log_time.copy()
    best = np.argmin(times[0].mean(axis=-1))
    times[0, best - 1 :] = np.inf  # a cliff that takes the optimum away
    times[1] = np.inf
    found = regime_optima.fastest_cells(dataclasses.replace(grid, log_time=times))
    assert found[0] == pytest.approx(grid.mu[best - 2] / math.sqrt(grid.lr[0]))
    assert found[1] is None


@pytest.mark.parametrize(
    ("kept", "side"), [(slice(0, -7), "at least"), (slice(7, None), "at most")]
)
def test_an_optimum_beyond_the_grid_is_a_bound(kept, side):
    """A sweep cut off at its best momentum or before it."""
    grid = make_sweep(**HALF_DECADES, margin=0.6)
    cut = {name: getattr(grid, name)[:, kept] for name in ("log_time", "diverged")}
    grid = dataclasses.replace(grid, mu=grid.mu[kept], **cut)
    found = regime_optima.optimum_of(grid, n_boot=20)
    bounds = regime_optima.edge_bounds(grid, found)
    for lr, place, bound in zip(grid.lr, found.log_mu, bounds, strict=True):
        assert (bound is None) == np.isfinite(place)
        truth = math.exp(-4) * lr ** (2 / 3) / math.sqrt(lr)
        if bound is not None:
            assert bound["side"] == side
            assert truth >= bound["c"] if side == "at least" else truth <= bound["c"]
    assert any(bound is None for bound in bounds) != all(bound is None for bound in bounds)
    nothing = dataclasses.replace(grid, log_time=np.full_like(grid.log_time, np.inf))
    lost = regime_optima.optimum_of(nothing, n_boot=20)
    assert regime_optima.edge_bounds(nothing, lost) == [None] * len(grid.lr)


def family(power):
    """Sweeps at noise 1 and 10^(1/2), the best mu being ``noise^power lr^(2/3)``."""
    return [
        (noise, optimum(np.random.default_rng(k), log_c=-4 + power * math.log(noise)))
        for k, noise in enumerate((1.0, math.sqrt(10)))
    ]


def test_noise_and_learning_rate_on_one_axis():
    members = family(2 / 3)
    law = regime_analysis.pooled_slope(members)
    assert law["points"] == 10
    assert law["exponent"]["low"] <= 2 / 3 <= law["exponent"]["high"]
    (pair,) = regime_analysis.equal_strength(members)
    assert pair["lr"][0] / pair["lr"][1] == pytest.approx(100)
    assert pair["ratio"]["low"] <= 1 <= pair["ratio"]["high"]


def test_a_noise_of_another_power_is_seen():
    (pair,) = regime_analysis.equal_strength(family(1.0))
    assert pair["ratio"]["high"] < 1
    assert pair["ratio"]["estimate"] == pytest.approx(10 ** (-1 / 6), rel=0.1)


def test_sweeps_are_cut_to_the_seeds_that_all_have():
    many, few = make_sweep(seeds=12), make_sweep(seeds=5)
    cut = same_seeds([many, few])
    assert [len(grid.seed) for grid in cut] == [5, 5]
    assert np.array_equal(cut[0].log_time, many.log_time[..., :5])
    assert all(grid.diverged.shape == grid.log_time.shape for grid in cut)


def test_momenta_come_from_one_lattice_per_case():
    every = (*CASES, *FASHION_CASES)
    assert len({case.name for case in every}) == len(every)
    for case in every:
        mu = np.log10([1 - m for lr in case.lr for m in case.momenta(lr)]) * case.per_decade
        assert np.allclose(mu, np.rint(mu), atol=1e-6)
        largest = max(len(case.momenta(lr)) for lr in case.lr) * case.seeds
        assert largest <= regime_map.MOST_RUNS


def test_the_slow_mode_is_one_more_example():
    problem = with_slow_mode(slow=0.01, noise_std=0.0)
    start = problem.start()
    assert float(problem.metrics["left"](start)) == pytest.approx(1)
    slope = problem.gradient(start, jax.random.key(0))
    exact = jax.grad(problem.loss)(start)
    assert np.allclose(slope["U"], exact["U"], atol=1e-4)
    assert float(slope["x"]) == pytest.approx(float(exact["x"])) == pytest.approx(0.01)


def test_no_grid_is_little_more_than_plain_sgd():
    case = dataclasses.replace(small(), guess=(100.0,), reach=4.0, least=7)
    mu = [1 - momentum for momentum in case.momenta(0.1)]
    assert mu[0] == 1
    assert mu[-1] < 0.2
    assert case.steps(0.1) == 7 + small().steps(0.1)


def small(name="made-up", part="manifold", noise=0.5):
    """A case of a second."""
    return Case(
        name,
        part,
        noise,
        (4e-2, 1.2e-2, 4e-3),
        guess=(0.0, 0.6),
        duration=(0.0, 40.0),
        make=partial(load, "scalar-product", {"noise_std": 0.5}),
        seeds=32,
        records=60,
        per_decade=8,
    )


@pytest.fixture
def cases(monkeypatch):
    """Two cases in place of all."""
    made = (small(), small("made-up-2", "init", 0.5 * math.sqrt(10)))
    monkeypatch.setattr(regime_map, "CASES", made)
    monkeypatch.setattr(regime_map, "FASHION_CASES", ())
    monkeypatch.setattr(regime_map, "QUICK_CASES", ())
    monkeypatch.setattr(regime_map, "STEPS", 100)
    return made


def test_from_runs_to_figure_and_quotes(cases, tmp_path):
    order = Order("regimes", tmp_path / "runs", tmp_path / "out")
    assert compute(STUDY, order).computed == ["made-up", "made-up-2", "on-manifold"]
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    assert [case["name"] for case in result["cases"]] == ["made-up", "made-up-2"]
    assert all(len(case["local"]) == 2 for case in result["cases"])
    assert (tmp_path / "out/regimes-dark.svg").exists()
    (where,) = result["machines"]
    assert where["device"] == jax.devices()[0].device_kind

    assert "| made-up |" in quotes.noisy(result)
    assert "start on Γ" in quotes.pooled(result)


def test_what_is_committed_is_kept_and_read_again(cases, tmp_path):
    study = dataclasses.replace(STUDY, draw=lambda result, folder: None)
    order = Order("regimes", tmp_path / "first", tmp_path / "out", only=["made-up"])
    compute(study, order)
    first = collect(study, order)
    grid = time_grid(pq.read_table(tmp_path / "out/tables/made-up.parquet"))
    assert len(grid.lr) == 3

    elsewhere = dataclasses.replace(order, folder=tmp_path / "elsewhere", only=[])
    assert [part.name for part in missing(study, elsewhere)] == ["made-up-2", "on-manifold"]
    kept = order.result.read_text()
    collect(study, elsewhere)
    assert order.result.read_text() == kept
    # A sweep that is new is judged with those of its part whose tables are committed.
    louder = dataclasses.replace(cases[0], name="made-up-3", noise=0.5 * math.sqrt(10))
    regime_map.CASES += (louder,)  # the fixture puts all back
    compute(study, dataclasses.replace(elsewhere, only=["made-up-3"]))
    both = collect(study, elsewhere)
    assert both["cases"][0] == first["cases"][0]
    assert first["pooled"]["manifold"]["law"]["points"] == 3
    assert both["pooled"]["manifold"]["law"]["points"] == 6
    assert json.loads(order.result.read_text())["machines"][0]["parts"] == ["made-up", "made-up-3"]


def test_the_plan_counts_steps(cases, tmp_path):
    told = next(STUDY.parts(tmp_path, False)).takes
    assert f"{sum(small().steps(lr) for lr in small().lr):,} steps" in told
