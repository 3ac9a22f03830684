"""The simulator's optimizers, step for step against PyTorch's and Optax's."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from flatfast.lab.engines.job import Job, pack, unpack
from flatfast.lab.engines.slurm.files import kind_of
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems.scalar_product import scalar_product
from flatfast.lab.simulation.optimizers import (
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    Muon,
    NormalizedSGD,
    identity_of,
    named,
    with_nesterov,
)
from flatfast.lab.simulation.optimizers.muon import orthogonal
from flatfast.lab.simulation.simulate import footprint, simulate

STEPS, SEED = 12, 3
LR, BETA = 0.03, 0.8
BETA2, EPS, DECAY = 0.97, 1e-6, 0.3
"""Far from the defaults, and so that each matters within twelve steps."""


def network() -> Problem:
    """A linear layer with bias on noisy targets; every weight is a metric."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((5, 3)), rng.standard_normal((5, 4))
    start = {"bias": rng.standard_normal(4), "weight": rng.standard_normal((3, 4))}

    def loss(params, noise=0.0):
        outputs = jnp.asarray(inputs) @ params["weight"] + params["bias"]
        return jnp.mean((outputs - targets - noise) ** 2)

    def gradient(params, key):
        noise = 0.5 * jax.random.normal(key, targets.shape, params["bias"].dtype)
        return jax.grad(loss)(params, noise)

    def weight(leaf, k):
        return lambda params: params[leaf].ravel()[k]

    metrics = {f"{leaf}{k}": weight(leaf, k) for leaf in start for k in range(start[leaf].size)}
    return Problem(
        "linear", lambda: start, gradient, loss, {"loss": loss, **metrics}, Goal("loss", 0.1)
    )


PROBLEM = network()
WEIGHTS = [name for name in PROBLEM.metrics if name != "loss"]


@functools.cache
def simulated(rule):
    """The path of all weights, (steps + 1, weights)."""
    found = simulate(
        PROBLEM,
        [LR, 2 * LR],
        [BETA, 0.5],
        [SEED, 4],
        steps=STEPS,
        records=STEPS,
        dtype="float64",
        metrics=WEIGHTS,
        optimizer=rule,
    )
    return np.stack([found.values[name][0] for name in WEIGHTS], axis=1)


def flat(params):
    return np.concatenate([np.ravel(np.asarray(params[name])) for name in sorted(params)])


def gradient_at(params, step):
    key = jax.random.fold_in(jax.random.key(SEED), step)
    return PROBLEM.gradient(jax.tree.map(jnp.asarray, params), key)


def by_torch(make):
    """The same path by optimizers of PyTorch, which get the problem's gradients."""
    with jax.enable_x64(True):
        weights = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in PROBLEM.start().items()}
        optimizers = make(weights)
        path = [flat(PROBLEM.start())]
        for step in range(STEPS):
            now = {name: w.detach().numpy().copy() for name, w in weights.items()}
            for name, g in gradient_at(now, step).items():
                weights[name].grad = torch.tensor(np.asarray(g))
            for optimizer in optimizers:
                optimizer.step()
            path.append(flat({name: w.detach().numpy() for name, w in weights.items()}))
    return np.array(path)


def by_optax(make):
    with jax.enable_x64(True):
        transform = make()
        params = jax.tree.map(jnp.asarray, PROBLEM.start())
        state = transform.init(params)
        path = [flat(params)]
        for step in range(STEPS):
            updates, state = transform.update(gradient_at(params, step), state, params)
            params = optax.apply_updates(params, updates)
            path.append(flat(params))
    return np.array(path)


def normalized(weights):
    optimizer = torch.optim.SGD(weights.values(), lr=LR, momentum=BETA, dampening=BETA)
    for weight in weights.values():  # without one, PyTorch takes the first gradient whole
        optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return [optimizer]


def muon(weights, nesterov):
    adam = torch.optim.Adam([weights["bias"]], lr=LR, betas=(BETA, BETA2), eps=EPS)
    options = {"momentum": BETA, "nesterov": nesterov, "weight_decay": 0.0}
    # PyTorch's matrices are (outputs, inputs); its optimizer is to see the same.
    turned = torch.nn.Parameter(weights["weight"].detach().T.contiguous())
    own = torch.optim.Muon([turned], lr=LR, **options)

    class Turned:
        def step(self):
            turned.grad = weights["weight"].grad.T.contiguous()
            own.step()
            weights["weight"].data.copy_(turned.detach().T)

    return [adam, Turned()]


TORCH = {
    "sgd": (
        SGD(),
        lambda w: [torch.optim.SGD(w.values(), lr=LR, momentum=BETA)],
    ),
    "nesterov": (
        SGD(nesterov=True),
        lambda w: [torch.optim.SGD(w.values(), lr=LR, momentum=BETA, nesterov=True)],
    ),
    "normalized-sgd": (NormalizedSGD(), normalized),
    "adam": (
        Adam(BETA2, EPS),
        lambda w: [torch.optim.Adam(w.values(), lr=LR, betas=(BETA, BETA2), eps=EPS)],
    ),
    "adamw": (
        AdamW(BETA2, EPS, DECAY),
        lambda w: [
            torch.optim.AdamW(w.values(), lr=LR, betas=(BETA, BETA2), eps=EPS, weight_decay=DECAY)
        ],
    ),
    "muon": (Muon(BETA2, EPS), lambda w: muon(w, nesterov=False)),
    "muon-nesterov": (Muon(BETA2, EPS, nesterov=True), lambda w: muon(w, nesterov=True)),
}

