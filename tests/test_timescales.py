"""Closed forms against brute force on the recurrence ``p <- beta p + g; w <- w - lr p``."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flatfast import timescales as ts

momenta = st.floats(0, 0.9999)
# g = lr * curvature in units of the stability limit, down to very overdamped modes
fractions = st.floats(1e-9, 0.9999)
curvatures = st.floats(1e-6, 1e6)


def transition(lr, momentum, curvature, nesterov=False):
    """The matrix that takes (w, p) one step on."""
    beta, lam = momentum, curvature
    if nesterov:  # w - lr (g + beta p'), p' = beta p + g
        return np.array([[1 - lr * lam * (1 + beta), -lr * beta**2], [lam, beta]])
    return np.array([[1 - lr * lam, -lr * beta], [lam, beta]])


@given(momenta, fractions, curvatures, st.booleans())
def test_roots_are_the_eigenvalues_of_a_step(momentum, fraction, curvature, nesterov):
    lr = fraction * float(ts.stability_limit(momentum, curvature, nesterov=nesterov))
    # Without units the matrix is well scaled: curvature 1, lr * curvature.
    matrix = transition(lr * curvature, momentum, 1.0, nesterov)
    slow, fast = ts.roots(lr, momentum, curvature, nesterov=nesterov)
    # Two numbers are the eigenvalues if their sum and product are trace and determinant.
    assert abs(slow + fast - np.trace(matrix)) < 1e-12
    assert abs(slow * fast - np.linalg.det(matrix)) < 1e-12


@given(momenta, fractions, curvatures, st.booleans())
def test_tau_1_is_the_decay_of_the_slowest_root(momentum, fraction, curvature, nesterov):
    lr = fraction * float(ts.stability_limit(momentum, curvature, nesterov=nesterov))
    slow, fast = ts.roots(lr, momentum, curvature, nesterov=nesterov)
    assert abs(slow) >= abs(fast) - 1e-15
    assume(1 - abs(slow) > 1e-6 and abs(slow) > 1e-6)
    time = float(ts.tau_1(lr, momentum, curvature, nesterov=nesterov))
    assert time == pytest.approx(-1 / math.log(abs(slow)), rel=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(
    ("lr", "momentum", "curvature"),
    [(0.01, 0.9, 1.0), (0.001, 0.9, 0.5), (0.1, 0.99, 3.0), (0.5, 0.2, 1.5), (1e-4, 0.5, 1.0)],
)
def test_tau_1_is_the_decay_of_a_simulation(lr, momentum, curvature, nesterov):
    time = float(ts.tau_1(lr, momentum, curvature, nesterov=nesterov))
    step = transition(lr, momentum, curvature, nesterov)
    # Over 40 times, a norm that weighs both coordinates falls by exp(-40), up to a factor.
    count = round(40 * time)
    state = np.linalg.matrix_power(step, count) @ np.array([1.0, 0.0])
    envelope = np.linalg.norm(state * [1.0, math.sqrt(lr / curvature)])
    assert -math.log(envelope) == pytest.approx(40, abs=4)


@given(momenta, curvatures, st.booleans())
def test_stability_limit_is_where_a_root_reaches_one(momentum, curvature, nesterov):
    limit = float(ts.stability_limit(momentum, curvature, nesterov=nesterov))
    below, above = (
        max(abs(np.linalg.eigvals(transition(share * limit * curvature, momentum, 1.0, nesterov))))
        for share in (0.999, 1.001)
    )
    assert below < 1 < above
    assert np.isfinite(ts.tau_1(0.999 * limit, momentum, curvature, nesterov=nesterov))
    assert np.isinf(ts.tau_1(1.001 * limit, momentum, curvature, nesterov=nesterov))
    assert np.isinf(ts.tau_1(limit, momentum, curvature, nesterov=nesterov))


@given(st.floats(0.5, 0.9999), curvatures)
def test_overdamped_asymptote(momentum, curvature):
    mu = 1 - momentum
    lr = 1e-6 * mu**2 / curvature
    exact = float(ts.tau_1(lr, momentum, curvature))
    assert exact == pytest.approx(float(ts.tau_1_overdamped(lr, momentum, curvature)), rel=1e-4)


@given(st.floats(1e-6, 1e-3), st.floats(0.01, 0.9), curvatures)
def test_underdamped_asymptote(mu, share, curvature):
    momentum = 1 - mu
    lr = share * float(ts.stability_limit(momentum, curvature))
    assume(lr * curvature > mu**2)
    exact = float(ts.tau_1(lr, momentum, curvature))
    assert exact == pytest.approx(float(ts.tau_1_underdamped(momentum)), rel=2e-3)


def test_tiny_rates_lose_no_digits():
    # 1 - |z| is 1e-12 here: computed from z itself it would keep four digits
    assert float(ts.tau_1(1e-12, 0.0, 1.0)) == pytest.approx(1e12, rel=1e-9)
    assert float(ts.tau_1(1e-16, 0.9, 1.0)) == pytest.approx(1e15, rel=1e-9)


@given(momenta, fractions, curvatures)
def test_regimes(momentum, fraction, curvature):
    lr = fraction * float(ts.stability_limit(momentum, curvature))
    roots = np.linalg.eigvals(transition(lr * curvature, momentum, 1.0))
    assume(np.ptp(roots.real) > 1e-6 or np.ptp(roots.imag) > 1e-6)
    kind = ts.regime(lr, momentum, curvature)
    if np.ptp(roots.imag) > 0:
        assert kind == "underdamped"
    else:
        assert kind == ("overdamped" if roots[np.argmax(abs(roots))] > 0 else "alternating")


@given(st.floats(0.01, 0.9999), curvatures)
def test_border_of_overdamping(momentum, lr):
    border = float(ts.overdamped_below(lr, momentum))
    assert ts.regime(lr, momentum, 0.99 * border) == "overdamped"
    assert ts.regime(lr, momentum, 1.01 * border) == "underdamped"


def test_unstable():
    assert ts.regime(4.0, 0.9, 1.0) == "unstable"


@given(st.floats(0, 0.999), st.floats(1e-4, 0.99), curvatures, st.floats(1e-3, 1e3))
def test_stationary_variance_solves_the_covariance_equation(momentum, share, curvature, noise):
    lr = share * float(ts.stability_limit(momentum, curvature))
    # Without units: curvature 1 and noise variance 1.
    g = lr * curvature
    step = transition(g, momentum, 1.0)
    kick = np.array([-g, 1.0])
    # vec(S) = (step x step) vec(S) + vec(kick kick^T)
    left = np.eye(4) - np.kron(step, step)
    covariance = np.linalg.solve(left, np.outer(kick, kick).ravel()).reshape(2, 2)
    expected = covariance[0, 0] * noise / curvature**2
    found = float(ts.stationary_variance(lr, momentum, curvature, noise))
    assert found == pytest.approx(expected, rel=1e-5)


def test_stationary_variance_is_that_of_a_noisy_simulation():
    lr, momentum, curvature, noise = 0.05, 0.8, 2.0, 0.7
    rng = np.random.default_rng(0)
    runs = 4000
    w, p = np.zeros(runs), np.zeros(runs)
    squares = []
    for step in range(3000):
        p = momentum * p + curvature * w + math.sqrt(noise) * rng.standard_normal(runs)
        w = w - lr * p
        if step >= 200 and step % 100 == 0:  # a hundred steps are many memories: fresh draws
            squares.append(w**2)
    found = np.concatenate(squares)
    error = found.std() / math.sqrt(found.size)
    assert abs(found.mean() - ts.stationary_variance(lr, momentum, curvature, noise)) < 4 * error
    assert error < 0.01 * found.mean()


@given(st.floats(1e-4, 1e-2), curvatures, st.floats(0.01, 10), st.integers(1, 1000))
def test_label_noise_variance_is_the_leading_order(mu, curvature, noise_std, examples):
    lr = 1e-3 / curvature
    exact = ts.stationary_variance(lr, 1 - mu, curvature, noise_std**2 * curvature / examples)
    leading = ts.label_noise_variance(lr, 1 - mu, noise_std, examples)
    assert float(exact) == pytest.approx(float(leading), rel=2e-3)


def test_at_and_above_the_limit_the_variance_is_infinite():
    assert np.isinf(ts.stationary_variance(3.8, 0.9, 1.0, 1.0))
    assert np.isinf(ts.stationary_variance(5.0, 0.9, 1.0, 1.0))


@given(st.floats(1e-6, 1), st.floats(0, 0.999), st.floats(1e-3, 1e3))
def test_kappa_of_a_drift_does_not_depend_on_the_pilot(lr, momentum, flow_time):
    noise_std, examples = 0.3, 50.0
    steps = ts.tau_2(lr, momentum, flow_time, noise_std, examples)
    kappa = ts.kappa_from_pilot(lr, momentum, steps)
    assert float(kappa) == pytest.approx(noise_std**2 / (4 * examples * flow_time), rel=1e-9)


def test_the_two_ways_to_the_prefactor_agree():
    # A flow that relaxes at rate h takes the time 1 / h to fall to 1/e.
    noise_std, h, examples = 0.1, 164.0, 120
    steps = ts.tau_2(0.01, 0.95, 1 / h, noise_std, examples)
    from_pilot = ts.prefactor_from_kappa(ts.kappa_from_pilot(0.01, 0.95, steps))
    direct = ts.prefactor_from_curvature(noise_std, h, examples)
    assert float(from_pilot) == pytest.approx(float(direct), rel=1e-12)
    assert float(direct) == pytest.approx((noise_std**2 * h / examples) ** (1 / 3), rel=1e-12)


def test_tau_2_scales_as_mu_over_lr_squared():
    base = ts.tau_2(0.01, 0.9, 1.0, 0.1, 100)
    assert float(ts.tau_2(0.02, 0.9, 1.0, 0.1, 100)) == pytest.approx(float(base) / 4)
    assert float(ts.tau_2(0.01, 0.8, 1.0, 0.1, 100)) == pytest.approx(float(base) * 4)


def test_the_times_meet_on_the_law():
    """tau_1 = tau_2 at a mu that goes as lr^(2/3): the law, from the two closed forms."""
    grid = np.geomspace(1e-5, 0.5, 20_000)
    crossings = []
    for lr in (1e-6, 1e-5, 1e-4):
        gap = ts.tau_1_underdamped(1 - grid) - ts.tau_2(lr, 1 - grid, 0.01, 0.1, 100)
        crossings.append(grid[np.argmin(np.abs(gap / ts.tau_1_underdamped(1 - grid)))])
    slopes = np.diff(np.log(crossings)) / math.log(10)
    np.testing.assert_allclose(slopes, 2 / 3, atol=2e-3)


def test_arrays_broadcast():
    found = ts.tau_1(np.array([[0.01], [0.02]]), np.array([0.5, 0.9, 0.99]), 1.0)
    assert found.shape == (2, 3)
    assert float(found[1, 2]) == float(ts.tau_1(0.02, 0.99, 1.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ts.tau_1(0.1, 1.0), r"momentum must be in \[0, 1\), got 1.0"),
        (lambda: ts.tau_1(0.1, np.array([0.5, -0.1])), r"momentum must be in \[0, 1\), got -0.1"),
        (lambda: ts.tau_1(0.0, 0.9), "lr must be positive and finite, got 0.0"),
        (lambda: ts.tau_1(0.1, 0.9, -1.0), "curvature must be positive and finite, got -1.0"),
        (lambda: ts.stationary_variance(0.1, 0.9, 1, -1), "noise_variance must be at least 0"),
        (lambda: ts.tau_2(0.1, 0.9, 0.0, 1, 1), "flow_time must be positive"),
        (lambda: ts.kappa_from_pilot(0.1, 0.9, np.nan), "relaxation_steps must be positive"),
        (lambda: ts.prefactor_from_kappa(0.0), "kappa must be positive and finite, got 0.0"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
