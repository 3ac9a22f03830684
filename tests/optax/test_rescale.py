"""Hyperparameters and states at another batch: what changes, what stays, what is refused."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast  # noqa: E402 - only where optax is
import flatfast.optax as ours  # noqa: E402
from flatfast import MomentumLaw  # noqa: E402

BATCH = (256, 1024)
K = 4
RULES = "path", "law", "adam-sde", "half-life"

SETTINGS = {
    "sgd": ({"momentum": 0.9}, {"momentum": 0.9}),
    "sgd without": ({"momentum": None, "nesterov": False}, {}),
    "rmsprop": (
        {"decay": 0.98, "momentum": 0.9, "initial_scale": 0.0},
        {"alpha": 0.98, "momentum": 0.9},
    ),
    "adam": ({"b1": 0.9, "b2": 0.99, "eps": 1e-6}, {"betas": (0.9, 0.99), "eps": 1e-6}),
    "adam, eps 0": ({"b1": 0.9, "b2": 0.99, "eps": 0.0}, {"betas": (0.9, 0.99), "eps": 0.0}),
    "adamw": (
        {"b1": 0.9, "b2": 0.99, "weight_decay": 0.1},
        {"betas": (0.9, 0.99), "weight_decay": 0.1},
    ),
    "adan": ({"b1": 0.98, "b2": 0.92, "b3": 0.99}, {"betas": (0.98, 0.92, 0.99)}),
    "signum": ({"beta": 0.9}, {"momentum": 0.9, "convention": "scale-free"}),
    "lars": (
        {"momentum": 0.9, "weight_decay": 0.1, "eps": 0.5, "trust_coefficient": 0.001},
        {"momentum": 0.9, "weight_decay": 0.1},
    ),
    "averaged": ({"momentum": 0.9, "averaging": 0.99}, {"momentum": 0.9, "averaging": 0.99}),
}
NAMES = {
    "learning_rate": lambda new: new.lr,
    "momentum": lambda new: new.momentum,
    "beta": lambda new: new.momentum,
    "b1": lambda new: new.betas[0],
    "b2": lambda new: new.betas[1],
    "b3": lambda new: new.betas[2],
    "decay": lambda new: new.alpha,
    "weight_decay": lambda new: new.weight_decay,
    "averaging": lambda new: new.averaging,
}


@pytest.mark.parametrize(
    ("kind", "rule"),
    # What sets a momentum where there is none is refused, see below.
    [(k, rule) for k in SETTINGS for rule in RULES if (k, rule) != ("sgd without", "law")],
)
@pytest.mark.filterwarnings("ignore:rescaled by the rule")
def test_names_are_those_of_optax(kind, rule):
    named, setting = SETTINGS[kind]
    given = {"learning_rate": 0.1, **named}
    found = ours.rescale(given, batch=BATCH, rule=rule)
    wanted = flatfast.rescale({"lr": 0.1, **setting}, batch=BATCH, rule=rule)
    assert list(found) == list(given)
    assert given["learning_rate"] == 0.1
    for name, value in given.items():
        if name in NAMES and value is not None:
            assert found[name] == pytest.approx(NAMES[name](wanted), rel=1e-12), name
        elif name == "eps" and "b1" in given:
            assert found[name] == pytest.approx(wanted.eps)
        else:
            assert found[name] is value, name


def test_eps_inside_of_the_root_is_a_square():
    def eps(**named):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ours.rescale({"learning_rate": 0.1, **named}, batch=BATCH, rule="adam-sde")

    assert eps(decay=0.9, eps=1e-8)["eps"] == pytest.approx(1e-8 / 4)
    assert eps(decay=0.9, eps=1e-8, eps_in_sqrt=False)["eps"] == pytest.approx(1e-8 / 2)
    adam = eps(b1=0.9, b2=0.99, eps=0.0, eps_root=1e-8)
    assert (adam["eps"], adam["eps_root"]) == (0.0, pytest.approx(1e-8 / 4))


@pytest.mark.parametrize("eps_in_sqrt", [True, False])
def test_adam_sde_keeps_eps_against_the_noise_in_optax_itself(eps_in_sqrt):
    """Noise half as large, as of a batch four times as large, makes updates of the same size."""

    def update(noise, **named):
        optimizer = optax.rmsprop(1.0, 0.0, eps_in_sqrt=eps_in_sqrt, **named)
        gradient = jnp.array([noise])
        return float(optimizer.update(gradient, optimizer.init(gradient))[0][0])

    named = {"learning_rate": 1.0, "decay": 0.5, "eps": 0.03, "eps_in_sqrt": eps_in_sqrt}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ours.rescale(named, batch=BATCH, rule="adam-sde")
    assert update(0.1, eps=found["eps"]) == pytest.approx(update(0.2, eps=0.03), rel=1e-5)


def test_a_schedule_becomes_one_of_rescaled_learning_rates():
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.1, 5, 20, end_value=0.01)
    found = ours.rescale({"learning_rate": schedule, "momentum": 0.9}, batch=BATCH, rule="path")
    factor = K * (1 - 0.9**K) / 0.1
    for count in range(22):
        assert float(found["learning_rate"](count)) == pytest.approx(
            factor * float(schedule(count)), rel=1e-6
        )
    assert found["momentum"] == pytest.approx(0.9**K)
    params = jnp.ones(3)
    updates = []
    for named in (found, {"learning_rate": lambda n: factor * schedule(n), "momentum": 0.9**K}):
        optimizer = optax.sgd(**named)
        state, steps = optimizer.init(params), []
        for _ in range(8):
            step, state = jax.jit(optimizer.update)(params, state)
            steps.append(step)
        updates.append(jnp.stack(steps))
    np.testing.assert_allclose(*updates, rtol=1e-6)


def test_a_schedule_of_weight_decay_too_but_of_nothing_else():
    named = {"learning_rate": 0.1, "b1": 0.9, "b2": 0.99, "weight_decay": lambda count: 0.1}
    found = ours.rescale(named, batch=BATCH, rule="adam-sde")
    assert found["weight_decay"](3) == pytest.approx(0.1 * K / 2)
    with pytest.raises(TypeError, match="b1 must be a number, got a schedule"):
        ours.rescale({**named, "b1": lambda count: 0.9}, batch=BATCH, rule="adam-sde")


def test_a_learning_rate_is_asked_for_as_a_pair():
    tuned = {"learning_rate": 0.1, "momentum": 0.9}
    found = ours.rescale(tuned, lr=(0.1, 0.4), rule="law")
    assert found == {
        "learning_rate": pytest.approx(0.4),
        "momentum": pytest.approx(flatfast.transfer(0.1, 0.9, 0.4)),
    }
    scheduled = {**tuned, "learning_rate": optax.constant_schedule(0.1)}
    found = ours.rescale(scheduled, lr=(0.1, 0.4), rule="law")
    assert found["momentum"] == pytest.approx(flatfast.transfer(0.1, 0.9, 0.4))


def test_a_rule_of_the_users_own():
    def halved(setting, change):
        """Half the learning rate, and a quarter of eps."""
        return flatfast.Setting(lr=setting.lr / 2, betas=setting.betas, eps=setting.eps / 4)

    given = {"learning_rate": 0.1, "b1": 0.9, "b2": 0.99, "eps": 1e-8, "weight_decay": 0.1}
    found = ours.rescale(given, batch=BATCH, rule=halved)
    assert found == {**given, "learning_rate": 0.05, "eps": pytest.approx(0.25e-8)}


def test_muon_has_an_adam_of_its_own():
    tuned = {"learning_rate": 0.02, "beta": 0.95, "adam_b1": 0.9, "adam_b2": 0.99, "eps": 1e-8}
    with pytest.warns(UserWarning, match="path was derived for SGD"):
        found = ours.rescale(tuned, batch=BATCH, rule="path")
    assert found == {
        "learning_rate": pytest.approx(0.08),
        "beta": pytest.approx(0.95**K),
        "adam_b1": pytest.approx(0.9**K),
        "adam_b2": 0.99,
        "eps": 1e-8,
    }
    both = {**tuned, "adam_learning_rate": 0.001, "adam_weight_decay": 0.1}
    found = ours.rescale(both, batch=BATCH, rule="adam-sde")
    assert found["learning_rate"] == pytest.approx(0.04)
    assert found["adam_learning_rate"] == pytest.approx(0.002)
    assert found["adam_weight_decay"] == pytest.approx(0.2)


# --- States --------------------------------------------------------------------------------------


def injected(**named):
    options = {"learning_rate": 0.1, "momentum": 0.9, **named}
    return optax.inject_hyperparams(optax.sgd)(**options)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_state_is_that_of_an_optimizer_made_of_the_rescaled_numbers(dtype):
    params = jnp.ones(3, dtype)
    optimizer = injected()
    state = optimizer.init(params)
    new = ours.rescale(state, batch=BATCH, rule="path")
    assert float(state.hyperparams["momentum"]) == pytest.approx(0.9, rel=1e-2)
    wanted = ours.rescale({"learning_rate": 0.1, "momentum": 0.9}, batch=BATCH, rule="path")
    for name, value in new.hyperparams.items():
        assert value.dtype == dtype
        assert float(value) == pytest.approx(
            wanted[name], rel=1e-6 if dtype == jnp.float32 else 0.1
        )
    program = jax.jit(optimizer.update)
    program(params, state)
    step, _ = program(params, new)
    assert program._cache_size() == 1  # no compilation beyond the first
    np.testing.assert_allclose(
        step.astype(jnp.float32), -float(new.hyperparams["learning_rate"]), rtol=1e-2
    )


def test_states_inside_of_others():
    params = {"a": jnp.ones(2), "b": jnp.ones(2)}
    optimizer = optax.chain(
        optax.inject_hyperparams(optax.clip_by_global_norm)(max_norm=1.0),
        optax.masked(injected(), {"a": True, "b": False}),
    )
    state = ours.rescale(optimizer.init(params), batch=BATCH, rule="linear")
    clip, masked = state
    assert float(clip.hyperparams["max_norm"]) == 1.0
    assert float(masked.inner_state.hyperparams["learning_rate"]) == pytest.approx(0.4)
    optimizer.update(params, state, params)


def test_what_a_state_does_not_tell_is_said():
    """A state of a function of the learning rate alone may be that of any optimizer."""
    apart = optax.chain(
        optax.inject_hyperparams(optax.scale_by_adam)(b1=0.9),
        optax.inject_hyperparams(optax.scale_by_learning_rate)(learning_rate=0.1),
    )
    state = apart.init(jnp.ones(2))
    with pytest.warns(UserWarning, match=r"b1, .* without learning_rate, .* taken for SGD's"):
        first, second = ours.rescale(state, batch=BATCH)
    assert first.hyperparams == state[0].hyperparams
    assert float(second.hyperparams["learning_rate"]) == pytest.approx(0.4)
    within = optax.inject_hyperparams(lambda learning_rate: optax.adamw(learning_rate))(3e-4)
    with pytest.warns(UserWarning, match="this is taken for SGD's; .* the name of a rule"):
        ours.rescale(within.init(jnp.ones(2)), batch=BATCH)


def test_a_schedule_inside_of_a_state_is_refused():
    optimizer = injected(learning_rate=optax.constant_schedule(0.1))
    state = optimizer.init(jnp.ones(2))
    with pytest.raises(ValueError, match="learning_rate follows a schedule inside of the opt"):
        ours.rescale(state, batch=BATCH, rule="path")


def test_a_decay_that_becomes_1_in_few_bits_is_said():
    state = optax.inject_hyperparams(optax.adam)(1e-3, b2=0.99).init(jnp.ones(2, jnp.bfloat16))
    with pytest.raises(ValueError, match=r"b2 becomes 0.999\d+, which is 1 in bfloat16"):
        ours.rescale(state, batch=(1024, 64), rule="adam-sde")


# --- Our own -------------------------------------------------------------------------------------


def test_our_own_sgd_follows_the_law_of_the_batch():
    law = MomentumLaw(0.46)
    found = ours.rescale({"learning_rate": 0.1, "C": 0.46}, batch=BATCH, rule="law")
    assert found == {"learning_rate": pytest.approx(0.1), "C": pytest.approx(law.for_batch(4).C)}
    assert found == ours.rescale({"learning_rate": 0.1, "C": 0.46}, batch=BATCH)
    asked = {"learning_rate": optax.constant_schedule(0.1), "law": law, "C": None}
    found = ours.rescale(asked, batch=BATCH, lr=(0.1, 0.4), rule="law")
    assert (found["law"], found["C"]) == (law.for_batch(4), None)
    assert float(found["learning_rate"](0)) == pytest.approx(0.4)
    ours.sgd(**found)
    state = optax.inject_hyperparams(ours.sgd, static_args=("law", "nesterov"))(0.1, C=0.46)
    found = ours.rescale(state.init(jnp.ones(2)), batch=BATCH, rule="law")
    assert float(found.hyperparams["C"]) == pytest.approx(law.for_batch(4).C, rel=1e-6)
    with pytest.raises(ValueError, match="by a law, so the rule must be 'law', got 'path'"):
        ours.rescale({"learning_rate": 0.1, "C": 0.46}, batch=BATCH, rule="path")
    with pytest.raises(TypeError, match="law must be a MomentumLaw, got"):
        ours.rescale({"learning_rate": 0.1, "law": abs}, batch=BATCH, rule="law")


# --- Refusals ------------------------------------------------------------------------------------

SGD = {"learning_rate": 0.1, "momentum": 0.9}


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (SGD, {}, ValueError, r"say what changes: batch=\(256, 1024\)"),
        (SGD, {"batch": (0, 4)}, ValueError, "batch must be positive and finite, got 0"),
        (SGD, {"batch": 4}, TypeError, "batch must be a pair"),
        (SGD, {"lr": 0.4}, TypeError, "lr must be a pair"),
        (SGD, {"batch": BATCH, "rule": "cubic"}, ValueError, "rule must be one of measured, path"),
        ({"momentum": 0.9}, {"batch": BATCH}, TypeError, "need learning_rate, got momentum"),
        (jnp.ones(2), {"batch": BATCH}, TypeError, "or a state of optax.inject_hyperparams"),
        ({**SGD, "momentum": 1.0}, {"batch": BATCH}, ValueError, r"momentum must be in \[0, 1\)"),
        ({**SGD, "momentum": "a"}, {"batch": BATCH}, TypeError, "momentum must be a number, got"),
        ({"learning_rate": 0.1}, {"batch": BATCH, "rule": "law"}, ValueError, "this setting has n"),
        ({**SGD, "rho": 0.9}, {"batch": BATCH}, ValueError, "with rho: Adadelta's steps"),
        (
            {"learning_rate": 0.1, "initial_accumulator_value": 0.1},
            {"batch": BATCH},
            ValueError,
            "initial_accumulator_value: Adagrad sums",
        ),
        ({"learning_rate": 0.1, "decay_rate": 0.8}, {"batch": BATCH}, ValueError, "Adafactor's"),
        (
            {"learning_rate": 0.1, "b1": 0.9, "b2": 0.99, "weight_lr_power": 2.0},
            {"batch": BATCH},
            ValueError,
            "weight_lr_power: schedule-free momentum",
        ),
        ({"learning_rate": 0.1, "estim_lr0": 1e-6}, {"batch": BATCH}, ValueError, "it estimates"),
        ({"learning_rate": 0.1, "memory_size": 9}, {"batch": BATCH}, ValueError, "L-BFGS is made"),
        (
            {"learning_rate": 0.1, "momentum": 0.9, "adam_b1": 0.9, "adam_b2": 0.99},
            {"batch": BATCH, "rule": "path"},
            ValueError,
            "by the factors 13.76 and 4, the second for adam_b1",
        ),
    ],
)
def test_bad_input(given, options, error, message):
    with pytest.raises(error, match=message):
        ours.rescale(given, **options)


def test_traced_numbers_are_refused():
    def traced(lr):
        return ours.rescale({"learning_rate": lr, "momentum": 0.9}, batch=BATCH, rule="path")[
            "momentum"
        ]

    with pytest.raises(TypeError, match="learning_rate must be a number, got"):
        jax.jit(traced)(0.1)


def test_warns_where_the_rule_cannot_keep_its_promise():
    with pytest.warns(UserWarning, match=r"rule path, with doubts: path was derived") as told:
        ours.rescale({"learning_rate": 0.1, "b1": 0.9, "b2": 0.99}, batch=BATCH, rule="path")
    assert [each.filename for each in told] == [__file__]
