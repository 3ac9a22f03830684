"""SGD and trace in Optax: momentum follows the schedule inside one compiled update."""

import jax.numpy as jnp
import pytest

optax = pytest.importorskip("optax", reason="needs the optax extra")

import flatfast.optax as ours  # noqa: E402 - only where optax is
from flatfast import MomentumLaw  # noqa: E402
from tests.optax.runs import (  # noqa: E402
    LAW,
    STEPS,
    assert_follows,
    assert_same,
    cosine,
    train,
)

CONSTANT = MomentumLaw.from_reference(0.1, 0.9)


SCHEDULES = {
    "cosine": cosine(),
    "warm-up from 0": optax.linear_schedule(0.0, 0.3, 10),
    "below 0": lambda n: 0.3 * (1 - n / 20),  # momentum stays at its ceiling
    "one cycle": optax.cosine_onecycle_schedule(STEPS, 0.3),
    "joined": optax.join_schedules(
        [optax.linear_schedule(0.01, 0.3, 5), optax.exponential_decay(0.3, 1, 0.9)], [5]
    ),
}

OTHER = MomentumLaw(C=0.3, gamma=0.5)

OPTIMIZERS = {
    "sgd": (lambda lr: ours.sgd(lr, C=0.5), LAW),
    "another law": (lambda lr: ours.sgd(lr, law=OTHER), OTHER),
    "trace": (
        lambda lr: optax.chain(
            ours.trace(ours.momentum_schedule(lr, LAW)), optax.scale_by_learning_rate(lr)
        ),
        LAW,
    ),
    "chain": (
        lambda lr: optax.chain(optax.clip_by_global_norm(1e6), ours.sgd(lr, C=0.5)),
        LAW,
    ),
    "injected": (lambda lr: optax.inject_hyperparams(ours.sgd)(learning_rate=lr, C=0.5), LAW),
    "injected law": (
        lambda lr: optax.inject_hyperparams(ours.sgd, static_args=("law",))(
            learning_rate=lr, law=OTHER
        ),
        OTHER,
    ),
}

CELLS = [
    (optimizer, schedule)
    for optimizer in OPTIMIZERS
    for schedule in SCHEDULES
    if optimizer == "sgd" or schedule == "cosine"
]


@pytest.mark.parametrize(("optimizer", "schedule"), CELLS)
def test_every_step_is_that_of_the_law(optimizer, schedule):
    """Each optimizer meets a schedule, and each schedule an optimizer; a cell is a compilation."""
    (make, law), schedule = OPTIMIZERS[optimizer], SCHEDULES[schedule]
    state = assert_follows(make(schedule), schedule, law)
    if optimizer == "injected":
        last = float(state.hyperparams["learning_rate"])
        assert last == pytest.approx(float(schedule(STEPS - 1)))
    elif optimizer == "sgd":
        assert int(state[0].updates) == STEPS


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
    trace = optax.trace(0.9, nesterov, dtype)
    theirs, _ = train(optax.chain(trace, optax.scale(-0.1)))
    for make in (
        lambda: ours.trace(0.9, nesterov, dtype),
        lambda: ours.trace(lambda n: 0.9, nesterov, dtype),
    ):
        found, _ = train(optax.chain(make(), optax.scale(-0.1)))
        assert_same(found, theirs, exact=True)


def test_a_law_is_followed_in_its_convention():
    normalized = CONSTANT.in_convention("normalized")
    schedule = ours.momentum_schedule(cosine(), normalized)
    told = [float(schedule(step)) for step in range(STEPS)]
    assert told == pytest.approx([normalized(float(cosine()(step))) for step in range(STEPS)])
    # SGD's momentum sums gradients whatever convention the law is written in.
    assert_same(*(train(ours.sgd(cosine(), law=law))[0] for law in (normalized, CONSTANT)))
