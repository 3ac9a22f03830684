"""tau_1 and tau_2 of trajectories whose times are known."""

import numpy as np
import pytest
from scipy.linalg import toeplitz
from scipy.signal import lfilter

from flatfast import timescales
from flatfast.theory import decay_time, flow_relaxation, relaxation_time
from tests.theory.conftest import scalar_product

START = np.array([np.e, 1 / np.e])


def heavy_ball(lr, momentum, curvature, *, runs, decays, seed=0):
    """Stationary coordinates of a mode under white noise, their stride and their tau_1."""
    tau = float(timescales.tau_1(lr, momentum, curvature))
    stride = max(1, int(min(tau / 40, 0.4 / (lr * curvature) ** 0.5)))
    steps = round((6 + decays) * tau)
    noise = np.random.default_rng(seed).standard_normal((runs, steps))
    x = lfilter([1], [1, -(1 + momentum - lr * curvature), momentum], noise, axis=1)
    return x[:, round(6 * tau) :: stride], stride, tau


REGIMES = {
    "underdamped, many swings": (1e-2, 0.99),
    "underdamped, hardly a swing": (1e-4, 0.99),
    "overdamped, nearly critical": (1.5e-5, 0.99),
    "overdamped": (2e-6, 0.99),
    "fast and underdamped": (0.2, 0.7),
    "fast and overdamped": (1e-3, 0.4),
}


@pytest.mark.parametrize("name", REGIMES)
def test_a_damped_oscillator(name):
    """Within three of its own standard errors, which are small, and in the right regime."""
    lr, momentum = REGIMES[name]
    x, stride, tau = heavy_ball(lr, momentum, 1.0, runs=40, decays=24)
    found = decay_time(x, stride)
    assert found.decay.relative_error < 0.2
    assert abs(np.log(found.decay.time / tau)) < 3 * found.decay.relative_error
    first, _ = timescales.roots(lr, momentum)
    if first.imag:
        assert found.frequency == pytest.approx(abs(np.angle(first)), rel=0.1)
    elif name != "overdamped, nearly critical":
        assert found.frequency == 0
    assert found.misfit < 0.03


@pytest.mark.parametrize("name", ["underdamped, many swings", "overdamped"])
def test_intervals_cover(name):
    """Of 60 samples 57, in the mean; below 52 has a chance of 3 in 1000."""
    lr, momentum = REGIMES[name]
    covered = 0
    for seed in range(60):
        x, stride, tau = heavy_ball(lr, momentum, 1.0, runs=16, decays=16, seed=seed)
        found = decay_time(x, stride).decay
        covered += found.low <= tau <= found.high
    assert covered >= 52


@pytest.mark.parametrize("name", REGIMES)
def test_exact_where_the_autocorrelation_is(name):
    """Runs made so that their mean products are, at every lag, what a step's equation implies."""
    lr, momentum = REGIMES[name]
    tau = float(timescales.tau_1(lr, momentum))
    stride, records = max(1, int(min(tau / 40, 0.4 / lr**0.5))), 400
    correlation = [1.0, (1 + momentum - lr) / (1 + momentum)]
    while len(correlation) <= stride * records:
        correlation.append((1 + momentum - lr) * correlation[-1] - momentum * correlation[-2])
    covariance = toeplitz(correlation[: stride * records : stride])
    values, vectors = np.linalg.eigh(covariance)
    rng = np.random.default_rng(0)
    # Orthonormal columns, the first of ones: the others have no mean.
    columns = np.column_stack([np.ones(records + 1), rng.standard_normal((records + 1, records))])
    runs = np.linalg.qr(columns)[0][:, 1:] @ (vectors * np.sqrt(np.maximum(values, 0))).T
    found = decay_time(runs, stride)
    assert found.decay.time == pytest.approx(tau, rel=1e-4)
    assert found.misfit < 1e-6


def test_what_runs_do_in_common_is_no_decay():
    x, stride, tau = heavy_ball(1e-2, 0.99, 1.0, runs=40, decays=24)
    drifting = x + np.linspace(0, 30, x.shape[1]) * x.std()
    together, alone = decay_time(drifting, stride), decay_time(x, stride)
    assert together.decay.time == pytest.approx(alone.decay.time, rel=1e-6)
    assert together.decay.time == pytest.approx(tau, rel=0.3)


