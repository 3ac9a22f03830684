"""The simulator against a plain loop, and the independence of its runs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast import timescales
from flatfast.lab.goal import COOLED, Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems.matrix_sensing import matrix_sensing
from flatfast.lab.problems.scalar_product import scalar_product
from flatfast.lab.simulation.batch import ProblemError
from flatfast.lab.simulation.products import largest_in_products
from flatfast.lab.simulation.simulate import footprint, record_steps, simulate


def quadratic(curvature: float = 1.0, noise_std: float = 0.0, start: float = 1.0) -> Problem:
    """``curvature / 2 * w^2`` with additive gradient noise: everything in closed form."""
    return Problem(
        name="quadratic",
        start=lambda: {"w": np.array(start)},
        gradient=lambda params, key: {
            "w": curvature * params["w"] + noise_std * jax.random.normal(key, (), params["w"].dtype)
        },
        loss=lambda params: curvature * params["w"] ** 2 / 2,
        metrics={"w": lambda params: params["w"], "square": lambda params: params["w"] ** 2},
        goal=Goal("square", 0.01),
    )


def plain_loop(problem, lr, momentum, seed, steps, nesterov):
    """The specification: one run, one step at a time."""
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
    velocity = jax.tree.map(jnp.zeros_like, params)
    path = [params]
    for step in range(steps):
        key = jax.random.fold_in(jax.random.key(seed), step)
        gradient = problem.gradient(params, key)
        velocity = jax.tree.map(lambda p, g: momentum * p + g, velocity, gradient)
        if nesterov:
            moved = jax.tree.map(lambda p, g: g + momentum * p, velocity, gradient)
        else:
            moved = velocity
        params = jax.tree.map(lambda w, p: w - lr * p, params, moved)
        path.append(params)
    return path


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(
    "problem", [scalar_product(), matrix_sensing(dimension=6, examples=12, batch_size=5)]
)
def test_agrees_with_a_plain_loop(problem, nesterov):
    lr, momentum, seed = 0.004, 0.8, 7
    metric = problem.goal.metric.removeprefix(COOLED)
    path = plain_loop(problem, lr, momentum, seed, 30, nesterov)
    found = simulate(
        problem,
        [lr, 2 * lr],
        [momentum, 0.5],
        [seed, 3],
        steps=30,
        records=30,
        nesterov=nesterov,
        metrics=["loss", metric],
    )
    expected = [float(problem.metrics[metric](params)) for params in path]
    np.testing.assert_array_equal(found.steps, np.arange(31))
    np.testing.assert_allclose(found.values[metric][0], expected, rtol=2e-4)


def test_stationary_variance_is_that_of_the_closed_form():
    lr, momentum, curvature, noise_std = 0.05, 0.8, 1.5, 0.3
    runs, records = 512, 64
    problem = quadratic(curvature, noise_std, start=1e-3)
    found = simulate(problem, lr, momentum, np.arange(runs), steps=12_800, records=records)
    # Records are 200 steps apart, 50 times the memory: independent draws, as are the runs.
    squares = found.values["square"][:, 8:].ravel()
    exact = timescales.stationary_variance(lr, momentum, curvature, noise_std**2)
    standard_error = squares.std() / np.sqrt(squares.size)
    assert abs(squares.mean() - exact) < 4 * standard_error
    assert standard_error < 0.02 * exact


def test_a_run_does_not_depend_on_its_neighbours():
    problem = matrix_sensing(dimension=8, examples=20)
    rng = np.random.default_rng(0)
    lr = rng.uniform(0.001, 0.02, 12)
    momentum = rng.uniform(0.5, 0.99, 12)
    seed = np.arange(12)
    order = rng.permutation(12)
    together = simulate(problem, lr, momentum, seed, steps=200, records=10, metrics=["test_error"])
    shuffled = simulate(
        problem,
        lr[order],
        momentum[order],
        seed[order],
        steps=200,
        records=10,
        metrics=["test_error"],
    )
    alone = simulate(
        problem, lr[3], momentum[3], seed[3], steps=200, records=10, metrics=["test_error"]
    )
    np.testing.assert_array_equal(
        together.values["test_error"][order], shuffled.values["test_error"]
    )
    np.testing.assert_array_equal(together.values["test_error"][3], alone.values["test_error"][0])


def test_seeds_differ_and_repeat():
    problem = scalar_product()
    found = simulate(problem, 0.01, 0.9, [0, 1, 0], steps=50, records=5, metrics=["u_norm"])
    u = found.values["u_norm"]
    np.testing.assert_array_equal(u[0], u[2])
    assert not np.allclose(u[0, 1:], u[1, 1:])


def test_divergence_has_a_step_and_no_nan_before_it():
    problem = quadratic(start=1.0)
    limit = float(timescales.stability_limit(0.5, 1.0))
    found = simulate(problem, [0.9 * limit, 2 * limit], 0.5, 0, steps=2000, records=100)
    assert found.diverged_step[0] == -1
    assert found.recorded[0] == 101
    step = found.diverged_step[1]
    assert step in found.steps
    before = found.steps < step
    assert np.isfinite(found.values["square"][1][before]).all()
    assert found.recorded[1] == before.sum()


def test_settled_runs_end_their_own_records_and_the_batch():
    problem = quadratic()

    def settled(steps, values, momentum):
        assert values.shape == (len(momentum), len(steps))
        return values[:, -1] < 1e-3

    both = simulate(problem, [0.1, 0.001], 0.5, 0, steps=10_000, records=160, settled=settled)
    fast = simulate(problem, 0.1, 0.5, 0, steps=10_000, records=160, settled=settled)
    assert both.recorded[0] == fast.recorded[0] < both.recorded[1]
    assert fast.steps[-1] == fast.steps[fast.recorded[0] - 1] < 10_000
    assert np.isnan(both.values["square"][0, both.recorded[0] :]).all()
    np.testing.assert_allclose(
        both.values["square"][0, : both.recorded[0]], fast.values["square"][0], rtol=1e-5
    )


def test_cooled_metrics_are_read_on_the_manifold():
    problem = scalar_product(noise_std=0.5)
    found = simulate(
        problem,
        0.01,
        0.5,
        np.arange(8),
        steps=100,
        records=4,
        metrics=["loss", "cooled:loss", "cooled:trace"],
    )
    assert (found.values["loss"][:, 1:].mean(axis=0) > 1e-4).all()
    assert (found.values["cooled:loss"] < 1e-9).all()
    # The descent is close to gradient flow, whose end is known in closed form.
    np.testing.assert_allclose(
        found.values["cooled:trace"], found.values["projected_trace"], rtol=0.02
    )


def test_double_precision_is_more_precise():
    problem = quadratic()
    exact = [1.0]
    position, velocity = 1.0, 0.0
    for _ in range(100):
        velocity = 0.9 * velocity + position
        position -= 0.01 * velocity
        exact.append(position)
    error = {}
    for dtype in ("float32", "float64"):
        found = simulate(problem, 0.01, 0.9, 0, steps=100, records=100, dtype=dtype, metrics=["w"])
        error[dtype] = np.abs(found.values["w"][0] - exact).max()
    assert error["float64"] < 1e-14
    assert 1e-9 < error["float32"] < 1e-5


def test_both_precisions_of_one_problem_in_one_process():
    problem = matrix_sensing(dimension=6, examples=12, noise_std=0.0)
    narrow = simulate(problem, 0.01, 0.5, 0, steps=20, records=2, metrics=["test_error"])
    wide = simulate(
        problem, 0.01, 0.5, 0, steps=20, records=2, metrics=["test_error"], dtype="float64"
    )
    np.testing.assert_allclose(narrow.values["test_error"], wide.values["test_error"], rtol=1e-3)


def test_record_steps():
    np.testing.assert_array_equal(record_steps(100, 4), [0, 25, 50, 75, 100])
    np.testing.assert_array_equal(record_steps(3, 10), [0, 1, 2, 3])
    marks = record_steps(1000, 20, "log")
    assert marks[0] == 0
    assert marks[1] == 1
    assert marks[-1] == 1000
    assert (np.diff(marks) > 0).all()


PEAK = """
import json, sys
from benchmarks import chunk_memory
print(json.dumps(chunk_memory.measured("matrix-sensing", {}, int(sys.argv[1]))))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's peak memory")
def test_the_footprint_is_what_a_batch_takes():
    """Within a fifth, at a width where it is tens of megabytes and is told from noise."""
    pytest.importorskip("torch", reason="benchmarks need the torch extra")
    pytest.importorskip("PIL", reason="benchmarks need the data extra")
    mapped = {"MALLOC_MMAP_THRESHOLD_": "65536", "JAX_NUM_CPU_DEVICES": "1"}
    root = Path(__file__).parents[3]
    words = [sys.executable, "-c", PEAK, "4096"]
    done = subprocess.run(
        words, cwd=root, env={**os.environ, **mapped}, stdout=subprocess.PIPE, check=True, text=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["measured"] > 20e6
    assert 0.8 < found["ratio"] < 1.2


def test_the_largest_of_all_products():
    def both(x, y):
        return x @ x, y @ y.T

    program = jax.jit(both).lower(jnp.ones((6, 8, 8)), jnp.ones((5, 70))).compile().as_text()
    assert largest_in_products(program) == 4 * 6 * 8 * 8
    made = """
    %left = f32[2,3]{1,0} parameter(0)
    %right = f64[3,500]{1,0} parameter(1)
    ROOT %out.1 = f32[2,500]{1,0} dot(%left, %right), lhs_contracting_dims={1}
    %other = f32[9999]{0} add(%x, %y)
    """
    assert largest_in_products(made) == 8 * 3 * 500
    assert largest_in_products("") == 0


def test_the_footprint_grows_with_the_problem():
    small = footprint(matrix_sensing(dimension=6, examples=12, start="init"), 1)
    large = footprint(matrix_sensing(dimension=24, examples=12, start="init"), 1)
    assert small.at_once >= small.width * 4 * 4 * 36
    assert 8 < (large.at_once / large.width) / (small.at_once / small.width) < 32
    assert small.per_run == large.per_run == 8 * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"lr": np.nan}, "lr must be positive and finite, got nan"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"momentum": -0.1}, r"momentum must be in \[0, 1\), got -0.1"),
        ({"seed": -1}, r"seed must be in \[0, 2\*\*31\), got -1"),
        ({"seed": 0.5}, "seed must be an integer"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"records": 0}, "records must be at least 1, got 0"),
        ({"spacing": "cubic"}, "spacing must be 'linear' or 'log', got 'cubic'"),
        ({"dtype": "float16"}, "dtype must be 'float32' or 'float64', got 'float16'"),
        ({"metrics": ["speed"]}, "has no metric 'speed'; it has w, square"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    settings = {"lr": 0.1, "momentum": 0.9, "seed": 0, "steps": 10, **arguments}
    with pytest.raises(ValueError, match=message):
        simulate(quadratic(), **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gradient": lambda p, k: {"w": jnp.ones(3)}}, r"shape of the parameters, \(\), got \(3,"),
        ({"gradient": lambda p, k: p["w"]}, "structure of the parameters"),
        ({"metrics": {"square": lambda p: jnp.ones(2)}}, r"'square' must be a scalar, .* \(2,\)"),
        ({"metrics": {"square": lambda p: p["w"] * np.nan}}, "'square' is nan at the start"),
    ],
)
def test_a_wrong_problem_is_told_what_is_wrong(change, message):
    with pytest.raises(ProblemError, match=message):
        simulate(replace(quadratic(), **change), 0.1, 0.9, 0, steps=10)
