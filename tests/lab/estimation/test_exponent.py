"""The exponent, its interval, and how often the interval is right."""

import numpy as np
import pytest

from flatfast.lab.estimation.exponent import LAW, fit_exponent
from flatfast.lab.estimation.power_law import (
    fit_power_law,
    jackknife_error,
    leave_one_out,
    replicate_variance,
)


def test_a_clean_sweep_gives_the_exponent(sweep):
    fit = fit_exponent(sweep(gamma=0.6), n_boot=50)
    assert fit.exponent.estimate == pytest.approx(0.6, abs=0.005)
    assert fit.free_prefactor == pytest.approx(np.exp(-4.0), rel=0.05)
    assert fit.located.all()
    assert fit.reason == ("",) * 8
    assert len(fit.best_mu) == len(fit.best_time) == 8
    assert fit.best_time[3].estimate == pytest.approx(np.exp(6.0) * fit.lr[3] ** -0.6, rel=0.03)
    assert fit.bootstrap.shape == (50,)
    for other in fit.sensitivity:
        assert other.exponent.estimate == pytest.approx(0.6, abs=0.012), other.name


def test_the_prefactor_holds_the_law(sweep):
    fit = fit_exponent(sweep(np.random.default_rng(1), noise=0.1), alternatives=(), n_boot=200)
    assert fit.prefactor.contains(np.exp(-4.0) * 0.98)
    assert fit.prefactor.high / fit.prefactor.low < 1.2
    for best, lr in zip(fit.best_mu, fit.lr, strict=True):
        assert best.low < best.estimate < best.high
        assert best.estimate == pytest.approx(np.exp(-4.0) * lr**LAW, rel=0.25)


def coverage(sweep, shape, sets, **settings):
    rng = np.random.default_rng(2024)
    hits, errors, reported = 0, [], []
    gamma = settings.get("gamma", LAW)
    for number in range(sets):
        grid = sweep(rng, shape=shape, phase=rng.uniform(), **settings)
        fit = fit_exponent(grid, alternatives=(), n_boot=100, seed=number)
        hits += fit.exponent.contains(gamma)
        errors.append(fit.exponent.estimate - gamma)
        reported.append(fit.standard_error)
    return hits / sets, np.array(errors), np.array(reported)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ("two-branch", {"noise": 0.4, "seeds": 16, "own": 0.3, "limit": 4.0}),
        ("kink", {"noise": 0.1, "seeds": 8, "own": 0.5, "limit": 5.0, "per_decade": 7}),
        ("two-branch", {"noise": 0.15, "rates": 5, "decades": 1.1, "gamma": 0.5, "limit": 3.0}),
    ],
    ids=["40% noise", "kink", "5 rates, 1/2"],
)
def test_the_interval_covers_the_truth_in_95_of_100_sweeps(sweep, shapes, shape, settings):
    share, errors, reported = coverage(sweep, shapes[shape], 300, **settings)
    assert 0.90 <= share <= 0.99
    # The estimate has no bias that matters, and its standard error is its spread.
    assert abs(errors.mean()) < 0.2 * errors.std()
    assert np.sqrt(np.mean(reported**2)) == pytest.approx(errors.std(), rel=0.35)


def test_scatter_that_seeds_do_not_show_widens_the_interval(sweep):
    grid = sweep(np.random.default_rng(3), noise=0.02)
    rng = np.random.default_rng(4)
    # Each curve is moved as a whole: no seed sees it.
    moved = np.stack(
        [
            np.roll(times, shift, axis=0)
            for times, shift in zip(grid.log_time, rng.integers(-1, 2, 8), strict=True)
        ]
    )
    rough = type(grid)(grid.lr, grid.mu, grid.seed, moved, grid.diverged, grid.limit)
    calm, shaken = (fit_exponent(g, alternatives=(), n_boot=100) for g in (grid, rough))
    step = np.log(grid.mu[1] / grid.mu[0])
    assert calm.scatter < 0.05 * step
    assert shaken.scatter == pytest.approx(step * np.sqrt(2 / 3), rel=0.6)
    assert np.std(shaken.bootstrap) < 0.2 * shaken.standard_error
    assert shaken.exponent.high - shaken.exponent.low > 5 * (calm.exponent.high - calm.exponent.low)


