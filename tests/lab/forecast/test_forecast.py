"""Forecasts against closed forms, and against simulated runs."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_info, threadpool_limits

from flatfast.lab.estimation.convergence import convergence
from flatfast.lab.forecast.forecast import forecast, minimum_of
from flatfast.lab.forecast.limit_times import FOLLOWING, predicted_times
from flatfast.lab.forecast.model import curvatures, effective_modes, model_of
from flatfast.lab.forecast.record import read_forecast, write_forecast
from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate
from flatfast.theory import FlowPath, PathEndedError


def on_the_hyperbola(C, noise_std):
    """When ``u = exp(q), v = exp(-q)`` comes to ``tr H = 2 cosh 2q = 2.5``, by its equations."""

    def derivative(t, state):
        q, speed, c = state
        pull, growth = np.tanh(2 * q), 2 * np.tanh(2 * q) * speed
        return [
            speed,
            -pull * speed**2 - C * speed - c * pull,
            -C * c + noise_std**2 / 2 - c * growth / 2,
        ]

    def goal(t, state):
        return 2 * np.cosh(2 * state[0]) - 2.5

    goal.terminal = True
    return solve_ivp(derivative, (0, 500), [1, 0, 0], events=goal, rtol=1e-8).t_events[0][0]


@pytest.mark.parametrize("C", [1.0, 2.5])
def test_the_mean_path_of_the_scalar_product(C):
    found = predicted_times(load("scalar-product", {"noise_std": 0.4}), [C], paths=1)
    assert found.time[0] == pytest.approx(on_the_hyperbola(C, 0.4), rel=2e-3)


def test_prefactors_beside_the_best_are_added():
    problem, told = load("scalar-product", {"noise_std": 0.4}), []
    asked = [0.3, 0.6, 1.2, 2.4]
    found = predicted_times(problem, asked, paths=1, refine=True, progress=told.append)
    best = asked[int(np.argmin(found.time[np.isin(found.C, asked)]))]
    low, high = max(best / 2, 0.3), min(best * 2, 2.4)
    added = {(low * best) ** 0.5, (best * high) ** 0.5} - {best}
    np.testing.assert_allclose(found.C, sorted({*asked, *added}))
    assert told[:4] == asked[::-1]
    assert sorted(told) == found.C.tolist()


@pytest.mark.slow
def test_a_wrong_guess_of_the_time_costs_no_accuracy():
    problem = load("scalar-product", {"noise_std": 0.4})
    right = predicted_times(problem, [1.0], paths=1)
    short = predicted_times(problem, [1.0], paths=1, expected=lambda C: 0.1)
    long = predicted_times(problem, [1.0], paths=1, expected=lambda C: 100.0)
    assert short.time == pytest.approx(right.time, rel=5e-3)
    assert long.time == pytest.approx(right.time, rel=2e-2)  # its records lie farther apart
    assert long.evaluations > right.evaluations


def test_predicted_and_simulated_times():
    """Medians of 128 runs of SGD, within three standard errors and the limit's distance."""
    problem, lr, C, seeds = load("scalar-product"), 1e-4, 0.6, 128
    predicted = predicted_times(problem, [C]).time[0]
    runs = simulate(
        problem, lr, 1 - C * lr ** (2 / 3), np.arange(seeds), steps=round(25 * lr ** (-2 / 3))
    )
    judged = convergence(
        runs.steps,
        runs.values[problem.goal.metric],
        np.full(seeds, 1 - C * lr ** (2 / 3)),
        problem.goal,
        recorded=runs.recorded,
        diverged=runs.diverged_step >= 0,
    )
    times = np.where(np.isfinite(judged.step), judged.step, np.inf) * lr ** (2 / 3)
    resampled = np.random.default_rng(0).choice(times, (500, seeds))
    error = np.median(resampled, axis=1).std()
    assert abs(np.median(times) - predicted) < 3 * error + 0.02 * predicted


def test_batches_make_the_noise_larger():
    whole = model_of(load("matrix-sensing", {"dimension": 6, "examples": 12}))
    half = model_of(load("matrix-sensing", {"dimension": 6, "examples": 12, "batch_size": 6}))
    assert half[2] == pytest.approx(2**0.5 * whole[2])


def test_a_forecast_comes_back_from_its_file(tmp_path):
    made = forecast(load("scalar-product"), limit=False)
    write_forecast(made, tmp_path / "forecast.json")
    assert read_forecast(tmp_path / "forecast.json") == made
    assert made.answer == made.flow_prefactor
    assert made.critical == pytest.approx((0.25 * made.relaxation) ** (1 / 3))
    assert made.largest == pytest.approx(2 * np.cosh(2), rel=1e-3)


def test_the_minimum_of_a_curve():
    C = tuple(np.geomspace(0.3, 3, 11))
    time = tuple(float(5 + np.log(c / 0.8) ** 2) for c in C)
    found, least = minimum_of(C, (None, *time[1:]))
    assert found == pytest.approx(0.8, rel=0.02)
    assert least == pytest.approx(5, rel=0.01)
    assert minimum_of(C, (None,) * 8 + time[8:]) == (None, None)


def test_what_cannot_be_forecast():
    with pytest.raises(ValueError, match="noise_std must be positive for a drift, got 0"):
        forecast(load("scalar-product", {"noise_std": 0.0}))
    with pytest.raises(ValueError, match="has no residuals"):
        forecast(load("digits-mlp", {"loss": "cross-entropy", "start": "init"}))
    with pytest.raises(ValueError, match="C must be positive and finite, got -1"):
        predicted_times(load("scalar-product"), [-1.0])


def test_modes_count_by_their_weight():
    assert effective_modes(np.ones(7)) == pytest.approx(7)
    assert effective_modes(np.array([0.0, 0.0, 3.0])) == pytest.approx(1)
    assert effective_modes(np.array([1.0, 2.0])) == pytest.approx(9 / 5)
    # Many modes of which few count are drawn, where drawing them is cheap.
    assert FOLLOWING.draws(30, 4.0) == FOLLOWING.draws(4, 4.0) == 64
    assert FOLLOWING.draws(30, 29.0) == FOLLOWING.draws(100, 4.0) == 1
    assert FOLLOWING.draws(1, 1.0) == 256


def test_the_eigenvalues_of_a_problem():
    model, start, _ = model_of(load("scalar-product", {"width": 3}))
    u, v = np.split(start, 2)
    assert curvatures(model, start) == pytest.approx([u @ u + v @ v])


def test_a_goal_that_the_flow_cannot_be_followed_to(monkeypatch):
    """What to do about it is what a command can: another goal."""
    path = FlowPath(np.zeros(1), np.array([[1.0, 1.0]]), 7)

    def ended(*arguments, **options):
        raise PathEndedError("raise tolerance or floor", path)

    monkeypatch.setattr("flatfast.lab.forecast.forecast.flow_relaxation", ended)
    with pytest.raises(PathEndedError, match=r"goal, 2\.5: near 2 the.*A goal that leaves more"):
        forecast(load("scalar-product"))


def test_a_forecast_holds_blas_to_one_thread_and_gives_the_others_back():
    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen = []
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ValueError, match="noise_std must be positive"):
            forecast(
                load("scalar-product", {"noise_std": 0.0}),
                progress=lambda stage: seen.append(threads()),
            )
        assert seen == [{1}]
        assert threads() == {2}
