"""SGD and trace in Optax: momentum follows the schedule inside one compiled update."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast.optax as ours  # noqa: E402 - only where optax is
from flatfast import MomentumLaw  # noqa: E402

LAW = MomentumLaw(C=0.5)
CONSTANT = MomentumLaw.from_reference(0.1, 0.9)
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
    for one, other in zip(ours, theirs, strict=True):
        for name in one:
            if exact:
                assert jnp.array_equal(one[name], other[name])
            else:
                np.testing.assert_allclose(one[name], other[name], rtol=2e-5, atol=1e-7)


def by_hand(rates, momenta):
    p = {name: np.asarray(value, np.float64) for name, value in params().items()}
    velocity = {name: np.zeros_like(value) for name, value in p.items()}
    path = []
    for lr, momentum in zip(rates, momenta, strict=True):
        gradient = {"w": 0.7 * p["w"], "b": 1.2 * (p["b"] - 1)}
        velocity = {name: momentum * velocity[name] + gradient[name] for name in p}
        p = {name: p[name] - lr * velocity[name] for name in p}
        path.append(p)
    return path


# --- Equal to Optax ------------------------------------------------------------------------------


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_constant_learning_rate_gives_optax_s_sgd(nesterov):
    momentum = float(ours.momentum_at(0.1, CONSTANT.C))
    theirs, _ = train(optax.sgd(0.1, momentum=momentum, nesterov=nesterov))
    found, _ = train(ours.sgd(0.1, law=CONSTANT, nesterov=nesterov))
    assert_same(found, theirs, exact=True)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype", [None, jnp.bfloat16])
def test_a_constant_decay_gives_optax_s_trace(nesterov, dtype):
    for make in (
        lambda: ours.trace(0.9, nesterov, dtype),
        lambda: ours.trace(lambda n: 0.9, nesterov, dtype),
    ):
        found, _ = train(optax.chain(make(), optax.scale(-0.1)))
        trace = optax.trace(0.9, nesterov, dtype)
        theirs, _ = train(optax.chain(trace, optax.scale(-0.1)))
        assert_same(found, theirs, exact=True)


def test_the_velocity_keeps_the_type_it_is_given():
    optimizer = ours.sgd(cosine(), C=0.5, accumulator_dtype=jnp.bfloat16)
    _, state = train(optimizer)
    assert state[0].trace["w"].dtype == jnp.bfloat16


def test_bfloat16_parameters_stay_so():
    start = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params())
    path, state = train(ours.sgd(cosine(), C=0.5), start=start)
    assert path[-1]["w"].dtype == state[0].trace["w"].dtype == jnp.bfloat16


# --- Follows -------------------------------------------------------------------------------------


def test_momentum_follows_the_schedule():
    path, state = train(ours.sgd(cosine(), C=0.5))
    rates = [float(cosine()(n)) for n in range(STEPS)]
    assert_same(path, by_hand(rates, LAW(rates)))
    assert int(state[0].updates) == STEPS


def test_a_warm_up_from_0():
    warm_up = optax.linear_schedule(0.0, 0.3, 10)
    path, _ = train(ours.sgd(warm_up, C=0.5))
    rates = [float(warm_up(n)) for n in range(STEPS)]
    assert_same(path, by_hand(rates, LAW(rates)))


def test_the_law_on_arrays_is_the_law():
    rates = np.array([0.0, 1e-6, 0.01, 0.3, 2.0, 50.0])
    np.testing.assert_allclose(ours.momentum_at(rates, 0.5), LAW(rates), atol=1e-6)
    law = MomentumLaw(C=0.3, gamma=0.5, min_momentum=0.2, max_momentum=0.97)
    found = [ours.momentum_schedule(lambda n: rates[n], law)(n) for n in range(len(rates))]
    np.testing.assert_allclose(found, law(rates), atol=1e-6)


# --- Composes ------------------------------------------------------------------------------------


def test_chain():
    plain, _ = train(ours.sgd(cosine(), C=0.5))
    clipped, _ = train(optax.chain(optax.clip_by_global_norm(1e6), ours.sgd(cosine(), C=0.5)))
    assert_same(clipped, plain)


def test_masked():
    whole, _ = train(ours.sgd(cosine(), C=0.5))
    part, _ = train(
        optax.chain(
            optax.masked(ours.sgd(cosine(), C=0.5), {"w": True, "b": False}),
            optax.masked(optax.set_to_zero(), {"w": False, "b": True}),
        )
    )
    for one, other in zip(part, whole, strict=True):
        np.testing.assert_allclose(one["w"], other["w"], rtol=1e-6)
        assert one["b"] == params()["b"]


def test_multi_steps_counts_the_updates_made():
    whole, _ = train(ours.sgd(cosine(), C=0.5), steps=10)
    several, _ = train(optax.MultiSteps(ours.sgd(cosine(), C=0.5), 3), steps=30)
    assert_same(several[2::3], whole)


def test_inject_hyperparams_with_a_schedule():
    plain, _ = train(ours.sgd(cosine(), C=0.5))
    optimizer = optax.inject_hyperparams(ours.sgd)(learning_rate=cosine(), C=0.5)
    injected, state = train(optimizer)
    assert_same(injected, plain)
    assert float(state.hyperparams["learning_rate"]) == pytest.approx(float(cosine()(STEPS - 1)))


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


def test_inject_hyperparams_with_another_law():
    law = MomentumLaw(C=0.3, gamma=0.5)
    plain, _ = train(ours.sgd(cosine(), law=law))
    injected = optax.inject_hyperparams(ours.sgd, static_args=("law",))
    assert_same(train(injected(learning_rate=cosine(), law=law))[0], plain)


def test_a_scan():
    optimizer = ours.sgd(cosine(), C=0.5)
    plain, _ = train(optimizer)

    def step(carry, _):
        p, state = carry
        updates, state = optimizer.update(jax.grad(loss)(p), state, p)
        return (optax.apply_updates(p, updates), state), None

    (last, _), _ = jax.lax.scan(step, (params(), optimizer.init(params())), length=STEPS)
    assert_same([last], plain[-1:])


# --- What is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"C": 0.5, "law": LAW}])
def test_a_law_is_needed_and_no_two(settings):
    with pytest.raises(ValueError, match="give either C, the law's prefactor, or law"):
        ours.sgd(0.1, **settings)


@pytest.mark.parametrize("C", [0.0, -1.0, float("nan"), float("inf")])
def test_c_out_of_range(C):
    with pytest.raises(ValueError, match=f"C must be positive and finite, got {C}"):
        ours.sgd(0.1, C=C)
