"""The limit dynamics against their equations on the hyperbola, and against simulated SGD."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    flow_end,
    flow_on_manifold,
    hessian_trace,
    jacobian,
    limit_ensemble,
    limit_path,
)
from tests.theory.conftest import scalar_product

EPS, START = 0.5, np.array([np.e, 1 / np.e])
TIMES = np.linspace(0, 6, 31)


def on_the_hyperbola(C):
    """``u = exp(q), v = exp(-q)``: metric and sharpness are ``g = λ = 2 cosh 2q``."""

    def derivative(t, state):
        q, speed, c = state
        g, slope = 2 * np.cosh(2 * q), 4 * np.sinh(2 * q)
        turning = -slope / (2 * g) * speed**2
        return [
            speed,
            turning - C * speed - c * slope / (2 * g),
            -C * c + EPS**2 / 2 - c * slope / (2 * g) * speed,
        ]

    return solve_ivp(derivative, (0, 6), [1, 0, 0], t_eval=TIMES, rtol=1e-10, atol=1e-12).y


@pytest.mark.parametrize("C", [0.5, 1.5, 4.0])
def test_the_limit_of_the_scalar_product(C):
    path = limit_path(scalar_product(), START, C=C, noise_std=EPS, times=TIMES)
    q, _, c = on_the_hyperbola(C)
    np.testing.assert_allclose(path.points, np.stack([np.exp(q), np.exp(-q)], axis=1), rtol=1e-4)
    np.testing.assert_allclose(path.variances[:, 0], c, atol=1e-5)


def test_the_flow_of_the_scalar_product():
    times = np.linspace(0, 4, 9)
    path = flow_on_manifold(scalar_product(), START, noise_std=EPS, times=times)
    # dq/ds = -eps^2/4 λ'/g = -eps^2/2 tanh 2q, so that sinh 2q falls as exp(-eps^2 s).
    q = np.arcsinh(np.sinh(2) * np.exp(-(EPS**2) * times)) / 2
    np.testing.assert_allclose(path.points[:, 0], np.exp(q), rtol=1e-5)


def test_a_large_c_leaves_the_flow():
    """In the time ``t / C^2`` the heavy ball creeps as the flow does."""
    C, seconds = 10.0, np.array([0.0, 2.0, 4.0])
    limit = limit_path(scalar_product(), START, C=C, noise_std=EPS, times=seconds * C**2)
    flow = flow_on_manifold(scalar_product(), START, noise_std=EPS, times=seconds)
    np.testing.assert_allclose(limit.points, flow.points, rtol=3e-3)


def test_a_path_stays_on_the_manifold_and_gets_flatter(on_manifold):
    model, start = on_manifold
    path = limit_path(model, start, C=1.0, noise_std=EPS, times=np.linspace(0, 20, 5))
    with jax.enable_x64(True):
        left = [float(model.loss_at(jnp.asarray(point))) for point in path.points]
    assert max(left) < 1e-10
    assert path.variances.shape == (5, model.examples)
    sharpness = [hessian_trace(model, point) for point in path.points]
    assert sharpness[-1] < 0.9 * sharpness[0]


def test_a_path_goes_on_past_lost_rank():
    """Matrix sensing of a rank-1 matrix: eigenvalues across the manifold fade on the way to it."""
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((10, 6, 6))
    measurements = raw + raw.transpose(0, 2, 1)
    factor = rng.standard_normal(6) / 6**0.5
    targets = np.einsum("pij,i,j->p", measurements, factor, factor)
    model = SquaredError(
        lambda U: jnp.einsum("pij,ik,jk->p", measurements, U, U) - targets, np.eye(6)
    )
    start = flow_end(model, model.flat(np.eye(6))).point
    times = np.linspace(0, 60, 7)
    path = limit_path(model, start, C=0.5, noise_std=0.5, times=times, tolerance=1e-4)
    last = jacobian(model, path.points[-1])
    fading = np.linalg.eigvalsh(last @ last.T)
    assert fading[0] < 1e-6 * fading[-1]
    sharpness = [hessian_trace(model, point) for point in path.points]
    assert (np.diff(sharpness) < 1e-3).all()
    assert sharpness[-1] < 0.5 * sharpness[0]


def test_a_path_that_cannot_be_followed_says_how_far_it_came(monkeypatch):
    monkeypatch.setattr("flatfast.theory.solver.MAX_STEPS", 10)
    with pytest.raises(RuntimeError, match=r"followed to t = 1\.2 of 6 in 10 steps"):
        limit_path(scalar_product(), START, C=1.0, noise_std=EPS, times=TIMES)


def test_the_mean_of_simulated_sgd():
    """At C = 3, where the one mode's randomness matters little: within the ensemble's error."""
    lr, C, runs = 2e-5, 3.0, 2000
    times = np.arange(1, 7.0)
    mu, per = C * lr ** (2 / 3), round(lr ** (-2 / 3))

    def run(key):
        def step(state, key):
            w, p = state
            error = w[0] * w[1] - 1 - EPS * jax.random.normal(key)
            p = (1 - mu) * p + error * w[::-1]
            return (w - lr * p, p), None

        def unit(state, key):
            state, _ = jax.lax.scan(step, state, jax.random.split(key, per))
            return state, state[0][0] ** 2 - state[0][1] ** 2

        start = (jnp.asarray(START), jnp.zeros(2))
        return jax.lax.scan(unit, start, jax.random.split(key, len(times)))[1]

    with jax.enable_x64(True):
        found = np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), runs)))
    path = limit_path(scalar_product(), START, C=C, noise_std=EPS, times=np.append(0, times))
    told = (path.points[:, 0] ** 2 - path.points[:, 1] ** 2)[1:]
    error = found.std(axis=0) / runs**0.5
    assert (error < 0.002 * told[0]).all()
    assert (np.abs(found.mean(axis=0) - told) < 4 * error + 0.001 * told[0]).all()


def random_on_the_hyperbola(C, runs, dt, steps):
    """``u^2 - v^2`` of the limit with random amplitudes, by the plain Euler scheme."""
    rng = np.random.default_rng(0)
    q, speed, a = np.ones(runs), np.zeros(runs), np.zeros(runs, complex)
    for _ in range(steps):
        g, slope = 2 * np.cosh(2 * q), 4 * np.sinh(2 * q)
        noise = rng.standard_normal(runs) + 1j * rng.standard_normal(runs)
        force = -(slope / (2 * g)) * (speed**2 + abs(a) ** 2) - C * speed
        a = a * (1 - dt * (C / 2 + slope / (4 * g) * speed)) + EPS / 2 * dt**0.5 * noise
        q, speed = q + dt * speed, speed + dt * force
    return 2 * np.sinh(2 * q)


@pytest.mark.parametrize("C", [0.5, 1.5])
def test_the_mean_of_random_amplitudes_on_the_hyperbola(C):
    """Against the same equations in the hyperbola's own coordinate."""
    runs, dt, steps = 4000, 0.005, 800
    told = random_on_the_hyperbola(C, runs, dt, steps)
    points = limit_ensemble(
        scalar_product(),
        START,
        C=C,
        noise_std=EPS,
        times=[0.0, steps * dt],
        runs=2000,
        key=jax.random.key(0),
    )
    found = points[:, -1, 0] ** 2 - points[:, -1, 1] ** 2
    error = np.hypot(found.std() / 2000**0.5, told.std() / runs**0.5)
    assert abs(found.mean() - told.mean()) < 4 * error
    assert found.std() == pytest.approx(told.std(), rel=0.08)
    np.testing.assert_allclose(points[:, -1, 0] * points[:, -1, 1], 1, atol=1e-3)


def test_what_is_refused():
    with pytest.raises(NotOnManifoldError):
        limit_path(scalar_product(), START * 1.1, C=1.0, noise_std=EPS, times=TIMES)
    with pytest.raises(ValueError, match="C must be positive and finite, got 0"):
        limit_path(scalar_product(), START, C=0, noise_std=EPS, times=TIMES)
    with pytest.raises(ValueError, match="runs must be at least 1, got 0"):
        limit_ensemble(
            scalar_product(),
            START,
            C=1.0,
            noise_std=EPS,
            times=TIMES,
            runs=0,
            key=jax.random.key(0),
        )
