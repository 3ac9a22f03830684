"""Adam's drift against closed forms and simulated Adam; what its betas do to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.theory import (
    AdamSettings,
    NotOnManifoldError,
    adam_drift,
    following,
    jacobian,
    plateau_edge,
    rate_limit,
    root_trace,
    step_factors,
)
from flatfast.timescales import roots
from tests.theory.conftest import scalar_product

Q = 0.7
HYPERBOLA = np.array([np.exp(Q), np.exp(-Q)])
ALONG = np.array([HYPERBOLA[0], -HYPERBOLA[1]])
"""``dw/dq``."""


def simulated(model, start, noise_std, settings, wait, steps, runs):
    """Displacements of Adam over so many steps after a wait, (runs, D), and the drift told."""
    lr, beta1, beta2, eps = settings
    told = adam_drift(model, start, noise_std, settings)

    def gradient(w, noise):
        residuals, back = jax.vjp(model.residuals_at, w)
        return back((residuals - noise) / model.examples)[0]

    def step(state, key):
        w, m, v = state
        g = gradient(w, noise_std * jax.random.normal(key, (model.residual_count,)))
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        return (w - lr * m / (jnp.sqrt(v) + eps), m, v), None

    def run(key):
        first, last = jnp.split(jax.random.split(key, wait + steps), [wait])
        at = jnp.asarray(start)
        begin = at, jnp.zeros_like(at), jnp.asarray(told.preconditioner) ** -2.0
        state, _ = jax.lax.scan(step, begin, first)
        end, _ = jax.lax.scan(step, state, last)
        return end[0] - state[0]

    with jax.enable_x64(True):
        moved = np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), runs)))
    return moved, told


# --- The drift ------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise_std", [0.1, 1.0])
def test_on_the_hyperbola_it_is_a_closed_form_without_the_noise(noise_std):
    """``dq/dk = - lr^2 / 2 tanh q``, if v forgets slowly and lr is small."""
    lr = 1e-6
    found = adam_drift(scalar_product(), HYPERBOLA, noise_std, AdamSettings(lr, 0.9, 1 - 1e-9))
    expected = -(lr**2) / 2 * np.tanh(Q)
    np.testing.assert_allclose(found.drift, expected * ALONG, rtol=1e-3)
    np.testing.assert_allclose(found.preconditioner, 1 / (noise_std * HYPERBOLA[::-1]), rtol=1e-3)
    assert found.rates == pytest.approx([lr * HYPERBOLA.sum() / noise_std], rel=1e-3)
    assert root_trace(scalar_product(), HYPERBOLA) == pytest.approx(HYPERBOLA.sum())


def test_where_v_follows_one_residual_does_not_drift():
    """Both weights then take the same steps: their difference stays."""
    found = adam_drift(scalar_product(), HYPERBOLA, 0.5, AdamSettings(1e-6, 0.0, 0.0))
    assert np.abs(found.drift).max() < 1e-4 * np.abs(found.held).max()


def test_large_eps_makes_it_sgd():
    """With all of D at ``1 / eps`` the drift is that of SGD at the learning rate ``lr / eps``."""
    model, eps, lr = scalar_product(), 1e4, 1e-2
    settings = AdamSettings(lr, 0.9, 0.999, eps)
    along = ALONG / np.linalg.norm(ALONG)
    sgd = -(0.3**2) / 4 * (2 * HYPERBOLA @ along) * along * (lr / eps) ** 2
    np.testing.assert_allclose(adam_drift(model, HYPERBOLA, 0.3, settings).drift, sgd, rtol=1e-3)


@pytest.mark.parametrize(
    ("beta1", "beta2"), [(0.0, 0.9995), (0.9, 0.9995), (0.0, 0.97), (0.97, 0.97)]
)
def test_simulated_adam_drifts_as_told_on_the_hyperbola(beta1, beta2):
    """Within the first order: its error is of the size of the rates and of 1 - beta2."""
    settings = AdamSettings(0.01, beta1, beta2)
    moved, told = simulated(scalar_product(), HYPERBOLA, 0.6, settings, 200, 600, 1500)
    # u - v labels the place and does not feel the swing, which moves both alike.
    apart, held = moved @ [1, -1], abs(600 * told.held @ [1, -1])
    slack = 4 * apart.std() / len(apart) ** 0.5 + (told.rates.max() + 1 - beta2) * held
    assert slack < 0.15 * held
    assert apart.mean() == pytest.approx(600 * told.drift @ [1, -1], abs=slack)


def test_simulated_adam_drifts_as_told_on_a_network(on_manifold):
    model, point = on_manifold
    settings, steps = AdamSettings(1e-3, 0.9, 0.999), 2000
    moved, told = simulated(model, point, 0.5, settings, 1000, steps, 300)
    # The swing's own directions are those of D J^T; what is left is motion along the manifold.
    J = jacobian(model, point)
    swing = told.preconditioner[:, None] * J.T
    along = moved - (moved @ J.T) @ np.linalg.solve(J @ swing, swing.T)
    felt = told.drift * steps
    noise = np.linalg.norm(along.std(axis=0)) / len(along) ** 0.5
    assert noise < 0.05 * np.linalg.norm(felt)
    slack = 3 * noise + told.rates.max() * np.linalg.norm(felt)
    assert slack < 0.25 * np.linalg.norm(felt)
    assert np.linalg.norm(along.mean(axis=0) - felt) < slack


# --- The betas ------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta1", [0.0, 0.9])
@pytest.mark.parametrize("beta2", [0.0, 0.99])
def test_what_v_follows_is_that_of_correlations_summed(beta1, beta2):
    rate, lags = 0.05, np.arange(20_000)
    ahead = 1 + beta1 - (1 - beta1) * rate
    C = np.empty(len(lags) + 1)
    C[:2] = 1, ahead / (1 + beta1)
    for j in lags[1:]:
        C[j + 1] = ahead * C[j] - beta1 * C[j - 1]
    summed = (1 - beta2) * np.sum(beta2 ** lags.astype(float) * (C[:-1] - C[1:])) / rate
    assert following(rate, beta1, beta2) == pytest.approx(summed, rel=1e-6)


def test_what_v_follows_at_its_ends():
    assert following(1e-9, 0.9, 0.999) == pytest.approx(1 / 1.01, rel=0.01)  # γ / (α + γ)
    assert following(0.1, 0.0, 0.0) == 1
    assert following(0.1, 0.0, 0.999) == pytest.approx(0.001 / 0.101, rel=0.01)
    assert following(0.1, 0.9999, 0.99) < 0.01


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.9])
def test_factors_of_a_step_are_those_of_drawn_gradients(beta2):
    found = step_factors(beta2)
    shares = (1 - beta2) * beta2 ** np.arange(1 if beta2 == 0 else int(30 / (1 - beta2)))
    g = np.random.default_rng(0).standard_normal((40_000, len(shares)))
    v = g**2 @ shares
    drawn_factors = [g[:, 0] ** 2 / v**0.5, g[:, 0] ** 2 / v]
    if beta2 > 0:  # infinite without memory
        drawn_factors.append(v**-0.5)
    for told, drawn in zip(found, drawn_factors, strict=False):
        assert told == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 200 + 1e-9)


def test_factors_of_a_step_where_v_hardly_fluctuates():
    a = 1e-3
    found = step_factors(1 - a)
    np.testing.assert_allclose(found, [1 - 5 * a / 8, 1 - a, 1 + 3 * a / 8], atol=4 * a**2)
    assert step_factors(0.0).gain == pytest.approx((2 / np.pi) ** 0.5)


def test_factors_of_a_v_that_hardly_forgets_are_those_of_the_first_order():
    a = 1e-12  # whose gradients no memory would hold
    assert step_factors(1 - a) == pytest.approx((1 - 5 * a / 8, 1 - a, 1 + 3 * a / 8), abs=1e-15)


@pytest.mark.parametrize("slower", [1.1, 2.0])
def test_the_plateau_ends_where_the_steps_themselves_are_so_slow(slower):
    """Normalized momentum, step by step, on a drift that the noise has to raise first."""
    kappa, lr, goal = 0.5, 0.05, 0.1**0.5

    def steps_to_goal(mu):
        x, m, noise, last = 1.0, 0.0, 0.0, 0
        for k in range(int(12 / (kappa * lr**2))):
            noise += mu * (1 - noise)
            m += mu * (lr * kappa * noise * x - m)
            x -= lr * m
            last = k if abs(x) > goal else last
        return last

    found = plateau_edge(kappa, lr, slower=slower)
    assert found == pytest.approx(plateau_edge(kappa, lr / 10, slower=slower) * 100)
    plateau = np.log(1 / goal) / (kappa * lr**2)
    assert steps_to_goal(found) / plateau == pytest.approx(slower, rel=0.02)


def test_curvature_above_the_limit_is_unstable():
    """Normalized momentum is heavy ball at ``lr (1 - beta1)``."""
    for beta1 in (0.0, 0.9):
        limit = rate_limit(beta1)
        for rate, stable in ((0.99 * limit, True), (1.01 * limit, False)):
            radius = np.abs(roots((1 - beta1) * rate, beta1, 1.0)).max()
            assert (radius < 1) == stable


def test_what_is_refused():
    model, good = scalar_product(), AdamSettings(1e-3)
    with pytest.raises(NotOnManifoldError):
        adam_drift(model, np.array([2.0, 0.7]), 0.3, good)
    with pytest.raises(ValueError, match="noise_std must be positive and finite, got 0"):
        adam_drift(model, HYPERBOLA, 0.0, good)
    for name in ("beta1", "beta2"):
        with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\), got 1"):
            adam_drift(model, HYPERBOLA, 0.3, good._replace(**{name: 1.0}))
    with pytest.raises(ValueError, match="eps must be finite and at least 0, got -1"):
        adam_drift(model, HYPERBOLA, 0.3, good._replace(eps=-1.0))
    with pytest.raises(ValueError, match=r"lr 10 is too large for noise_std 0\.3"):
        adam_drift(model, HYPERBOLA, 0.3, AdamSettings(10.0, 0.0))
    with pytest.raises(ValueError, match="rate must be finite and at least 0, got -1"):
        following(-1.0, 0.9, 0.999)
    with pytest.raises(ValueError, match="slower must be above 1, got 1"):
        plateau_edge(0.5, 0.01, slower=1.0)
    with pytest.raises(ValueError, match="kappa must be positive and finite, got -1"):
        plateau_edge(-1.0, 0.01)


@pytest.mark.parametrize(("beta1", "beta2", "thrown"), [(0.999, 0.99, True), (0.9, 0.999, False)])
def test_a_weight_whose_gradient_stops_is_thrown_where_m_outlives_v(beta1, beta2, thrown):
    """``m / sqrt(v)`` then goes as ``(beta1 / sqrt(beta2))^k``."""
    rng, m, v, steps = np.random.default_rng(0), 0.0, 1.0, []
    for k in range(4000):
        g = rng.standard_normal() if k < 2000 else 0.0
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        steps.append(abs(m) / v**0.5)
    after = np.array(steps[2000:])
    np.testing.assert_allclose(after[1:] / after[:-1], beta1 / beta2**0.5, rtol=1e-6)
    assert (after.max() > 1000 * max(steps[:2000])) == thrown
