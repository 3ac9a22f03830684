"""The study of normalized momentum: edges and plateaus that are known, and a small run."""

import numpy as np
import pytest

pytest.importorskip("jax", reason="needs the lab extra")

from flatfast.lab.estimation.optimum import median_times
from flatfast.lab.estimation.times import TimeGrid
from flatfast.lab.report.theme import THEMES
from flatfast.lab.training.stability import steepest_curvature
from studies.normalized import tables
from studies.normalized.analysis import EDGE, edge_of, exponent, plateau_of, told
from studies.normalized.cases import CASES, QUICK, STEEPEST
from studies.normalized.figure import normalized
from studies.normalized.run import STUDY
from studies.runner import Order, collect, compute

LR = np.array([0.1, 0.15, 0.225, 0.34])


def sweep(edge=2.0, height=-2.0, noise=0.02, seeds=12, drawn=3):
    """Times that are level above an edge at ``lr^edge``, and go as 1/mu below it."""
    rng = np.random.default_rng(drawn)
    log_mu = np.log(10) * np.arange(-4.2, 0.01, 0.2)
    log_lr = np.log(LR)
    corner = 0.01 * LR**edge / LR.max() ** edge
    below = np.maximum(0.0, np.log(corner)[:, None] - log_mu)
    level = 5.0 + height * log_lr[:, None]
    log_time = (level + below)[..., None] + noise * rng.standard_normal(
        (len(LR), len(log_mu), seeds)
    )
    return TimeGrid(
        lr=LR,
        mu=np.exp(log_mu),
        seed=np.arange(seeds),
        log_time=log_time,
        diverged=np.zeros(log_time.shape, bool),
        limit=np.exp(level[:, 0]) * 1e4,
    ), corner


def test_edge_and_plateau_are_found_again():
    grid, corner = sweep(noise=0.0)
    log_mu, log_time = np.log(grid.mu), grid.log_time[..., 0]
    level = plateau_of(log_mu, log_time)
    np.testing.assert_allclose(level, 5 - 2 * np.log(LR), rtol=1e-12)
    edge = np.exp(edge_of(log_mu, log_time, level))
    # Linear between two cells in logs, where the curve has its corner in the cell above.
    np.testing.assert_allclose(edge, corner / EDGE, rtol=0.12)


def test_intervals_cover_the_truth():
    """Of 80 sweeps more than 87%, for intervals of 95%: three standard errors less."""
    hits = np.zeros(2)
    for number in range(80):
        grid = sweep(noise=0.1, drawn=number)[0]
        times = median_times(grid, n_boot=200, seed=number)
        level = plateau_of(times.log_mu, times.log_time)
        edge = edge_of(times.log_mu, times.log_time, level)
        for k, (read, truth) in enumerate(((level, -2.0), (edge, 2.0))):
            found = exponent(np.log(grid.lr), read, times.n_seeds - 1)
            hits[k] += found["low"] <= truth <= found["high"]
    assert (hits / 80 > 0.87).all()


def test_an_edge_that_was_not_run_is_not_known():
    log_mu = np.log([0.01, 0.1, 1.0])
    level = np.zeros(1)
    flat = np.zeros((1, 3))
    beyond = np.array([[np.inf, 0.0, 0.0]])
    for times in (flat, beyond):
        assert np.isnan(edge_of(log_mu, times, level)).all()


@pytest.mark.parametrize(
    ("edge", "height", "held"),
    [
        (2.0, -2.0, {"edge": True, "collapse": True, "plateau": True, "flat": True}),
        (1.0, -1.0, {"edge": False, "collapse": False, "plateau": False, "flat": True}),
    ],
)
def test_the_verdict_is_of_the_exponents(edge, height, held):
    found = told(QUICK, sweep(edge, height)[0])
    assert found["held"] == held
    assert found["edge_exponent"]["estimate"] == pytest.approx(edge, abs=0.1)
    assert found["plateau_exponent"]["estimate"] == pytest.approx(height, abs=0.05)
    said = tables.verdict({"cases": {"made-up": found}})
    assert f"On made-up {sum(held.values())} of the 4 statements held" in said
    assert "made-up" in tables.table({"cases": {"made-up": found}})


def test_what_the_law_costs_beside_the_plateau():
    """A third of the edge's 1 - momentum takes three times as long."""
    grid, corner = sweep(noise=0.0)
    C = float(np.cbrt(corner[0] / 3 / LR[0] ** 2))
    found = told(QUICK, grid, C)
    assert found["law"]["over_plateau"] == pytest.approx([3.0] * len(LR), rel=0.02)
    assert "3.0 times as long as on the plateau on made-up" in tables.law(
        {"cases": {"made-up": found}}
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.problem)
def test_all_momenta_are_stable(case):
    curvature = steepest_curvature(case.load())
    assert curvature == pytest.approx(case.curvature, rel=2e-3)
    for lr in case.lr:
        assert all(lr * (1 - m) * curvature <= 1.003 * STEEPEST for m in case.momenta(lr))


def test_a_quick_look(tmp_path):
    order = Order("normalized", tmp_path / "runs", tmp_path / "out", quick=True)
    assert not compute(STUDY, order).failed
    result = collect(STUDY, order)
    assert set(result["cases"]) == {"scalar-product"}
    assert len(normalized(result, THEMES[0]).axes) == 2
    assert (tmp_path / "out" / "normalized.svg").exists()


def test_nothing_is_quoted_before_it_is_measured():
    assert {tables.verdict({}), tables.table({}), tables.law({})} == {"not measured yet"}