def test_an_exponential_relaxation():
    """Between records, too: a line in log excess is exact."""
    steps = np.arange(0, 1000, 70)
    levels = np.random.default_rng(0).uniform(1, 3, 12)
    values = 5 + levels[:, None] * np.exp(-steps / 321.0)
    assert relaxation_time(steps, values, end=5.0).time == pytest.approx(321, rel=1e-9)
    half = relaxation_time(steps, values, end=5.0, share=0.5)
    assert half.time == pytest.approx(321 * np.log(2), rel=1e-9)
    assert half.relative_error < 1e-9


def test_the_interval_of_a_relaxation():
    """Runs with rates of their own: covered in 95 of a hundred, within the binomial's spread."""
    rng = np.random.default_rng(1)
    steps = np.linspace(0, 3, 61)
    draws = np.exp(-np.exp(0.5 * rng.standard_normal(200_000))[:, None] * steps).mean(axis=0)
    truth = np.interp(-np.exp(-1), -draws, steps)
    covered = 0
    for _ in range(100):
        rates = np.exp(0.5 * rng.standard_normal(12))
        found = relaxation_time(steps, np.exp(-rates[:, None] * steps), end=0.0)
        covered += found.low <= truth <= found.high
    assert covered >= 88


def flow_time():
    """``sinh 2q`` falls as ``exp(-4 S)`` from q = 1; the excess of the trace is 2 cosh 2q - 2."""
    goal = 1 + (np.cosh(2) - 1) / np.e
    return np.log(np.sinh(2) / np.sinh(np.arccosh(goal))) / 4


def test_tau_2_of_the_flow_in_closed_form():
    found = flow_relaxation(scalar_product(), START)
    assert found.fraction == pytest.approx(np.exp(-1))
    assert found.end == pytest.approx(2, abs=1e-2)
    assert found.time == pytest.approx(flow_time(), rel=2e-3)
    assert found.rate == pytest.approx(1 / (2 * found.time))


def test_tau_2_of_simulated_runs():
    """Where friction is well above the crossing, within three standard errors and 2%."""
    lr, mu, noise_std, runs = 1e-4, 0.015, 0.5, 64
    told = float(timescales.tau_2(lr, 1 - mu, flow_time(), noise_std, 1))
    rng = np.random.default_rng(0)
    u, v = np.full(runs, START[0]), np.full(runs, START[1])
    p, q = np.zeros(runs), np.zeros(runs)
    steps, values = [0], [u**2 + v**2]
    for step in range(1, round(1.5 * told) + 1):
        error = u * v - 1 - noise_std * rng.standard_normal(runs)
        p, q = (1 - mu) * p + error * v, (1 - mu) * q + error * u
        u, v = u - lr * p, v - lr * q
        if step % 500 == 0:
            # Gradient flow conserves u^2 - v^2, and ends where u v = 1.
            steps.append(step)
            values.append(np.sqrt((u**2 - v**2) ** 2 + 4))
    found = relaxation_time(steps, np.transpose(values), end=2.0)
    assert abs(np.log(found.time / told)) < 3 * found.relative_error + 0.02


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"at least 4 runs and 2 records, got \(3, 9\)"):
        decay_time(np.zeros((3, 9)))
    with pytest.raises(ValueError, match="must be finite"):
        relaxation_time(np.arange(2), np.full((4, 2), np.nan), end=0.0)
    with pytest.raises(ValueError, match="must vary between runs"):
        decay_time(np.ones((4, 100)))
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        decay_time(np.ones((4, 100)), 0)
    walks = np.cumsum(np.random.default_rng(0).standard_normal((8, 200)), axis=1)
    with pytest.raises(ValueError, match="shorter than 4 times the decay"):
        decay_time(walks)
    falling = np.tile(np.linspace(2, 1, 5), (4, 1))
    with pytest.raises(ValueError, match=r"falls to 0\.5 of its start in 4 steps, not to 0\.368"):
        relaxation_time(np.arange(5), falling, end=0.0)
    with pytest.raises(ValueError, match="end must be below the mean start 2, got 3"):
        relaxation_time(np.arange(5), falling, end=3.0)
    with pytest.raises(ValueError, match="steps must ascend, one to each of 5 records"):
        relaxation_time(np.arange(4), falling, end=0.0)
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\), got 1"):
        relaxation_time(np.arange(5), falling, end=0.0, share=1)
