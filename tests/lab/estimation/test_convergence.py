"""Convergence times: closed forms, a slow and obvious reference, and the stopping rule."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatfast.lab.estimation.convergence import (
    Status,
    check_start,
    convergence,
    settled,
    thresholds,
)
from flatfast.lab.estimation.smoothing import smooth
from flatfast.lab.goal import Goal

TENTH = Goal("error", 0.1, smoothing=0.0)


def one(steps, values, goal=TENTH, momentum=0.0, recorded=None, diverged=False):
    return convergence(
        steps,
        np.atleast_2d(values),
        [momentum],
        goal,
        recorded=[len(steps) if recorded is None else recorded],
        diverged=[diverged],
    )


def oscillator(t, friction):
    """x'' = -friction x' - x/4 from rest at 1: critically damped at friction 1."""
    root = np.sqrt(complex(friction**2 / 4 - 0.25) + 1e-12)
    fast, slow = -friction / 2 - root, -friction / 2 + root
    return ((slow * np.exp(fast * t) - fast * np.exp(slow * t)) / (slow - fast)).real


@pytest.mark.parametrize("spacing", [1, 7, 40])
def test_exponential_decay_is_interpolated_exactly(spacing):
    steps = np.arange(0, 1000, spacing)
    found = one(steps, np.exp(-steps / 90.0))
    assert found.step[0] == pytest.approx(90 * math.log(10), rel=1e-12)
    assert found.status[0] == Status.CONVERGED
    assert found.threshold[0] == pytest.approx(0.1)
    assert found.start[0] == 1.0
    assert found.end[0] == pytest.approx(math.exp(-steps[-1] / 90.0))


def test_linear_interpolation_where_the_metric_turns_negative():
    found = one([0, 10, 20], [1.0, 0.5, -0.3])
    assert found.step[0] == pytest.approx(10 + 10 * 0.4 / 0.8)


def test_settling_time_not_first_crossing():
    steps = np.arange(0, 400)
    metric = oscillator(steps / 10, 0.2) ** 2
    found = one(steps, metric)
    first = int(np.argmax(metric <= 0.1))
    last = int(np.flatnonzero(metric > 0.1)[-1])
    assert last <= found.step[0] <= last + 1
    assert found.step[0] > 2.5 * first


def test_statuses():
    steps = [0, 10, 20, 30]
    falling = [1.0, 0.3, 0.05, 0.01]
    assert one(steps, [1.0, 0.3, 0.05, 0.2]).status[0] == "not_converged"
    assert math.isnan(one(steps, [1.0, 0.3, 0.05, 0.2]).step[0])
    lost = one(steps, falling, diverged=True)
    assert lost.status[0] == "diverged"
    assert math.isnan(lost.step[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_counts_as_above(bad):
    found = one([0, 10, 20, 30, 40], [1.0, 0.01, bad, 0.01, 0.01])
    assert found.step[0] == 30.0
    assert one([0, 10, 20], [1.0, 0.01, bad]).status[0] == "not_converged"


def test_records_beyond_the_run_are_ignored():
    steps = np.arange(0, 100, 10)
    values = np.exp(-steps / 10.0)
    short = values.copy()
    short[6:] = 1e9
    whole = one(steps, values)
    part = one(steps, short, recorded=6)
    assert part.step[0] == pytest.approx(whole.step[0])
    assert part.end[0] == values[5]


def test_many_runs_are_the_runs_one_by_one():
    rng = np.random.default_rng(0)
    steps = np.unique(rng.integers(1, 3000, 80))
    steps = np.concatenate([[0], steps])
    momentum = rng.choice([0.0, 0.9, 0.99], 30)
    values = np.exp(-steps / rng.uniform(50, 900, (30, 1)) + 0.3 * rng.standard_normal((30, 1)))
    values = values * np.exp(0.2 * rng.standard_normal(values.shape))
    recorded = rng.integers(3, len(steps) + 1, 30)
    diverged = rng.random(30) < 0.2
    goal = Goal("error", 0.2)
    together = convergence(steps, values, momentum, goal, recorded=recorded, diverged=diverged)
    for i in range(30):
        alone = one(steps, values[i], goal, momentum[i], recorded[i], diverged[i])
        np.testing.assert_array_equal(together.step[i], alone.step[0])
        assert together.status[i] == alone.status[0]


@given(
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.5, 0.9, 0.97, 0.999]),
    st.sampled_from([0.3, 1.0, 4.0]),
)
@settings(max_examples=60, deadline=None)
def test_smoothing_is_the_centred_average(seed, momentum, smoothing):
    rng = np.random.default_rng(seed)
    steps = np.cumsum(np.concatenate([[0], rng.integers(1, 30, 60)]))
    values = np.exp(rng.uniform(-20, 20) * np.linspace(0, 1, 61) + rng.standard_normal(61))
    if seed % 3 == 0:
        values[rng.integers(1, 61)] = np.nan
    recorded = int(rng.integers(2, 62))
    half = smoothing / (1 - momentum) / 2 * (1 + 1e-9)
    # Each record stands for the steps around it.
    span = np.concatenate(
        [[steps[1] - steps[0]], steps[2:] - steps[:-2], [steps[-1] - steps[-2]]]
    ).astype(float)
    found = smooth(steps, values[None], np.array([momentum]), smoothing, np.array([recorded]))[0]
    for r in range(len(steps)):
        window = np.abs(steps - steps[r]) <= min(half, steps[r] - steps[0])
        window &= np.arange(len(steps)) < recorded
        if r >= recorded or not np.isfinite(values[window]).all():
            assert found[r] == np.inf
            continue
        weights = span[window]
        exact = math.fsum(weights * values[window]) / math.fsum(weights)
        # Growing metrics lose digits before their last crossing, where nothing is read.
        if values[recorded - 1] <= values[0]:
            assert found[r] == pytest.approx(exact, rel=1e-9)


