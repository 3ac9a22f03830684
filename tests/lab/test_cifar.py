"""CIFAR-10 with ResNet-18's shape, on made-up images, and on the real ones where they are."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.images import DATA
from flatfast.lab.problems import load
from flatfast.lab.problems._classifier import Images, averaged_down
from flatfast.lab.simulation.simulate import simulate
from flatfast.lab.training.curvature import hessian_trace
from flatfast.lab.training.supervised import flip_probability_of, flipped
from tests.made_up import image_folder

REAL = Path(os.environ.get(DATA, Path(__file__).parents[3] / "shared" / "data"))
TRACE = "trace", "trace_error"
TINY = {"examples": 10, "test_examples": 30, "side": 4, "channels": 1}


@pytest.fixture(scope="module")
def cifar(tmp_path_factory):
    return str(image_folder(tmp_path_factory.mktemp("cifar10"), "img", (32, 32, 3), 60, 30))


@pytest.fixture(autouse=True)
def apart(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path_factory.getbasetemp() / "cifar-cache"))


def at_start(problem):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())


def test_it_starts_where_it_interpolates_and_runs(cifar):
    problem = load("cifar-resnet", {**TINY, "data": cifar, "channels": 2, "examples": 6})
    params = at_start(problem)
    assert float(jax.jit(problem.loss)(params)) <= 1e-4
    names = "cooled:accuracy", "cooled:test_error"
    found = simulate(problem, 0.01, 0.9, [0, 1], steps=4, records=2, metrics=names)
    np.testing.assert_allclose(sum(found.values[name] for name in names), 1, rtol=1e-6)
    for series in found.values.values():
        assert np.isfinite(series).all()


@pytest.mark.parametrize("loss", ["squared", pytest.param("cross-entropy", marks=pytest.mark.slow)])
def test_the_trace_is_the_exact_one_within_its_error(cifar, loss):
    """For squared error ``(1/P)|J|^2``; 4 standard errors of 16 probes."""
    problem = load("cifar-resnet", {**TINY, "data": cifar, "loss": loss, "start": "init"})
    params = at_start(problem)
    trace, error = (float(jax.jit(problem.metrics[name])(params)) for name in TRACE)
    if loss == "squared":
        jacobian = jax.jit(jax.jacrev(problem.residuals))(params)
        squares = [float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(jacobian)]
        exact = sum(squares) / TINY["examples"]
    else:
        exact = float(jax.jit(lambda params: hessian_trace(problem.loss, params))(params))
    assert error > 0
    assert abs(trace - exact) < 4 * error


def test_flips_to_another_class_are_as_many_as_asked_for():
    wrong, classes, draws = 0.3, 10, 20_000
    labels = jnp.arange(draws) % classes
    found = flipped(labels, flip_probability_of(wrong, classes), classes, jax.random.key(0))
    changed = found != labels
    error = (wrong * (1 - wrong) / draws) ** 0.5
    assert abs(float(changed.mean()) - wrong) < 4 * error
    # To each of the others alike.
    away = np.bincount(np.asarray((found - labels) % classes)[np.asarray(changed)])[1:]
    share = len(away)
    assert np.max(np.abs(away / away.sum() - 1 / share)) < 5 * (1 / share / away.sum()) ** 0.5


def test_what_flips_are(cifar):
    """The noise-free loss is the mean over flips: at even outputs it tells how many are wrong."""
    settings = {**TINY, "data": cifar, "loss": "cross-entropy", "start": "init"}

    def least(wrong):
        """``KL(q | even)`` of labels of which a share is wrong."""
        q = np.array([1 - wrong, *[wrong / 9] * 9])
        return np.log(10) + np.sum(q * np.log(q))

    for flips, wrong in (("another", 0.2), ("uniform", 0.18)):
        problem = load("cifar-resnet", {**settings, "flip_probability": 0.2, "flips": flips})
        even = jax.tree.map(jnp.zeros_like, at_start(problem))
        assert float(jax.jit(problem.loss)(even)) == pytest.approx(least(wrong), rel=1e-5)
        assert problem.settings["flip_probability"] == 0.2


def test_a_bad_minimizer_interpolates_and_generalises_worse():
    """On digits, which a network learns from 100 of them: shuffled labels first cost accuracy."""
    settings = {"examples": 100, "width": 30, "depth": 3}
    good, bad = (
        load("digits-mlp", {**settings, "start": start})
        for start in ("interpolating", "bad-minimizer")
    )
    assert float(bad.loss(at_start(bad))) <= 1e-4
    errors = [float(problem.metrics["test_error"](at_start(problem))) for problem in (good, bad)]
    assert errors[1] > errors[0] + 0.02


def test_averaged_down():
    pixels = np.arange(32.0).reshape(1, 4, 4, 2)
    images = Images(
        pixels.reshape(1, -1), np.zeros(1, int), pixels.reshape(1, -1), np.zeros(1, int)
    )
    found = averaged_down(images, (4, 4, 2), 2).train.reshape(2, 2, 2)
    expected = pixels.reshape(2, 2, 2, 2, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(found, (expected - expected.mean()) / expected.std())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "channels must be at least 1, got 0"),
        ({"blocks": 0}, "blocks must be at least 1, got 0"),
        ({"side": 12}, "side must divide the images' 32 x 32 pixels, got 12"),
        ({"precision": "half"}, "precision must be one of float32, bfloat16, got 'half'"),
        ({"flips": "often"}, "flips must be one of another, uniform, got 'often'"),
        ({"start": "bad"}, "'interpolating', 'bad-minimizer' or 'init', got 'bad'"),
        (
            {"loss": "cross-entropy", "flip_probability": 0.95},
            r"of a wrong label must be in \[0, 1 - 1/10\), got 0.95",
        ),
    ],
)
def test_settings_out_of_range(cifar, settings, message):
    with pytest.raises(ValueError, match=message):
        load("cifar-resnet", {**TINY, "data": cifar, **settings})


@pytest.mark.slow
def test_bfloat16_is_near_and_another(cifar):
    """With maps enough that group norm, which is over few numbers in the tiniest, magnifies none.

    That operands are rounded and nothing else is, a test of the convolutions holds.
    """
    settings = {**TINY, "data": cifar, "start": "init", "channels": 4, "side": 16}
    exact, rounded = (
        load("cifar-resnet", {**settings, "precision": precision})
        for precision in ("float32", "bfloat16")
    )
    params = at_start(exact)
    losses = [float(jax.jit(each.loss)(params)) for each in (exact, rounded)]
    assert 0 < abs(losses[0] / losses[1] - 1) < 0.02


def test_the_real_images():
    if not (REAL / "cifar10").is_dir():
        pytest.skip(f"no cifar10 in {REAL}: set {DATA} to the folder that holds it")
    settings = {**TINY, "data": str(REAL), "examples": 20, "start": "init"}
    problem = load("cifar-resnet", settings)
    assert problem.settings["data"].startswith("cifar10:")
    assert float(jax.jit(problem.loss)(at_start(problem))) > 0.1
