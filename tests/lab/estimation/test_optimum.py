"""Optima of synthetic curves whose minima are known."""

import tracemalloc

import numpy as np
import pytest

from flatfast.lab.estimation.branch_fit import branch_minimum
from flatfast.lab.estimation.local_fit import local_minimum
from flatfast.lab.estimation.optimum import (
    ALTERNATIVE_FITS,
    DEFAULT_FIT,
    locate,
    median_times,
    shared_skewness,
)
from flatfast.lab.estimation.resampling import (
    median,
    percentile_interval,
    resampled_medians,
    resamples,
    t_quantile,
)
from flatfast.lab.estimation.spline_fit import _smoothed, spline_minimum

ALL_FITS = (DEFAULT_FIT, *ALTERNATIVE_FITS)


def named(fit):
    return fit.name


def optima_of(grid, fit=DEFAULT_FIT, n_boot=20):
    return locate(median_times(grid, n_boot=n_boot, seed=0), fit)


def true_log_mu(grid, log_c=-4.0, gamma=2 / 3):
    return log_c + gamma * np.log(grid.lr)


@pytest.mark.parametrize("fit", ALL_FITS, ids=named)
def test_every_fit_finds_the_minimum_of_a_clean_curve(sweep, fit):
    grid = sweep()
    found = optima_of(grid, fit)
    assert found.located.all()
    # Smoothing moves the minimum of an asymmetric curve; the plain parabola by 8%.
    off = 0.11 if "parabola, window" in fit.name else 0.06
    np.testing.assert_allclose(found.log_mu, true_log_mu(grid), atol=off)
    np.testing.assert_allclose(found.log_time, 6.0 - 2 / 3 * np.log(grid.lr), atol=0.06)


def test_the_default_is_within_three_percent_on_a_clean_curve(sweep):
    grid = sweep(per_decade=12)
    np.testing.assert_allclose(optima_of(grid).log_mu, true_log_mu(grid), atol=0.03)


def test_the_two_branch_fits_are_exact_on_their_own_curve(sweep):
    grid = sweep()
    log_mu, log_time, log_limit = np.log(grid.mu), median(grid.log_time)[None], np.log(grid.limit)
    for free in (False, True):
        found = branch_minimum(log_mu, log_time, log_limit, free_exponents=free)
        np.testing.assert_allclose(found.log_mu[0], true_log_mu(grid), atol=1e-5)


@pytest.mark.parametrize("skewness", ["none", "own", "shared"])
def test_a_parabola_is_found_exactly(skewness):
    log_mu = np.linspace(-3, 3, 25)
    centre, level = np.array([-0.7, 0.1, 0.93]), np.array([1.0, 2.0, 3.0])
    curve = level[:, None] + 0.4 * (log_mu - centre[:, None]) ** 2
    found = local_minimum(log_mu, curve[None], np.full(3, 99.0), window=3.0, skewness=skewness)
    np.testing.assert_allclose(found.log_mu[0], centre, atol=1e-5)
    np.testing.assert_allclose(found.log_time[0], level, atol=1e-6)


@pytest.mark.parametrize("skewness", ["own", "shared"])
def test_a_cubic_is_found_exactly_by_the_fits_that_know_skewness(skewness):
    log_mu = np.linspace(-2, 2, 33)
    centre = np.array([-0.3, 0.24])
    away = log_mu - centre[:, None]
    curve = 0.5 * away**2 + 0.1 * away**3
    found = local_minimum(log_mu, curve[None], np.full(2, 99.0), window=3.0, skewness=skewness)
    np.testing.assert_allclose(found.log_mu[0], centre, atol=1e-5)
    plain = local_minimum(log_mu, curve[None], np.full(2, 99.0), window=3.0, skewness="none")
    assert np.abs(plain.log_mu[0] - centre).min() > 0.01


def test_a_spline_without_stiffness_finds_a_parabola():
    log_mu = np.linspace(-3, 3, 40)
    centre = np.array([-0.71, 0.4])
    curve = 0.4 * (log_mu - centre[:, None]) ** 2
    found = spline_minimum(log_mu, curve[None], np.full(2, 99.0), window=1.2)
    np.testing.assert_allclose(found.log_mu[0], centre, atol=5e-3)


@pytest.mark.parametrize("fit", ALL_FITS, ids=named)
def test_units_of_time_and_of_mu_do_not_matter(sweep, fit):
    grid = sweep(np.random.default_rng(3), noise=0.2)
    times = median_times(grid, n_boot=5, seed=0)
    here = fit.minimum(times.log_mu, times.log_time, times.log_limit)
    there = fit.minimum(times.log_mu + 1.7, times.log_time - 2.5, times.log_limit - 2.5)
    np.testing.assert_allclose(there.log_mu, here.log_mu + 1.7, atol=1e-4)
    np.testing.assert_allclose(there.log_time, here.log_time - 2.5, atol=1e-4)


