"""SGD and trace in Optax: momentum follows the schedule inside one compiled update."""

import re

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


# --- Few bits ------------------------------------------------------------------------------------


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


# --- Rates that are no rates ---------------------------------------------------------------------


def test_a_schedule_that_runs_below_zero_keeps_momentum_at_its_ceiling():
    def line(count):
        return 0.3 * (1 - count / 20)

    path, _ = train(ours.sgd(line, C=0.5))
    rates = [line(n) for n in range(STEPS)]
    assert min(rates) < 0
    assert_same(path, by_hand(rates, [LAW(max(rate, 0.0)) for rate in rates]))


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


# --- Differentiates ------------------------------------------------------------------------------


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


def test_two_laws_for_two_parts():
    other = MomentumLaw(C=1.0)
    labels = {"w": "one", "b": "other"}
    parts = {"one": ours.sgd(cosine(), law=LAW), "other": ours.sgd(cosine(), law=other)}
    found, _ = train(optax.multi_transform(parts, labels))
    for law, name in ((LAW, "w"), (other, "b")):
        wanted, _ = train(ours.sgd(cosine(), law=law))
        np.testing.assert_allclose(found[-1][name], wanted[-1][name], rtol=1e-6)


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
    plain, _ = train(optimizer)
    assert_same([p], plain[4:5])


def test_a_run_goes_on_from_its_checkpoint():
    """The state as plain arrays and back, as every library of checkpoints keeps it."""
    optimizer = ours.sgd(cosine(), C=0.5)
    whole, _ = train(optimizer)
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
    assert_same([p], whole[-1:])


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


def test_inject_hyperparams_takes_a_law_for_a_schedule_and_is_told():
    injected = optax.inject_hyperparams(ours.sgd)(learning_rate=0.1, law=LAW)
    with pytest.raises(TypeError, match='static_args=\\("law",\\)'):
        injected.init(params())


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


@pytest.mark.parametrize("C", ["0.46", [0.46], LAW, True])
def test_c_of_another_kind(C):
    with pytest.raises(TypeError, match="C must be a number or an array"):
        ours.sgd(0.1, C=C)


@pytest.mark.parametrize("lr", [-1e-9, np.float32(-1), float("nan"), float("inf")])
def test_a_constant_rate_out_of_range(lr):
    with pytest.raises(ValueError, match="learning_rate must be at least 0 and finite"):
        ours.sgd(lr, C=0.5)


@pytest.mark.parametrize("lr", ["x", None, True, [0.1], np.array(["0.1"]), np.True_, 0.1j], ids=str)
def test_a_rate_of_another_kind(lr):
    said = re.escape(f"must be a number, an array or a schedule, got {lr!r}")
    with pytest.raises(TypeError, match=f"learning_rate {said}"):
        ours.sgd(lr, C=0.4)
    with pytest.raises(TypeError, match=f"learning_rate {said}"):
        ours.momentum_schedule(lr, LAW)
    with pytest.raises(TypeError, match=f"decay {said}"):
        ours.trace(lr)


@pytest.mark.parametrize(
    "make", [lambda: 1, lambda: np.float32(0.1), lambda: jnp.array(0.1), lambda: lambda n: 0.1]
)
def test_rates_of_every_kind_that_is_one(make):
    optimizer = ours.sgd(make(), C=0.4)
    moved, _ = optimizer.update({"w": jnp.ones(2)}, optimizer.init({"w": jnp.ones(2)}))
    assert float(moved["w"][0]) < 0


def test_another_kind_of_law():
    with pytest.raises(TypeError, match="law must be a MomentumLaw, got function"):
        ours.sgd(0.1, law=lambda lr: 0.9)