def test_seeds_that_agree_exactly(sweep):
    grid = sweep(noise=0.0)
    fit = fit_exponent(grid, alternatives=(), n_boot=20)
    assert np.isfinite(fit.exponent.low)
    assert fit.exponent.low <= fit.exponent.estimate <= fit.exponent.high
    assert np.ptp(fit.bootstrap) < 1e-6


def test_rates_at_the_edge_are_left_out_not_used(sweep):
    wide = sweep(np.random.default_rng(5), noise=0.1)
    keep = np.log(wide.mu) < -4.0 + LAW * np.log(wide.lr[-2])
    cut = type(wide)(
        wide.lr,
        wide.mu[keep],
        wide.seed,
        wide.log_time[:, keep],
        wide.diverged[:, keep],
        wide.limit,
    )
    fit = fit_exponent(cut, n_boot=100)
    assert not fit.located[-2:].any()
    assert fit.located[:4].all()
    assert np.isnan(fit.best_mu[-1].estimate)
    assert np.isnan(fit.jackknife[-1])
    assert "edge of the grid" in fit.reason[-1]
    assert fit.exponent.contains(LAW)
    assert any("not located" in other.note for other in fit.sensitivity)


def test_too_few_located_rates(sweep):
    grid = sweep(rates=2, decades=0.4)
    with pytest.raises(ValueError, match=r"located at 2 of 2 \(2 give a slope but"):
        fit_exponent(grid, n_boot=10)
    with pytest.raises(ValueError, match="at 3 or more learning rates; it was located at 1 of 1"):
        fit_exponent(sweep(rates=1), n_boot=10)
    with pytest.raises(ValueError, match=r"located at 0 of 8\. lr 0\.177.*: only 0 of"):
        fit_exponent(sweep(limit=0.5), n_boot=10)
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 1\.0"):
        fit_exponent(grid, level=1.0)


def test_jackknife_leaves_one_rate_out(sweep):
    grid = sweep(np.random.default_rng(6), noise=0.3)
    fit = fit_exponent(grid, alternatives=(), n_boot=100)
    x, y = np.log(fit.lr), np.log([best.estimate for best in fit.best_mu])
    for e in range(8):
        rest = np.arange(8) != e
        plain = np.polyfit(x[rest], y[rest], 1)[0]
        assert fit.jackknife[e] == pytest.approx(plain, abs=0.7 * fit.standard_error)
    expected = np.sqrt(7 / 8 * np.sum((fit.jackknife - fit.jackknife.mean()) ** 2))
    assert fit.jackknife_error == pytest.approx(expected)
    assert 0.3 < fit.jackknife_error / fit.standard_error < 3


def test_verdicts_say_what_the_interval_says(sweep):
    fit = fit_exponent(sweep(np.random.default_rng(7), noise=0.2), alternatives=(), n_boot=100)
    law, half, one = fit.verdicts
    assert (law.name, half.name, one.name) == ("2/3", "1/2", "1")
    assert law.inside
    assert law.text.startswith("2/3 is inside the 95% interval [0.")
    assert not half.inside
    away = (fit.exponent.estimate - 0.5) / fit.standard_error
    assert f"({away:.1f} standard errors away)" in half.text
    assert half.text.startswith("1/2 is excluded by the 95% interval")
    assert not one.inside


def test_a_grid_in_step_with_the_optima_is_cautioned(sweep):
    # 2/3 of a decade and a half in 6 gaps: a sixth of a decade each. 6 cells per decade are in step
    # with the optima, 8 are not: a third of a cell is left over each time.
    settings = {"rates": 7, "decades": 1.5}
    locked, free = (
        fit_exponent(sweep(per_decade=n, **settings), alternatives=(), n_boot=10) for n in (6, 8)
    )
    assert "moves by 1.00 cells of the grid" in locked.caution
    assert free.caution == ""


def test_levels_are_nested(sweep):
    grid = sweep(np.random.default_rng(8), noise=0.2)
    wide, narrow = (
        fit_exponent(grid, alternatives=(), n_boot=50, level=level).exponent
        for level in (0.99, 0.68)
    )
    assert wide.low < narrow.low < narrow.high < wide.high
    assert wide.estimate == narrow.estimate