@pytest.mark.parametrize("fit", ALL_FITS, ids=named)
def test_replicates_are_fitted_as_if_alone(sweep, fit):
    times = median_times(sweep(np.random.default_rng(4), noise=0.3), n_boot=4, seed=1)
    together = fit.minimum(times.log_mu, times.log_time, times.log_limit)
    for b in range(5):
        alone = fit.minimum(times.log_mu, times.log_time[b : b + 1], times.log_limit)
        np.testing.assert_allclose(alone.log_mu[0], together.log_mu[b], atol=1e-5)


@pytest.mark.parametrize("fit", ALL_FITS, ids=named)
def test_censored_cells_hold_the_fit_beside_a_cliff(sweep, fit):
    # Gentle on the left down to a cliff behind which nothing arrives. Seen alone, the finite cells
    # say that smaller mu is better still.
    def cliff(x):
        return np.where(x < -0.8, 9.0, 0.25 * (x + 0.8) + 0.2 * np.maximum(x, 0) ** 2)

    grid = sweep(shape=cliff, per_decade=10, limit=4.0)
    found = optima_of(grid, fit)
    assert found.located.all()
    away = found.log_mu - true_log_mu(grid)
    assert (away > -1.1).all()
    assert (away < 0.7).all()


def test_the_standard_error_is_that_of_repeated_sweeps(sweep):
    rng = np.random.default_rng(5)
    estimates, errors = [], []
    for _ in range(60):
        found = optima_of(sweep(rng, noise=0.15, seeds=16), n_boot=60)
        estimates.append(found.log_mu)
        errors.append(np.nanvar(found.boot_log_mu, axis=0))
    spread = np.mean(np.var(estimates, axis=0))
    assert np.mean(errors) == pytest.approx(spread, rel=0.3)


def test_optima_at_the_edge_are_not_located(sweep):
    wide = sweep()
    high = np.exp(true_log_mu(wide)[-1]) * 1.05
    keep = wide.mu < high
    cut = type(wide)(
        wide.lr,
        wide.mu[keep],
        wide.seed,
        wide.log_time[:, keep],
        wide.diverged[:, keep],
        wide.limit,
    )
    found = optima_of(cut)
    assert not found.located[-1]
    assert found.located[:-2].all()
    assert np.isnan(found.log_mu[-1])
    assert found.reason[-1].startswith("the optimum is at the edge of the grid: momentum 0.9")
    assert found.reason[-1].endswith("is the lowest run")
    assert found.reason[0] == ""


def test_the_edge_is_that_of_the_rates_own_momenta(sweep):
    grid = sweep()
    log_time = grid.log_time.copy()
    log_time[2, np.log(grid.mu) < true_log_mu(grid)[2] - 0.1] = np.nan
    cut = type(grid)(grid.lr, grid.mu, grid.seed, log_time, grid.diverged, grid.limit)
    found = optima_of(cut)
    assert not found.located[2]
    assert found.reason[2].endswith("is the highest run")
    assert found.located.sum() == 7


def test_reasons_for_too_few_and_unsteady(sweep):
    grid = sweep(limit=1.05)
    found = optima_of(grid)
    assert not found.located.any()
    assert "momenta have a median time within the run length, at least 4" in found.reason[0]

    rng = np.random.default_rng(6)
    flat = sweep(rng, shape=lambda x: 0.01 * x**2, noise=0.5, seeds=4)
    lost = optima_of(flat, n_boot=60)
    unsteady = [why for why in lost.reason if "of the resamples of the seeds" in why]
    assert unsteady
    assert not lost.located.all()


def test_too_few_seeds_and_momenta(sweep):
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        median_times(sweep(seeds=1), n_boot=10, seed=0)
    with pytest.raises(ValueError, match="n_boot must be at least 2, got 1"):
        median_times(sweep(), n_boot=1, seed=0)
    grid = sweep()
    two = type(grid)(
        grid.lr, grid.mu[:2], grid.seed, grid.log_time[:, :2], grid.diverged[:, :2], grid.limit
    )
    with pytest.raises(ValueError, match="at least 4 momenta at one learning rate, got 2"):
        median_times(two, n_boot=10, seed=0)


