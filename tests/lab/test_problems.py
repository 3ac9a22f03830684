"""Every problem against its own formulas, and finding them by name."""

import math
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.descent import NotInterpolatingError
from flatfast.lab.problems import PROBLEMS, UnknownProblemError, defaults, factory, load, template
from flatfast.lab.simulation.simulate import simulate
from flatfast.lab.training.curvature import hessian_trace
from tests.made_up import image_folder

SMALL = {
    "scalar-product": {"width": 3},
    "matrix-sensing": {"dimension": 5, "examples": 8},
    "teacher-student": {"dimension": 3, "student_width": 12, "examples": 10},
    "digits-mlp": {"examples": 20, "width": 12, "depth": 3},
}


def at_start(problem):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())


@pytest.fixture(scope="module")
def small():
    return {name: load(name, settings) for name, settings in SMALL.items()}


@pytest.mark.parametrize("name", SMALL)
def test_starts_on_the_manifold(small, name):
    problem = small[name]
    assert float(problem.loss(at_start(problem))) <= 1.1e-4


@pytest.mark.parametrize("name", SMALL)
def test_goal_is_not_met_at_the_start_and_metrics_are_finite(small, name):
    problem = small[name]
    found = simulate(
        problem, 1e-3, 0.5, 0, steps=2, records=2, metrics=[*problem.metrics, "cooled:loss"]
    )
    for values in found.values.values():
        assert np.isfinite(values).all()
    start = found.values[problem.goal.metric][0, 0]
    assert start > problem.goal.threshold_from(start)


