"""Velocities in few bits, and the types of what goes in and comes out."""

import jax
import jax.numpy as jnp
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast.optax as ours  # noqa: E402 - only where optax is
from flatfast import MomentumLaw  # noqa: E402
from tests.optax.runs import (  # noqa: E402
    LAW,
    cosine,
    params,
    train,
)


def in_type(dtype):
    return jax.tree.map(lambda p: p.astype(dtype), params())


def left_after(steps, optimizer, dtype):
    """Of a velocity that one gradient started, after steps without any."""
    start = {"w": jnp.ones(1, dtype)}
    state = optimizer.init(start)
    _, state = optimizer.update(start, state, start)
    nothing = {"w": jnp.zeros(1, dtype)}

    def step(state, _):
        return optimizer.update(nothing, state, start)[1], None

    state, _ = jax.lax.scan(step, state, length=steps)
    return float(optax.tree.get(state, "trace")["w"][0])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize(
    "make",
    [
        lambda: ours.sgd(1e-4, C=0.5),
        lambda: optax.inject_hyperparams(ours.sgd)(learning_rate=1e-4, C=0.5),
        lambda: optax.chain(ours.trace(LAW(1e-4)), optax.scale(-1e-4)),
    ],
    ids=["sgd", "injected", "trace"],
)
def test_velocities_decay_as_the_law_says_in_any_type(make, dtype):
    """In bfloat16 the momentum, 0.9989, is 1, and so is a rate that Optax has injected."""
    assert left_after(1000, make(), dtype) == pytest.approx(LAW(1e-4) ** 1000, rel=0.02)


def test_a_velocity_in_few_bits_is_had_by_asking_and_warned_of():
    with pytest.warns(RuntimeWarning, match="bfloat16 do not decay at momenta above 0.9922"):
        optimizer = ours.sgd(cosine(), C=0.5, accumulator_dtype=jnp.bfloat16)
    _, state = train(optimizer)
    assert state[0].trace["w"].dtype == jnp.bfloat16


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.3, "C": 0.5, "accumulator_dtype": jnp.bfloat16},
        {"learning_rate": cosine(), "C": 0.5, "accumulator_dtype": jnp.float32},
        {
            "learning_rate": cosine(),
            "law": MomentumLaw(0.5, max_momentum=0.98),
            "accumulator_dtype": jnp.bfloat16,
        },
    ],
)
def test_velocities_that_decay_are_not_warned_of(settings, recwarn):
    ours.sgd(**settings)
    assert not recwarn.list


@pytest.mark.parametrize(
    "wrap", [lambda o: optax.apply_if_finite(o, 3), lambda o: optax.MultiSteps(o, 1)]
)
def test_parameters_and_updates_keep_their_type(wrap):
    """Or `lax.cond`, in Optax's own wrappers, refuses the branches."""
    path, state = train(wrap(ours.sgd(cosine(), C=0.5)), 3, in_type(jnp.bfloat16))
    assert path[-1]["w"].dtype == jnp.bfloat16
    assert optax.tree.get(state, "trace")["w"].dtype == jnp.float32


def test_gradients_in_few_bits_of_parameters_in_many_lose_nothing():
    optimizer = ours.sgd(0.1, C=0.5)
    state = optimizer.init(params())
    updates, _ = optimizer.update(in_type(jnp.bfloat16), state, params())
    assert updates["w"].dtype == jnp.float32


def test_a_velocity_stored_in_few_bits_is_taken_up_in_more():
    """A checkpoint of a run whose velocities were in the parameters' type."""
    start, optimizer = in_type(jnp.bfloat16), ours.sgd(0.1, C=0.5)
    state = optimizer.init(start)
    old = (state[0]._replace(trace=start), *state[1:])
    _, new = optimizer.update(start, old, start)
    assert new[0].trace["w"].dtype == jnp.float32


def test_double_and_complex_parameters_keep_their_type():
    with jax.enable_x64(True):
        for dtype in (jnp.float64, jnp.complex64):
            start = jnp.ones(2, dtype)
            optimizer = ours.sgd(0.1, C=0.5)
            updates, state = optimizer.update(start, optimizer.init(start), start)
            assert updates.dtype == state[0].trace.dtype == dtype