def test_smoothing_keeps_its_digits_over_many_decades():
    steps = np.arange(4000)
    values = 1e8 * np.exp(-steps / 80.0)
    found = smooth(steps, values[None], np.array([0.98]), 1.0, np.array([4000]))[0]
    width = np.array([-25, 25])
    middle = np.arange(100, 3900)
    exact = np.array([math.fsum(values[m + width[0] : m + width[1] + 1]) / 51 for m in middle])
    np.testing.assert_allclose(found[middle], exact, rtol=1e-11)


def test_records_farther_apart_than_the_window_are_not_smoothed():
    steps = np.arange(0, 1000, 100)
    values = np.random.default_rng(1).random((1, 10))
    found = smooth(steps, values, np.array([0.99]), 1.0, np.array([10]))
    np.testing.assert_array_equal(found, values)


def test_a_window_longer_than_the_run_does_not_see_it_arrive_early():
    steps = np.unique(np.geomspace(1, 2000, 90).astype(int) - 1)
    values = np.exp(-steps / 100.0)
    arrived = one(steps, values, TENTH, momentum=0.9995).step[0]
    found = one(steps, values, Goal("error", 0.1, smoothing=1.0), momentum=0.9995).step[0]
    assert arrived == pytest.approx(100 * math.log(10), rel=0.02)
    assert arrived <= found <= 5 * arrived


def test_noise_about_a_low_level_is_averaged_away():
    rng = np.random.default_rng(2)
    steps = np.arange(0, 6000, 5)
    clean = np.exp(-steps / 150.0) + 0.06
    noisy = clean * (1 + 0.6 * rng.standard_normal(len(steps)))
    noisy[0] = clean[0]
    rough = one(steps, noisy, Goal("error", 0.1, smoothing=0.0), momentum=0.995)
    calm = one(steps, noisy, Goal("error", 0.1, smoothing=1.0), momentum=0.995)
    level = 0.1 * clean[0]
    expected = -150 * math.log(level - 0.06)
    assert calm.step[0] == pytest.approx(expected, rel=0.15)
    assert not rough.step[0] < 2 * expected


@given(st.floats(1e-6, 1e6), st.integers(1, 50))
def test_units_do_not_matter(scale, factor):
    steps = np.arange(0, 500, 5)
    values = oscillator(steps / 20, 0.6) ** 2 + 1e-9
    base = one(steps, values)
    assert one(steps, scale * values).step[0] == pytest.approx(base.step[0], rel=1e-9)
    assert one(factor * steps, values).step[0] == pytest.approx(factor * base.step[0], rel=1e-9)


