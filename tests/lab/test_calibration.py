"""The lab's problems as calibration sees them, against what is exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from flatfast.calibration import Verdict
from flatfast.lab.calibration import ProblemLandscape, calibrate_problem
from flatfast.lab.problems import load
from flatfast.lab.training.curvature import hessian_trace
from flatfast.timescales import prefactor_from_kappa

TINY = {"examples": 6, "width": 8, "depth": 2, "start": "init"}


def dense(landscape, size):
    return np.stack([np.asarray(landscape.product(row)) for row in jnp.eye(size)])


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_probes_and_products_are_those_of_the_gauss_newton_matrix(loss):
    problem = load("digits-mlp", {**TINY, "loss": loss})
    params = problem.start()
    landscape = ProblemLandscape(problem)
    outputs = problem.residuals if loss == "squared" else problem.logits
    flat, tree = ravel_pytree(jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), params))
    J = np.asarray(jax.jacrev(lambda w: outputs(tree(w)))(flat), np.float64)
    classes = J.shape[1]
    S = np.broadcast_to(np.eye(classes), (6, classes, classes))
    if loss == "cross-entropy":
        p = np.asarray(jax.nn.softmax(outputs(tree(flat))), np.float64)
        S = np.einsum("pk,kl->pkl", p, np.eye(classes)) - np.einsum("pk,pl->pkl", p, p)
    G = np.einsum("pki,pkl,plj->ij", J, S, J) / 6
    rng = np.random.default_rng(0)
    for v in rng.standard_normal((3, flat.size)):
        assert np.asarray(landscape.product(jnp.asarray(v, jnp.float32))) == pytest.approx(
            G @ v, rel=1e-3, abs=1e-4 * np.abs(G @ v).max()
        )
    rows = [landscape.row(number) for number in range(landscape.outputs)]
    assert sum(value for value, _ in rows) == pytest.approx(np.trace(G), rel=1e-4)
    values = [landscape.probe()[0] for _ in range(400)]
    assert np.mean(values) == pytest.approx(
        np.trace(G), abs=4 * np.std(values) / len(values) ** 0.5
    )


def test_on_the_manifold_of_flipping_labels_the_two_curvatures_agree():
    # There the noise-free loss has no slope, and its Hessian is the Gauss-Newton matrix.
    problem = load("digits-mlp", {**TINY, "start": "interpolating", "loss": "cross-entropy"})
    params = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), problem.start())
    landscape = ProblemLandscape(problem)
    values = [landscape.probe()[0] for _ in range(200)]
    exact = float(hessian_trace(problem.loss, params))
    assert np.mean(values) == pytest.approx(exact, rel=0.05)


def test_the_scalar_product_in_closed_form():
    found = calibrate_problem(load("scalar-product"), 1e-4, budget=4000)
    slope, trace = 8 * np.sinh(2) ** 2 / np.cosh(2), 2 * np.cosh(2)
    kappa = 0.5**2 / 4 * slope / (2 * trace)
    assert found.kappa == pytest.approx(kappa, rel=0.1)
    assert found.critical == pytest.approx(float(prefactor_from_kappa(kappa)), rel=0.04)
    assert found.noise / found.sharpness == pytest.approx(0.25, rel=0.1)


def test_what_is_refused():
    still = calibrate_problem(load("matrix-sensing", {"noise_std": 0.0, "examples": 90}), 1e-3)
    assert [doubt.verdict for doubt in still.doubts] == [Verdict.NO_LASTING_NOISE]
    batches = calibrate_problem(
        load("digits-mlp", {**TINY, "noise_std": 0.0, "batch_size": 2}), 1e-3
    )
    assert Verdict.NO_LASTING_NOISE in [doubt.verdict for doubt in batches.doubts]
    fresh = calibrate_problem(load("digits-mlp", TINY), 1e-3)
    assert fresh.misfit > 0.5
    assert Verdict.OFF_MANIFOLD in [doubt.verdict for doubt in fresh.doubts]


def test_a_problem_without_outputs():
    from dataclasses import replace

    bare = replace(load("scalar-product"), residuals=None)
    with pytest.raises(ValueError, match="neither residuals nor logits"):
        calibrate_problem(bare, 0.1)


@pytest.mark.slow
def test_a_residual_network():
    problem = load("digits-resnet", {"channels": 3, "examples": 8, "blocks": 1, "start": "init"})
    params = jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), problem.start())
    residuals = problem.residuals(params)
    assert residuals.shape == (8, 10)
    assert float(problem.loss(params)) == pytest.approx(float(jnp.sum(residuals**2)) / 16)
    flat, tree = ravel_pytree(params)
    J = jax.jacrev(lambda w: problem.residuals(tree(w)).ravel())(flat)
    exact = float(jnp.sum(J**2)) / 8
    assert float(problem.metrics["trace"](params)) == pytest.approx(exact, rel=0.25)
    # The convolution is the textbook's.
    maps = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    layer = {"weight": jax.random.normal(jax.random.key(1), (27, 5)), "bias": jnp.ones(5)}
    from flatfast.lab.problems.digits_resnet import _convolved

    kernel = layer["weight"].reshape(3, 3, 3, 5)
    expected = jax.lax.conv_general_dilated(
        maps, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    assert jnp.allclose(_convolved(maps, layer), expected + 1, atol=1e-4)
