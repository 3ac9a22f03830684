"""A small training in Optax, and what is asserted of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from flatfast import MomentumLaw

LAW = MomentumLaw(C=0.5)
STEPS = 30


def cosine():
    return optax.cosine_decay_schedule(0.3, STEPS)


def params():
    return {"w": jnp.array([1.3, -0.4], jnp.float32), "b": jnp.array(0.2, jnp.float32)}


def loss(p):
    return 0.35 * jnp.sum(p["w"] ** 2) + 0.6 * (p["b"] - 1) ** 2


def train(optimizer, steps=STEPS, start=None):
    """Parameters after each step, of one jitted step."""
    p = params() if start is None else start
    state = optimizer.init(p)

    @jax.jit
    def step(p, state):
        updates, state = optimizer.update(jax.grad(loss)(p), state, p)
        return optax.apply_updates(p, updates), state

    path = []
    for _ in range(steps):
        p, state = step(p, state)
        path.append(p)
    assert step._cache_size() == 1  # compiled once
    return path, state


def assert_same(ours, theirs, exact=False):
    """Paths of parameters, up to the rounding of float32 if they need not be exact."""
    for one, other in zip(ours, theirs, strict=True):
        for name in one:
            if exact:
                assert jnp.array_equal(one[name], other[name])
            else:
                np.testing.assert_allclose(one[name], other[name], rtol=2e-5, atol=1e-7)


def by_hand(rates, momenta):
    """The path of heavy-ball SGD, in double precision."""
    p = {name: np.asarray(value, np.float64) for name, value in params().items()}
    velocity = {name: np.zeros_like(value) for name, value in p.items()}
    path = []
    for lr, momentum in zip(rates, momenta, strict=True):
        gradient = {"w": 0.7 * p["w"], "b": 1.2 * (p["b"] - 1)}
        velocity = {name: momentum * velocity[name] + gradient[name] for name in p}
        p = {name: p[name] - lr * velocity[name] for name in p}
        path.append(p)
    return path


def assert_follows(optimizer, schedule, law=LAW):
    """The optimizer's path is that of heavy-ball SGD by hand, with the law's momenta.

    Args:
        optimizer: The optimizer, or what it became in the hands of Optax.
        schedule: Its learning rates.
        law: From learning rate to momentum.

    Returns:
        The state at the end.
    """
    path, state = train(optimizer)
    rates = [float(rate) for rate in jax.jit(jax.vmap(schedule))(jnp.arange(STEPS))]
    momenta = [law(max(rate, 0.0)) for rate in rates]
    assert_same(path, by_hand(rates, momenta))
    return state