@pytest.mark.parametrize("name", SMALL)
def test_without_noise_the_gradient_is_that_of_the_loss(name):
    problem = load(name, {**SMALL[name], "noise_std": 0.0, "start": "init"})
    params = at_start(problem)
    found = problem.gradient(params, jax.random.key(0))
    expected = jax.grad(problem.loss)(params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


@pytest.mark.parametrize("batch_size", [0, 3])
@pytest.mark.parametrize("name", ["matrix-sensing", "teacher-student"])
def test_label_noise_has_covariance_eps2_over_b_times_the_hessian(name, batch_size):
    """On the manifold (Damian, Ma and Lee, 2021); checked by its trace, to 3 standard errors."""
    noise_std = 0.3
    settings = {**SMALL[name], "noise_std": noise_std, "batch_size": batch_size}
    problem = load(name, settings)
    params = at_start(problem)
    keys = jax.random.split(jax.random.key(1), 4000)
    gradients = jax.vmap(lambda key: problem.gradient(params, key))(keys)
    squares = sum(
        jnp.sum(leaf.reshape(len(keys), -1) ** 2, axis=1) for leaf in jax.tree.leaves(gradients)
    )
    examples = batch_size or settings["examples"]
    expected = noise_std**2 / examples * float(problem.metrics["trace"](params))
    error = float(squares.std()) / math.sqrt(len(keys))
    assert abs(float(squares.mean()) - expected) < 3 * error + 0.005 * expected
    assert error < 0.05 * expected


@pytest.mark.parametrize("name", SMALL)
def test_minibatch_gradient_is_unbiased(name):
    if name == "scalar-product":
        pytest.skip("has one example")
    problem = load(name, {**SMALL[name], "noise_std": 0.0, "batch_size": 4, "start": "init"})
    params = at_start(problem)
    keys = jax.random.split(jax.random.key(2), 4000)
    gradients = jax.vmap(lambda key: problem.gradient(params, key))(keys)
    for drawn, exact in zip(
        jax.tree.leaves(gradients), jax.tree.leaves(jax.grad(problem.loss)(params)), strict=True
    ):
        error = drawn.std(axis=0) / math.sqrt(len(keys))
        score = (drawn.mean(axis=0) - exact) / jnp.maximum(error, 1e-6)
        assert float(jnp.sqrt(jnp.mean(score**2))) < 1.5


@pytest.mark.parametrize("name", SMALL)
def test_trace_is_the_hessians_on_the_manifold(small, name):
    problem = small[name]
    params = at_start(problem)
    np.testing.assert_allclose(
        problem.metrics["trace"](params), hessian_trace(problem.loss, params), rtol=0.05
    )


def test_projected_trace_is_at_the_end_of_gradient_flow():
    problem = load("scalar-product", {"width": 4})
    rng = np.random.default_rng(3)
    u, v = rng.standard_normal(4), rng.standard_normal(4)

    def flow(_, state):
        u, v = state
        residual = u @ v - 1
        return u - 1e-3 * residual * v, v - 1e-3 * residual * u

    with jax.enable_x64(True):
        end = jax.lax.fori_loop(0, 40_000, flow, (jnp.asarray(u), jnp.asarray(v)))
        exact = float(end[0] @ end[0] + end[1] @ end[1])
        found = float(
            problem.metrics["projected_trace"]({"u": jnp.asarray(u), "v": jnp.asarray(v)})
        )
    assert abs(found / exact - 1) < 2e-3


def test_cross_entropy_with_label_flips():
    settings = {**SMALL["digits-mlp"], "loss": "cross-entropy", "flip_probability": 0.5}
    problem = load("digits-mlp", {**settings, "start": "init"})
    params = at_start(problem)
    values = {name: float(metric(params)) for name, metric in problem.metrics.items()}
    assert values["trace_error"] > 0
    exact = float(hessian_trace(problem.loss, params))
    assert abs(values["trace"] - exact) < 4 * values["trace_error"]
    # A flip leaves a label alone with probability (1 - p) + p / 10: the mean gradient is that of
    # the smoothed labels.
    classes = 10

    keys = jax.random.split(jax.random.key(0), 4000)
    last = jax.vmap(lambda key: problem.gradient(params, key)[-1]["bias"])(keys)
    clean = load("digits-mlp", {**settings, "flip_probability": 0.0, "start": "init"})
    exact_bias = clean.gradient(params, keys[0])[-1]["bias"]
    # d loss / d bias = mean(softmax - label); flips replace half of the labels by uniform ones.
    uniform = jnp.full(classes, 1 / classes)
    labels = jnp.mean(jax.nn.one_hot(_train_classes(problem, settings), classes), axis=0)
    expected = exact_bias + 0.5 * (labels - uniform)
    error = last.std(axis=0) / math.sqrt(len(keys))
    assert float(jnp.max(jnp.abs((last.mean(axis=0) - expected) / error))) < 4.5


def _train_classes(problem, settings):
    from sklearn.datasets import load_digits

    from flatfast.lab.problems._classifier import split

    inputs, classes = load_digits(return_X_y=True)
    return split(inputs / 16, classes, settings["examples"], 0).train_classes


def test_interpolation_that_fails_says_how_far_it_got():
    problem = load("teacher-student", {"student_width": 1, "examples": 200})
    with pytest.raises(NotInterpolatingError, match=r"reached a loss of .* wider model"):
        problem.start()


def test_kaiming_start():
    problem = load("digits-mlp", {"start": "init"})
    assert float(problem.loss(at_start(problem))) > 0.1


def test_a_made_up_fashion_mnist_folder(tmp_path):
    folder = image_folder(tmp_path / "fashion_mnist", "image", (28, 28), 40, 30)
    settings = {"examples": 20, "test_examples": 10, "width": 8, "depth": 2}
    problem = load("fashion-mlp", {"data": str(folder), **settings, "start": "init"})
    assert at_start(problem)[0]["weight"].shape == (784, 8)
    with pytest.raises(
        ValueError, match=r"train split of fashion_mnist must be in \[1, 40\], got 41"
    ):
        load("fashion-mlp", {"data": str(folder), **settings, "examples": 41})


def test_fashion_mnist_that_is_not_there(tmp_path, monkeypatch):
    pytest.importorskip("datasets", reason="needs the data extra")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="local folder with the hub's Parquet files"):
        load("fashion-mlp", {"data": "nobody/nothing"})
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere with fashion_mnist"):
        load("fashion-mlp", {"data": str(tmp_path / "nowhere")})