OPTAX = {
    "sgd": (SGD(), lambda: optax.sgd(LR, momentum=BETA)),
    "nesterov": (SGD(nesterov=True), lambda: optax.sgd(LR, momentum=BETA, nesterov=True)),
    "normalized-sgd": (
        NormalizedSGD(),
        lambda: optax.chain(optax.ema(BETA, debias=False), optax.scale(-LR)),
    ),
    "adam": (Adam(BETA2, EPS), lambda: optax.adam(LR, BETA, BETA2, EPS)),
    "adamw": (
        AdamW(BETA2, EPS, DECAY),
        lambda: optax.adamw(LR, BETA, BETA2, EPS, weight_decay=DECAY),
    ),
    "muon": (
        Muon(BETA2, EPS),
        lambda: optax.contrib.muon(
            LR, beta=BETA, nesterov=False, adam_b1=BETA, adam_b2=BETA2, adam_eps_root=0.0
        ),
    ),
}


@pytest.mark.parametrize("name", TORCH)
def test_steps_are_those_of_pytorch(name, monkeypatch):
    # PyTorch's Muon rounds to bfloat16, for speed on accelerators; here it is to keep its digits.
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: self.clone())
    rule, make = TORCH[name]
    path = simulated(rule)
    np.testing.assert_allclose(path, by_torch(make), rtol=1e-10, atol=1e-12)
    assert np.abs(path[-1] - path[0]).min() > 1e-3


@pytest.mark.parametrize("name", OPTAX)
def test_steps_are_those_of_optax(name):
    rule, make = OPTAX[name]
    # Optax's Muon has Adam's default eps, and adds 1e-8 to the norm where PyTorch bounds it.
    exact = {"rtol": 1e-10, "atol": 1e-12}
    about = {"rtol": 1e-5, "atol": 1e-7}
    tolerance = about if name == "muon" else exact
    np.testing.assert_allclose(simulated(rule), by_optax(make), **tolerance)


def test_normalized_momentum_is_heavy_ball_at_a_smaller_learning_rate():
    problem = scalar_product()
    lr, momentum = np.array([2e-3, 5e-3]), np.array([0.9, 0.98])
    options = {"steps": 60, "records": 20, "dtype": "float64", "metrics": ["u_norm"]}
    heavy = simulate(problem, lr * (1 - momentum), momentum, 0, **options)
    normal = simulate(problem, lr, momentum, 0, optimizer=NormalizedSGD(), **options)
    np.testing.assert_allclose(normal.values["u_norm"], heavy.values["u_norm"], rtol=1e-12)


def test_adam_moves_each_weight_by_the_learning_rate_at_first():
    """The first step is the gradient's sign, whatever the betas: the corrections are right."""
    path = simulated(Adam(0.999, 0.0))
    np.testing.assert_allclose(np.abs(path[1] - path[0]), LR, rtol=1e-9)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3)])
def test_muon_brings_singular_values_near_one(shape):
    matrix = np.random.default_rng(1).standard_normal(shape)
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    values = np.diag(u.T @ np.asarray(orthogonal(jnp.asarray(matrix))) @ v.T)
    assert (values > 0.6).all()
    assert (values < 1.3).all()


def test_muon_says_what_it_cannot_move():
    with pytest.raises(ValueError, match=r"muon needs parameters that are matrices, .*\(2,\)"):
        simulate(scalar_product(width=2), 0.1, 0.9, 0, steps=2, optimizer=Muon())


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("lion", {}, "optimizer must be one of sgd, normalized-sgd, adam, adamw, muon, got 'lion'"),
        ("sgd", {"beta2": 0.9}, "beta2 is a setting of adam, adamw and muon, got 0.9 for sgd"),
        ("adam", {"weight_decay": 0.1}, "weight_decay is a setting of adamw, got 0.1 for adam"),
        ("adam", {"beta2": 1.0}, r"beta2 must be in \[0, 1\), got 1.0"),
        ("muon", {"eps": -1.0}, "eps must be at least 0 and finite, got -1.0"),
        ("adamw", {"weight_decay": float("nan")}, "weight_decay must be at least 0 .*, got nan"),
    ],
)
def test_settings_that_there_are_not(name, settings, words):
    with pytest.raises(ValueError, match=words):
        named(name, **settings)


def test_named():
    assert {name: named(name).name for name in OPTIMIZERS} == {name: name for name in OPTIMIZERS}
    rule = named("adamw", beta2=0.95, eps=None, weight_decay=0.2)
    assert rule == AdamW(beta2=0.95, weight_decay=0.2)
    assert identity_of(rule) == {"name": "adamw", "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.2}


def test_nesterov_is_for_those_that_have_it():
    assert with_nesterov(SGD(), True) == SGD(nesterov=True)
    assert with_nesterov(Adam(), False) == Adam()
    with pytest.raises(ValueError, match="nesterov is a setting of sgd and muon, got it for adam"):
        with_nesterov(Adam(), True)
    # It is stored apart from the optimizer's own settings.
    assert "nesterov" not in identity_of(Muon(nesterov=True))


def test_memory_counts_what_an_optimizer_keeps():
    """Weights and one average of SGD, and two of Adam."""
    problem = scalar_product(width=50_000)
    heavy, adam = (
        footprint(problem, records=8, optimizer=rule).at_once for rule in (SGD(), Adam())
    )
    state = footprint(problem, records=8).width * 2 * 50_000 * 4
    assert adam - heavy > 0.9 * state


def test_a_job_travels_with_its_optimizer():
    job = Job(scalar_product(), records=4, optimizer=Adam(beta2=0.9))
    assert unpack(pack(job)).optimizer == Adam(beta2=0.9)
    kinds = {kind_of(replace(job, optimizer=rule)) for rule in (SGD(), Adam(), Adam(beta2=0.9))}
    assert len(kinds) == 3
