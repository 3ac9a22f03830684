"""Training on fresh data: its noise, its trace, the flow, and what its tables say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from flatfast.lab.calibration import calibrate_problem
from flatfast.lab.problems import load
from studies.fresh.analysis import over_best
from studies.fresh.cases import CASES
from studies.fresh.flow import _gauss_newton, flow
from studies.fresh.measure import middle
from studies.fresh.problems import PROBLEMS, SQUARED_NOISE, softmax_regression
from studies.fresh.tables import linear, table, verdict

EXAMPLES = 64


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param](batch=EXAMPLES, data_seed=1)


def at_start(problem):
    return ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start()))


def test_the_start_fits_its_teacher_and_the_trace_is_that_of_all_eigenvalues(problem):
    w, tree = at_start(problem)
    assert float(problem.loss(tree(w))) < 1e-10
    moved = w + 0.3 * jax.random.normal(jax.random.key(0), w.shape)
    for point in (w, moved):
        expected = float(jnp.trace(_gauss_newton(problem, tree, point)))
        assert float(problem.metrics["trace"](tree(point))) == pytest.approx(expected, rel=1e-4)


def test_the_noise_of_a_batch_is_the_curvature(problem):
    w, tree = at_start(problem)
    gradient = jax.jit(jax.vmap(lambda key: ravel_pytree(problem.gradient(tree(w), key))[0]))
    drawn = np.asarray(gradient(jax.random.split(jax.random.key(1), 4000)))
    scale = SQUARED_NOISE**2 if problem.logits is None else 1.0
    covariance = drawn.T @ drawn / len(drawn) * EXAMPLES / scale
    expected = np.asarray(_gauss_newton(problem, tree, w))
    # 4,000 draws, and a pool of 256 inputs for the population's.
    apart = np.linalg.norm(covariance - expected) / np.linalg.norm(expected)
    assert apart < 0.15
    assert np.trace(covariance) == pytest.approx(np.trace(expected), rel=0.05)


def test_the_flow_of_a_hyperbola():
    scalar = load("scalar-product", {})
    strength = 0.3
    times, shares = flow(scalar, strength, 0.6)
    w, tree = ravel_pytree(scalar.start())
    begin = float(scalar.metrics["trace"](tree(w)))
    # d tr / dt = -s^2 (tr^2 - 4 y^2) / tr along x y = y.
    product = float(jnp.prod(jnp.asarray(w)))
    floor = (2 * product) ** 2
    expected = np.sqrt(floor + (begin**2 - floor) * np.exp(-2 * strength * times)) / begin
    np.testing.assert_allclose(shares, expected, rtol=5e-3)


def test_softmax_regression_has_no_slope():
    found = calibrate_problem(softmax_regression(), 1e-3, noise="all")
    assert [str(doubt.verdict) for doubt in found.doubts] == ["no slope along the manifold"]


def made_up(**changed):
    ends = {"estimate": 0.66, "low": 0.6, "high": 0.7}
    curve = {"C": [[0.1, 0.2, 0.4]] * 5, "time": [[400.0, 200.0, None]] * 5}
    best = [{"estimate": 200.0, "low": 190.0, "high": 210.0}] * 5
    row = {
        "noise": [{"predicted": 0.01, "measured": 0.0102, "error": 0.0003}],
        "drift": [{"ratio": 1.2, "error": 0.02}, {"ratio": 1.05, "error": 0.02}],
        "calibrated": {"60": [{"ok": False}], "480": [{"ok": True, "C": 0.2}]},
        "sweep": {"lr": list(CASES[1].lr), "exponent": ends, "best_C": ends, "best_time": best}
        | curve,
    }
    return {"problems": {"fresh-softmax": row | changed}, "linear": [{"ok": False, "verdicts": []}]}


def test_the_tables_say_what_is_met():
    found = made_up()
    sweep = found["problems"]["fresh-softmax"]["sweep"]
    assert over_best(sweep, middle(CASES[1]), 0.1) == pytest.approx(2.0)
    assert over_best(sweep, middle(CASES[1]), 0.3) == np.inf
    told = verdict(found)
    assert "noise met, drift met, exponent met, steps at the calibrated C met" in told
    slow = made_up(drift=[{"ratio": 1.2, "error": 0.02}])
    assert "drift not met" in verdict(slow)
    assert "0 of 1 told one" in table(found)
    assert "0.2 (1 of 1); 1.00" in table(found)
    assert "0 of 1 starts" in linear(found)
    assert verdict({"problems": {}}) == table({"problems": {}}) == linear({}) == "not measured yet"