def test_a_start_that_meets_the_threshold_is_an_error():
    goal = Goal("trace", 5.0, relative=False)
    with pytest.raises(ValueError, match=r"threshold 5: the start already meets it.*trace.*4\.5"):
        check_start([7.0, 4.5], goal)
    with pytest.raises(ValueError, match="the start already meets it"):
        one([0, 1], [5.0, 1.0], goal)
    with pytest.raises(ValueError, match=r"already meets it.*starts at -2"):
        check_start(-2.0, TENTH)
    with pytest.raises(ValueError, match="finite at the start, got nan"):
        check_start(np.nan, TENTH)
    check_start([5.1], goal)
    np.testing.assert_allclose(thresholds([2.0, 4.0], TENTH), [0.2, 0.4])
    np.testing.assert_allclose(thresholds([20.0, 40.0], goal), [5.0, 5.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": [0, 5, 5]}, "ascend strictly"),
        ({"steps": [0, 5]}, r"values must have shape.*\(2, 2\), got \(2, 3\)"),
        ({"steps": []}, r"R >= 1, got \(0,\)"),
        ({"momentum": [0.0, 1.0]}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"recorded": [3]}, r"recorded must have shape \(2,\), got \(1,\)"),
        ({"recorded": [3, 4]}, r"recorded must be in \[1, 3\], got 4"),
        ({"recorded": [0, 3]}, r"recorded must be in \[1, 3\], got 0"),
        ({"diverged": [True]}, "diverged must have shape"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "steps": [0, 5, 10],
        "momentum": [0.0, 0.5],
        "recorded": [3, 3],
        "diverged": [False, False],
        **change,
    }
    steps, momentum = arguments.pop("steps"), arguments.pop("momentum")
    with pytest.raises(ValueError, match=message):
        convergence(steps, np.ones((2, 3)), momentum, TENTH, **arguments)


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.25])
@pytest.mark.parametrize("friction", [0.06, 0.15, 0.3, 0.6, 0.9, 1.0, 2.0])
def test_a_settled_run_never_comes_back(friction, fraction):
    # In units of the law: mu = friction * lr^(2/3) and a step takes lr^(2/3).
    pace = 0.02
    momentum = 1 - friction * pace
    steps = np.arange(0, 40_000, 10)
    metric = oscillator(steps * pace, friction)[None] ** 2
    goal = Goal("error", fraction)
    whole = convergence(steps, metric, [momentum], goal, recorded=[len(steps)], diverged=[False])
    assert whole.status[0] == "converged"
    stops = 0
    for end in range(2, len(steps), 23):
        if settled(steps[:end], metric[:, :end], [momentum], goal)[0]:
            stops += 1
            part = convergence(
                steps[:end], metric[:, :end], [momentum], goal, recorded=[end], diverged=[False]
            )
            assert part.step[0] == pytest.approx(whole.step[0], rel=1e-9)
            assert steps[end - 1] >= 3 * whole.step[0]
    assert stops > 0


def test_first_crossings_are_not_settled():
    # A light damping crosses early, and is back above the threshold half a swing later.
    steps = np.arange(0, 200)
    metric = oscillator(steps / 10, 0.05)[None] ** 2
    crossing = int(np.argmax(metric[0] <= 0.1))
    for end in range(1, 2 * crossing):
        assert not settled(steps[:end], metric[:, :end], [0.5], TENTH)[0]


def test_settled_waits_for_memories_and_records():
    steps = np.arange(0, 1000, 10)
    metric = np.exp(-steps / 10.0)[None]
    arrived = 10 * math.log(10)
    slow = [
        bool(settled(steps[:end], metric[:, :end], [0.99], TENTH)[0])
        for end in range(1, len(steps))
    ]
    first = steps[int(np.argmax(slow))]
    assert first >= arrived + 500
    assert all(slow[int(np.argmax(slow)) :])
    few = settled([0, 1000], [[1.0, 0.0]], [0.0], TENTH)
    assert not few[0]


def test_settled_is_told_nothing_by_a_metric_that_is_not_finite():
    steps = np.arange(0, 1000, 10)
    metric = np.stack([np.exp(-steps / 10.0)] * 2)
    metric[1, -1] = np.nan
    np.testing.assert_array_equal(settled(steps, metric, [0.5, 0.5], TENTH), [True, False])


def test_settled_needs_a_margin():
    with pytest.raises(ValueError, match=r"margin must be above 1, got 1\.0"):
        settled([0, 1], [[1.0, 0.5]], [0.0], TENTH, margin=1.0)
