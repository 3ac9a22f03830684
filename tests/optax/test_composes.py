"""What Optax and JAX make of it: parts, batches, donated buffers, checkpoints, scans."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast.optax as ours  # noqa: E402 - only where optax is
from flatfast import MomentumLaw  # noqa: E402
from tests.optax.runs import (  # noqa: E402
    LAW,
    STEPS,
    assert_same,
    by_hand,
    cosine,
    loss,
    params,
    train,
)


@cache
def plain_path():
    """What most are compared with; that it follows the law is in ``test_follows.py``."""
    return train(ours.sgd(cosine(), C=0.5))[0]


def test_masked():
    whole = plain_path()
    part, _ = train(
        optax.chain(
            optax.masked(ours.sgd(cosine(), C=0.5), {"w": True, "b": False}),
            optax.masked(optax.set_to_zero(), {"w": False, "b": True}),
        )
    )
    for one, other in zip(part, whole, strict=True):
        np.testing.assert_allclose(one["w"], other["w"], rtol=1e-6)
        assert one["b"] == params()["b"]


def test_two_laws_for_two_parts():
    other = MomentumLaw(C=1.0)
    labels = {"w": "one", "b": "other"}
    parts = {"one": ours.sgd(cosine(), law=LAW), "other": ours.sgd(cosine(), law=other)}
    found, _ = train(optax.multi_transform(parts, labels))
    rates = [float(cosine()(n)) for n in range(STEPS)]
    for law, name in ((LAW, "w"), (other, "b")):
        wanted = by_hand(rates, law(rates))[-1]
        np.testing.assert_allclose(found[-1][name], wanted[name], rtol=2e-5)


def test_many_rates_and_prefactors_at_once():
    rates, prefactors = jnp.array([0.3, 0.03, 0.0]), jnp.array([0.5, 2.0, 0.5])

    def last(lr, C):
        optimizer = ours.sgd(lr, C=C)
        p, state = params(), optimizer.init(params())
        for _ in range(5):
            updates, state = optimizer.update(jax.grad(loss)(p), state, p)
            p = optax.apply_updates(p, updates)
        return p

    found = jax.jit(jax.vmap(last))(rates, prefactors)
    for n in range(len(rates)):
        alone = by_hand(
            [float(rates[n])] * 5, [MomentumLaw(float(prefactors[n]))(float(rates[n]))] * 5
        )
        assert_same([jax.tree.map(lambda p, n=n: p[n], found)], alone[-1:])


def test_donated_buffers():
    optimizer = ours.sgd(cosine(), C=0.5)

    def step(p, state):
        updates, state = optimizer.update(jax.grad(loss)(p), state, p)
        return optax.apply_updates(p, updates), state

    donating = jax.jit(step, donate_argnums=(0, 1))
    p, state = params(), optimizer.init(params())
    for _ in range(5):
        p, state = donating(p, state)
    assert_same([p], plain_path()[4:5])


def test_a_run_goes_on_from_its_checkpoint():
    """The state as plain arrays and back, as every library of checkpoints keeps it."""
    optimizer = ours.sgd(cosine(), C=0.5)
    p, state = params(), optimizer.init(params())
    step = jax.jit(lambda p, s: optimizer.update(jax.grad(loss)(p), s, p))
    for n in range(STEPS):
        if n == STEPS // 2:
            leaves, structure = jax.tree.flatten((p, state))
            kept = [np.asarray(leaf) for leaf in leaves]
            assert structure == jax.tree.structure((params(), optimizer.init(params())))
            p, state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in kept])
        updates, state = step(p, state)
        p = optax.apply_updates(p, updates)
    assert_same([p], plain_path()[-1:])


def test_multi_steps_counts_the_updates_made():
    several, _ = train(optax.MultiSteps(ours.sgd(cosine(), C=0.5), 3), steps=30)
    assert_same(several[2::3], plain_path()[:10])


def test_inject_hyperparams_by_hand():
    """Learning rate and C changed in the state, without compiling again."""
    optimizer = optax.inject_hyperparams(ours.sgd)(learning_rate=0.3, C=0.5)
    p = params()
    state = optimizer.init(p)

    @jax.jit
    def step(p, state):
        updates, state = optimizer.update(jax.grad(loss)(p), state, p)
        return optax.apply_updates(p, updates), state

    rates, Cs, path = [0.3, 0.1, 0.1, 0.02, 0.3], [0.5, 0.5, 1.0, 1.0, 0.5], []
    for lr, C in zip(rates, Cs, strict=True):
        state.hyperparams["learning_rate"] = jnp.asarray(lr)
        state.hyperparams["C"] = jnp.asarray(C)
        p, state = step(p, state)
        path.append(p)
    momenta = [MomentumLaw(C=C)(lr) for lr, C in zip(rates, Cs, strict=True)]
    assert_same(path, by_hand(rates, momenta))
    assert step._cache_size() <= 2  # the first state holds Python's types


def test_inject_hyperparams_takes_a_law_for_a_schedule_and_is_told():
    injected = optax.inject_hyperparams(ours.sgd)(learning_rate=0.1, law=LAW)
    with pytest.raises(TypeError, match='static_args=\\("law",\\)'):
        injected.init(params())


def test_a_scan():
    optimizer = ours.sgd(cosine(), C=0.5)

    def step(carry, _):
        p, state = carry
        updates, state = optimizer.update(jax.grad(loss)(p), state, p)
        return (optax.apply_updates(p, updates), state), None

    (last, _), _ = jax.lax.scan(step, (params(), optimizer.init(params())), length=STEPS)
    assert_same([last], plain_path()[-1:])