def test_the_template_runs_as_it_stands():
    problem = load(f"{template.__file__}:problem", {"width": 16})
    found = simulate(problem, 0.02, 0.8, [0, 1], steps=40, records=4)
    assert np.isfinite(found.values["cooled:trace"]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("matrix-sensng", "no problem 'matrix-sensng'; did you mean matrix-sensing"),
        ("xyzzy", "there are cifar-resnet, digits-mlp, digits-resnet"),
        ("nowhere.py:problem", "no file nowhere.py"),
        ("nowhere.py", "name the function in the file too: nowhere.py:problem"),
    ],
)
def test_unknown_problems(name, message):
    with pytest.raises(UnknownProblemError, match=message):
        load(name)


def test_a_file_that_changes_within_a_second_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "mine.py"
    for number in (3, 4):
        file.write_text(f"def other():\n    return {number}\n")
        os.utime(file, (1e9, 1e9))  # as old as before, and as long
        assert factory(f"{file}:other")() == number
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_files_that_are_no_problem(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def other():\n    return 3\n")
    with pytest.raises(UnknownProblemError, match=r"no function 'problem' in .*; it has other"):
        load(f"{file}:problem")
    with pytest.raises(TypeError, match="must return a flatfast Problem, got int"):
        load(f"{file}:other")
    file.write_text("import nonexistent_module\n")
    with pytest.raises(UnknownProblemError, match="could not be imported: ModuleNotFoundError"):
        load(f"{file}:problem")


def test_unknown_settings():
    with pytest.raises(ValueError, match=r"has no setting 'widht' \(did you mean width\?\)"):
        load("scalar-product", {"widht": 3})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("scalar-product", {"width": 0}, "width must be at least 1, got 0"),
        ("scalar-product", {"target": -1.0}, "target must be positive, got -1.0"),
        ("scalar-product", {"start": "middle"}, "'interpolating' or 'init', got 'middle'"),
        ("matrix-sensing", {"rank": 30}, r"rank must be in \[1, dimension = 20\], got 30"),
        ("matrix-sensing", {"noise_std": -1.0}, "noise_std must be finite and at least 0"),
        ("matrix-sensing", {"batch_size": 500}, r"batch_size must be in \[0, examples = 120\]"),
        ("teacher-student", {"activation": "cube"}, "activation must be one of"),
        ("digits-mlp", {"examples": 5000}, r"examples must be in \[1, 1796\], got 5000"),
        ("digits-mlp", {"loss": "hinge"}, "loss must be 'squared' or 'cross-entropy'"),
        ("digits-mlp", {"loss": "cross-entropy", "flip_probability": 1.5}, "flip_probability must"),
    ],
)
def test_settings_out_of_range(name, settings, message):
    with pytest.raises(ValueError, match=message):
        load(name, settings)


def test_settings_hold_all_that_the_function_takes():
    for name in SMALL:
        assert set(load(name, SMALL[name]).settings) == set(defaults(name))
    assert set(PROBLEMS) >= set(SMALL)


TEXTUAL = """
from __future__ import annotations

def problem(*, width: int = 2, scale: float = 1, anything=3, maybe: int | None = None):
    return (width, scale, anything, maybe)
"""


def test_settings_are_of_the_kind_that_the_function_names(tmp_path):
    (tmp_path / "mine.py").write_text(TEXTUAL)
    name = f"{tmp_path / 'mine.py'}:problem"
    with pytest.raises(ValueError, match=r"width must be a whole number, got 2\.5"):
        load(name, {"width": 2.5})
    with pytest.raises(ValueError, match="scale must be a number, got 'big'"):
        load(name, {"scale": "big"})
    # The rest gets as far as the function, which here makes no problem.
    with pytest.raises(TypeError, match="must return a flatfast Problem, got tuple"):
        load(name, {"width": 3.0, "scale": 2, "anything": "x", "maybe": 1.5})
    settings = {"width": 3.0, "noise_std": 1}
    assert load("scalar-product", settings).settings["width"] == 3
    assert isinstance(load("scalar-product", settings).settings["width"], int)