def test_the_same_seed_gives_the_same_fit(sweep):
    grid = sweep(np.random.default_rng(9), noise=0.2)
    first, again, other = (
        fit_exponent(grid, alternatives=(), n_boot=50, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.bootstrap, again.bootstrap)
    assert first.exponent == again.exponent
    assert not np.array_equal(first.bootstrap, other.bootstrap)


def test_line_with_equal_errors_is_least_squares():
    rng = np.random.default_rng(10)
    x = np.array([0.0, 1.0, 2.5, 3.0, 4.0])
    y = 1.0 + 0.7 * x + 0.3 * rng.standard_normal(5)
    boot = y + 0.01 * rng.standard_normal((4000, 5))
    law = fit_power_law(x, y, boot)
    slope, intercept = np.polyfit(x, y, 1)
    assert law.slope == pytest.approx(slope, abs=1e-3)
    assert law.intercept == pytest.approx(intercept, abs=3e-3)
    # The residuals are scatter, nearly all.
    residual = y - intercept - slope * x
    assert law.scatter == pytest.approx(np.sqrt(np.sum(residual**2) / 3), rel=0.01)
    classical = np.sum(residual**2) / 3 / np.sum((x - x.mean()) ** 2)
    assert law.scatter_variance == pytest.approx(classical, rel=0.02)
    seeds = 0.01**2 / np.sum((x - x.mean()) ** 2)
    assert law.seed_variance == pytest.approx(seeds, rel=0.1)


def test_shared_noise_moves_the_level_and_not_the_slope():
    rng = np.random.default_rng(11)
    x = np.linspace(0, 3, 6)
    y = 0.5 * x + 0.01 * rng.standard_normal(6)
    boot = y + 0.2 * rng.standard_normal((2000, 1)) + 0.01 * rng.standard_normal((2000, 6))
    law = fit_power_law(x, y, boot)
    assert np.sqrt(law.level_seed_variance) == pytest.approx(0.2, rel=0.1)
    assert np.sqrt(law.seed_variance) < 0.01
    assert law.slope == pytest.approx(0.5, abs=0.02)


def test_precise_points_weigh_more():
    x = np.array([0.0, 1.0, 2.0, 3.0])
    y = np.array([0.0, 1.0, 2.0, 5.0])
    rng = np.random.default_rng(12)
    boot = y + rng.standard_normal((1000, 4)) * np.array([0.1, 0.1, 0.1, 3.0])
    law = fit_power_law(x, y, boot)
    assert 0.9 < law.slope < 1.3 < np.polyfit(x, y, 1)[0]
    assert law.scatter == 0.0


def test_replicates_without_some_points():
    rng = np.random.default_rng(13)
    x = np.linspace(0, 4, 5)
    y = 2.0 * x
    boot = y + 0.05 * rng.standard_normal((300, 5))
    boot[::10, 0] = np.nan
    boot[5] = np.nan
    law = fit_power_law(x, y, boot)
    assert np.isnan(law.boot_slope[5])
    assert np.isfinite(law.boot_slope[[0, 10]]).all()
    assert np.sqrt(law.level_seed_variance) < 0.05
    assert law.slope == pytest.approx(2.0, abs=0.01)


def test_points_that_are_not_there():
    x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, np.nan, 3.0, 4.5])
    boot = np.where(np.isnan(y), np.nan, y) + np.zeros((5, 4))
    law = fit_power_law(x, y, boot)
    assert law.slope == pytest.approx(np.polyfit(x[[0, 2, 3]], y[[0, 2, 3]], 1)[0], rel=1e-6)
    slopes = leave_one_out(x, y, boot)
    np.testing.assert_allclose(slopes, [1.5, np.nan, 3.5 / 3, 1.0], rtol=1e-6)
    assert np.isnan(leave_one_out(x, np.array([1.0, np.nan, np.nan, 2.0]), boot)).all()
    assert np.isnan(jackknife_error(np.array([1.0, np.nan, 2.0])))


def test_variance_of_replicates_leaves_out_those_that_failed():
    boot = np.array([[1.0, np.nan, 2.0], [3.0, np.nan, np.nan], [5.0, 1.0, 4.0]])
    np.testing.assert_allclose(replicate_variance(boot), [4.0, np.nan, 2.0])