def test_momenta_are_counted_at_each_learning_rate(sweep):
    """Learning rates that share none have many together, and no curve each."""
    grid = sweep()

    def only(few):
        log_time = np.full_like(grid.log_time, np.nan)
        for e, count in enumerate(few):
            near = np.argsort(np.abs(np.log(grid.mu) - true_log_mu(grid)[e]))[:count]
            log_time[e, near] = grid.log_time[e, near]
        return type(grid)(grid.lr, grid.mu, grid.seed, log_time, grid.diverged, grid.limit)

    with pytest.raises(ValueError, match="at least 4 momenta at one learning rate, got 3"):
        median_times(only([3, *[2] * 7]), n_boot=10, seed=0)
    found = optima_of(only([3, *[9] * 7]))
    assert found.reason[0] == "runs of 3 momenta, at least 4 are needed"
    assert found.located[1:].all()


def test_names_of_fits_are_distinct():
    assert len({fit.name for fit in ALL_FITS}) == len(ALL_FITS)
    assert shared_skewness(4.0).name == DEFAULT_FIT.name


def test_medians_with_censored_and_absent_values():
    inf, nan = np.inf, np.nan
    values = np.array(
        [[1, 2, 3, 4], [1, 2, inf, inf], [1, 2, 3, inf], [5, nan, nan, 1], [nan] * 4, [inf] * 4]
    )
    np.testing.assert_array_equal(median(values), [2.5, inf, 2.5, 3.0, nan, inf])
    odd = np.array([[3.0, inf, 1.0], [nan, 7.0, nan]])
    np.testing.assert_array_equal(median(odd), [3.0, 7.0])


def test_resamples_are_joint():
    values = np.array([[10.0, 20.0, 30.0], [100.0, 200.0, 300.0]])
    drawn = resampled_medians(values, resamples(3, 200, seed=0))
    np.testing.assert_allclose(drawn[:, 1], 10 * drawn[:, 0])
    assert len(np.unique(drawn[:, 0])) == 3
    np.testing.assert_array_equal(
        resampled_medians(values, np.array([[0, 1, 2], [2, 2, 0]])), [[20, 200], [30, 300]]
    )


def test_percentiles_survive_infinite_replicates():
    replicates = np.concatenate([np.arange(95.0), np.full(5, np.inf), [np.nan]])
    found = percentile_interval(50.0, replicates, 0.95)
    assert found.low == 2.0
    assert found.high == np.inf
    assert np.isnan(percentile_interval(1.0, np.array([np.nan]), 0.95).low)


def test_student_quantiles():
    assert t_quantile(0.95, [(1.0, 7)]) == pytest.approx(2.3646, abs=1e-4)
    assert t_quantile(0.95, [(1.0, 7), (0.0, 1)]) == pytest.approx(2.3646, abs=1e-4)
    # Equal parts with equal degrees of freedom have twice as many together.
    assert t_quantile(0.95, [(1.0, 5), (1.0, 5)]) == pytest.approx(2.2281, abs=1e-4)
    assert t_quantile(0.95, [(0.0, 7), (0.0, 3)]) == pytest.approx(2.3646, abs=1e-4)


@pytest.mark.parametrize("fit", ALL_FITS, ids=named)
def test_memory_grows_no_faster_than_the_momenta(sweep, fit):
    def peak(per_decade):
        times = median_times(sweep(per_decade=per_decade, rates=3), n_boot=10, seed=0)
        tracemalloc.start()
        try:
            locate(times, fit)
            return tracemalloc.get_traced_memory()[1] / times.log_time.size
        finally:
            tracemalloc.stop()

    assert peak(240) < 1.5 * peak(60)


def test_a_spline_with_gaps_is_the_dense_solution():
    rng = np.random.default_rng(3)
    log_mu = np.sort(rng.uniform(-5, 0, 12))
    active = rng.random((5, 12)) < 0.7
    value = rng.standard_normal((5, 12))
    gap = np.diff(log_mu)
    curve, bend = _smoothed(gap, 0.3, active, value)
    second = np.zeros((12, 10))
    for j in range(10):
        second[j : j + 3, j] = 1 / gap[j], -1 / gap[j] - 1 / gap[j + 1], 1 / gap[j + 1]
    beside = np.diag(gap[1:-1] / 6, 1)
    share = np.diag((gap[:-1] + gap[1:]) / 3) + beside + beside.T
    stiffness = np.linalg.solve(share, second.T)
    for row in range(5):
        weights = np.diag(active[row] + 1e-9)
        dense = np.linalg.solve(weights + 0.3 * second @ stiffness, active[row] * value[row])
        np.testing.assert_allclose(curve[row], dense, atol=1e-8)
        np.testing.assert_allclose(bend[row, 1:-1], stiffness @ dense, atol=1e-7)
