"""The law on arrays: numbers of any kind, rates that are none, and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast.optax as ours  # noqa: E402 - only where optax is
from flatfast import MomentumLaw  # noqa: E402
from tests.optax.runs import (  # noqa: E402
    LAW,
    loss,
    params,
)


def test_the_law_on_arrays_is_the_law():
    rates = np.array([0.0, 1e-6, 0.01, 0.3, 2.0, 50.0])
    np.testing.assert_allclose(ours.momentum_at(rates, 0.5), LAW(rates), atol=1e-6)
    law = MomentumLaw(C=0.3, gamma=0.5, min_momentum=0.2, max_momentum=0.97)
    found = [ours.momentum_schedule(lambda n: rates[n], law)(n) for n in range(len(rates))]
    np.testing.assert_allclose(found, law(rates), atol=1e-6)


def test_the_law_with_its_correction():
    law = MomentumLaw(C=0.2, correction=1.3)
    rates = [0.0, 1e-3, 0.1, 1.0, 1e9]
    found = [ours.momentum_schedule(lambda n: rates[n], law)(n) for n in range(len(rates))]
    np.testing.assert_allclose(found, [law(rate) for rate in rates], atol=1e-6)
    slope = jax.grad(ours.momentum_schedule(lambda lr: lr, law))
    h = 1e-4
    assert float(slope(0.1)) == pytest.approx((law(0.1 + h) - law(0.1 - h)) / (2 * h), rel=1e-3)
    assert [float(slope(rate)) for rate in (0.0, 1e9)] == [0.0, 0.0]


@pytest.mark.parametrize(
    "give", [float, np.float32, np.float64, np.asarray, jnp.asarray, lambda lr: int(lr > 0)]
)
def test_whatever_number_a_schedule_gives(give):
    rates = [0.3, 0.1, 0.0]
    found = [ours.momentum_schedule(lambda n: give(rates[n]), LAW)(n) for n in range(3)]
    wanted = [LAW(float(give(rate))) for rate in rates]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("rate", [float("nan"), -1e-3, float("inf"), 0.0])
def test_one_bad_rate_leaves_the_velocity_finite(rate):
    """A step that is thrown away, like any of ``optax.sgd``'s, costs no more than itself."""
    optimizer = optax.inject_hyperparams(ours.sgd)(learning_rate=0.1, C=0.5)
    state = optimizer.init(params())
    _, state = optimizer.update(params(), state, params())
    state.hyperparams["learning_rate"] = jnp.asarray(rate)
    updates, state = optimizer.update(params(), state, params())
    assert bool(jnp.isfinite(updates["b"])) == np.isfinite(rate)  # as optax.sgd's
    assert all(jnp.isfinite(v).all() for v in jax.tree.leaves(optax.tree.get(state, "trace")))


def trained_loss(peak, C, steps=12):
    """After a warm-up from 0 to ``peak`` and a decay back to 0, and a step below."""
    optimizer = ours.sgd(lambda n: peak * n / 5 * (2 - n / 5), C=C)
    start = jax.tree.map(lambda p: p.astype(jnp.result_type(float)), params())

    def step(carry, _):
        p, state = carry
        updates, state = optimizer.update(jax.grad(loss)(p), state, p)
        return (optax.apply_updates(p, updates), state), None

    (p, _), _ = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    return loss(p)


def test_hypergradients_are_those_of_differences():
    """With respect to a schedule's peak and to C."""
    with jax.enable_x64(True):
        at, h = (0.3, 0.5), 1e-6
        ends = jnp.array([(0.3 + h, 0.5), (0.3 - h, 0.5), (0.3, 0.5 + h), (0.3, 0.5 - h)])
        values = np.asarray(jax.jit(jax.vmap(trained_loss))(*ends.T))
        found = np.asarray(jax.jit(jax.grad(trained_loss, (0, 1)))(*at))
    differences = (values[::2] - values[1::2]) / (2 * h)
    assert np.all(np.abs(differences) > 1e-3)
    np.testing.assert_allclose(found, differences, rtol=1e-5)


def test_derivatives_are_finite_at_every_rate():
    slope = jax.jit(jax.vmap(jax.grad(ours.momentum_at), in_axes=(0, None)))
    found = np.asarray(slope(jnp.array([0.1, -1.0, -0.0, 0.0, 1e-38, 1e-6, 10.0]), 0.5))
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(-0.5 * 2 / 3 * 0.1 ** (-1 / 3))
    assert not found[1:].any()  # a clamp holds
