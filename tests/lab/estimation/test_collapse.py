"""The data collapse."""

import numpy as np
import pytest

from flatfast.lab.estimation.collapse import GAMMA_RANGE, VALLEY, collapse
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.resampling import median


def test_clean_curves_collapse(sweep):
    # 8 momenta per decade and 1.5 decades over 7 gaps: the curves are sampled at different places.
    found = collapse(sweep(), n_boot=10)
    assert found.quality < 0.01
    assert found.best_gamma.estimate == pytest.approx(LAW, abs=2e-3)
    assert found.best_gamma.contains(found.best_gamma.estimate)
    assert found.overlap > 0.9


def test_points_are_the_rescaled_medians(sweep):
    grid = sweep(np.random.default_rng(1), noise=0.3)
    found = collapse(grid, gamma=0.5, n_boot=5)
    times = np.exp(median(grid.log_time))
    row, column = np.nonzero(np.isfinite(times))
    np.testing.assert_array_equal(found.lr_index, row)
    np.testing.assert_allclose(found.x, grid.mu[column] / np.sqrt(grid.lr[row]))
    np.testing.assert_allclose(found.y, times[row, column] * np.sqrt(grid.lr[row]))
    best = np.min(times, axis=1)[row]
    np.testing.assert_array_equal(
        found.in_valley, times[row, column] <= VALLEY * best * (1 + 1e-12)
    )
    assert 0 < found.in_valley.sum() < len(row)


def test_quality_is_the_distance_of_the_curves(sweep):
    # Two learning rates on one momentum axis, the second 10% slower than the law says.
    grid = sweep(rates=2, decades=0.75, per_decade=16)
    log_time = grid.log_time.copy()
    log_time[1] += 0.1
    slower = type(grid)(grid.lr, grid.mu, grid.seed, log_time, grid.diverged, grid.limit * 1.2)
    assert collapse(grid, n_boot=5).quality < 0.003
    assert collapse(slower, n_boot=5).quality == pytest.approx(0.1, abs=0.005)


def test_the_wrong_exponent_does_not_collapse(sweep):
    grid = sweep(np.random.default_rng(2), noise=0.1)
    law, half, one = (collapse(grid, gamma=g, n_boot=5) for g in (LAW, 0.5, 1.0))
    assert law.quality < 0.06
    assert half.quality > 4 * law.quality
    assert one.quality > 4 * law.quality
    assert law.best_quality <= law.quality + 1e-3
    assert law.best_gamma == half.best_gamma
    assert half.gamma == 0.5


def test_the_exponent_of_the_best_collapse_is_covered(sweep, shapes):
    rng = np.random.default_rng(3)
    hits = 0
    for number in range(60):
        grid = sweep(rng, shape=shapes["kink"], noise=0.1, rates=6, phase=rng.uniform())
        hits += collapse(grid, n_boot=30, seed=number).best_gamma.contains(LAW)
    assert hits >= 54


def test_exponents_of_mu_and_time_are_one(sweep):
    # Times that scale with 2/3 and optima with 1/2 collapse at no exponent.
    grid = sweep(gamma=0.5)
    drift = (0.5 - LAW) * np.log(grid.lr)
    times = grid.log_time + drift[:, None, None]
    mixed = type(grid)(
        grid.lr, grid.mu, grid.seed, times, grid.diverged, grid.limit * np.exp(drift)
    )
    assert collapse(mixed, n_boot=5).best_quality > 0.05


def test_two_rates_have_a_best_exponent_without_interval(sweep):
    found = collapse(sweep(rates=2, decades=0.6), n_boot=5)
    assert found.best_gamma.estimate == pytest.approx(LAW, abs=5e-3)
    assert np.isnan(found.best_gamma.low)


def test_an_exponent_at_the_end_of_the_range_is_none(sweep):
    found = collapse(sweep(gamma=GAMMA_RANGE[1] + 0.3, decades=0.6), n_boot=5)
    assert np.isnan(found.best_gamma.estimate)


def test_holes_in_the_table(sweep):
    grid = sweep(np.random.default_rng(4), noise=0.05)
    log_time = grid.log_time.copy()
    log_time[2, 5:9] = np.nan
    log_time[4] = np.inf
    holes = type(grid)(grid.lr, grid.mu, grid.seed, log_time, grid.diverged, grid.limit)
    found = collapse(holes, n_boot=20)
    assert found.quality < 0.05
    assert found.best_gamma.contains(LAW)
    assert 4 not in found.lr_index


def test_curves_that_do_not_overlap(sweep):
    grid = sweep(rates=2, decades=3.0, gamma=0.0, limit=1.5)
    found = collapse(grid, gamma=1.4, n_boot=5)
    assert np.isnan(found.quality)
    assert found.overlap == 0.0


def test_bad_arguments(sweep):
    with pytest.raises(ValueError, match="at least 2 learning rates and 3 momenta, got 1 and"):
        collapse(sweep(rates=1))
    with pytest.raises(ValueError, match="gamma must be finite, got nan"):
        collapse(sweep(), gamma=float("nan"))
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 0"):
        collapse(sweep(), level=0)
    with pytest.raises(ValueError, match="no momentum has a median time within the run length"):
        collapse(sweep(limit=0.5))
