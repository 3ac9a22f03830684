"""Sharpness and drift against closed forms, finite differences and simulated SGD."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.theory import (
    NotOnManifoldError,
    drift,
    hessian_trace,
    hutchinson_trace,
    hutchinson_trace_gradient,
    label_noise_covariance,
    label_noise_drift,
    minibatch_covariance,
    nearest,
    trace_gradient,
)
from tests.theory.conftest import linear, scalar_product

HYPERBOLA = np.array([2.0, 0.5])
EPS = 0.3


def closed_flow_end(point):
    """Φ of ``u v = 1``: ``u^2 - v^2`` is conserved."""
    difference = point[0] ** 2 - point[1] ** 2
    u = np.sqrt((difference + np.sqrt(difference**2 + 4)) / 2)
    return np.array([u, 1 / u])


# --- Sharpness -----------------------------------------------------------------------------------


def test_trace_of_the_scalar_product():
    model = scalar_product()
    assert hessian_trace(model, HYPERBOLA) == pytest.approx(4.25)
    along = np.array([2.0, -0.5]) / np.hypot(2.0, 0.5)
    expected = (2 * HYPERBOLA @ along) * along
    np.testing.assert_allclose(trace_gradient(model, HYPERBOLA), expected, atol=1e-10)


def test_trace_is_that_of_the_hessian(on_manifold):
    model, point = on_manifold
    with jax.enable_x64(True):
        trace = float(jnp.trace(jax.hessian(model.loss_at)(jnp.asarray(point))))
    assert hessian_trace(model, point) == pytest.approx(trace, rel=1e-9)


@pytest.mark.parametrize("method", ["dense", "matrix-free"])
def test_probes_agree_with_the_exact_trace_within_their_error(on_manifold, method):
    model, point = on_manifold
    key = jax.random.key(0)
    trace = hutchinson_trace(model, point, key, 200)
    assert abs(trace.value - hessian_trace(model, point)) < 4 * trace.error
    assert trace.error < 0.2 * trace.value
    gradient = hutchinson_trace_gradient(model, point, key, 200, method=method)
    exact = trace_gradient(model, point, method=method)
    assert (np.abs(gradient.value - exact) < 4.5 * gradient.error + 1e-12).all()
    with pytest.raises(ValueError, match="probes must be at least 2"):
        hutchinson_trace(model, point, key, 1)


# --- Drift ---------------------------------------------------------------------------------------


def test_drift_of_the_scalar_product_in_closed_form():
    model = scalar_product()
    along = np.array([2.0, -0.5]) / np.hypot(2.0, 0.5)
    expected = -(EPS**2) / 4 * (2 * HYPERBOLA @ along) * along
    np.testing.assert_allclose(label_noise_drift(model, HYPERBOLA, EPS), expected, atol=1e-10)


def test_label_noise_drift_is_the_general_one(on_manifold):
    model, point = on_manifold
    covariance = label_noise_covariance(model, point, EPS)
    general, special = drift(model, point, covariance), label_noise_drift(model, point, EPS)
    np.testing.assert_allclose(general, special, rtol=1e-5, atol=1e-8 * np.abs(special).max())
    assert np.linalg.norm(special) > 1e-4


def test_the_general_drift_is_half_the_second_derivative_of_the_flow_s_end():
    """Any covariance, with parts across and along Γ, against differences of the closed form."""
    rng = np.random.default_rng(0)
    root = rng.standard_normal((2, 2))
    covariance, h = root @ root.T, 1e-3
    values, vectors = np.linalg.eigh(covariance)
    expected = np.zeros(2)
    for value, vector in zip(values, vectors.T, strict=True):
        ends = [closed_flow_end(HYPERBOLA + sign * h * vector) for sign in (1, 0, -1)]
        expected += value * (ends[0] - 2 * ends[1] + ends[2]) / h**2 / 2
    np.testing.assert_allclose(drift(scalar_product(), HYPERBOLA, covariance), expected, rtol=1e-4)


@pytest.mark.parametrize("part", ["along", "across", "mixed"])
def test_each_part_of_the_covariance(part):
    t = np.array([2.0, -0.5]) / np.hypot(2.0, 0.5)
    n = np.array([0.5, 2.0]) / np.hypot(2.0, 0.5)
    covariance = {
        "along": np.outer(t, t),
        "across": np.outer(n, n),
        "mixed": np.outer(t, n) + np.outer(n, t),
    }[part]
    with_second_derivatives, h = np.zeros(2), 1e-3
    for i in range(2):
        for j in range(2):
            ei, ej = h * np.eye(2)[i], h * np.eye(2)[j]
            second = (
                closed_flow_end(HYPERBOLA + ei + ej)
                - closed_flow_end(HYPERBOLA + ei - ej)
                - closed_flow_end(HYPERBOLA - ei + ej)
                + closed_flow_end(HYPERBOLA - ei - ej)
            ) / (4 * h**2)
            with_second_derivatives += covariance[i, j] * second / 2
    found = drift(scalar_product(), HYPERBOLA, covariance)
    np.testing.assert_allclose(found, with_second_derivatives, rtol=1e-4, atol=1e-6)


def test_a_linear_model_does_not_drift():
    model = linear()
    point = nearest(model, np.zeros(5)).point
    np.testing.assert_allclose(label_noise_drift(model, point, 1.0), 0, atol=1e-12)
    root = np.random.default_rng(1).standard_normal((5, 5))
    np.testing.assert_allclose(drift(model, point, root @ root.T), 0, atol=1e-12)


@pytest.mark.parametrize(("lr", "momentum"), [(2e-3, 0.0), (4e-4, 0.8)])
def test_simulated_sgd_drifts_as_told(lr, momentum):
    """The mean motion of Φ per step, over many runs, at two pairs of the same effective step."""
    steps, runs, wait = 400, 20_000, 200
    target, model = 1.0, scalar_product()

    def run(key):
        def step(state, key):
            w, p = state
            error = w[0] * w[1] - target - EPS * jax.random.normal(key)
            p = momentum * p + error * w[::-1]
            return (w - lr * p, p), w[0] ** 2 - w[1] ** 2

        start = (jnp.asarray(HYPERBOLA), jnp.zeros(2))
        _, differences = jax.lax.scan(step, start, jax.random.split(key, wait + steps))
        return differences[-1] - differences[wait]

    with jax.enable_x64(True):
        moved = np.asarray(jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), runs)))
    mean, error = float(moved.mean()), float(moved.std() / runs**0.5)
    told = np.asarray(label_noise_drift(model, HYPERBOLA, EPS)) * (lr / (1 - momentum)) ** 2
    # u^2 - v^2 labels the point of Γ; here 2 (u, -v) is its gradient, to the order of the drift.
    expected = steps * float(told @ (2 * HYPERBOLA * [1, -1]))
    assert error < 0.1 * abs(expected)
    assert mean == pytest.approx(expected, abs=4 * error)


# --- Noise ---------------------------------------------------------------------------------------


def test_covariance_of_batches_measured(on_manifold):
    """Gradients of drawn batches, off the manifold, where batches alone make noise too."""
    model, point = on_manifold
    off = np.asarray(point) + 0.05 * np.random.default_rng(0).standard_normal(model.size)
    size, draws, std = 2, 40_000, 0.3
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        J = np.asarray(jax.jacrev(model.residuals_at)(jnp.asarray(off)))
        r = np.asarray(model.residuals_at(jnp.asarray(off)))
    chosen = rng.integers(model.examples, size=(draws, size))
    noisy = r[chosen] - std * rng.standard_normal((draws, size))
    gradients = np.einsum("nb,nbd->nd", noisy, J[chosen]) / size
    told = np.asarray(minibatch_covariance(model, off, size, std))
    assert np.linalg.norm(np.cov(gradients.T) - told) < 0.03 * np.linalg.norm(told)


def test_on_the_manifold_batches_alone_make_no_noise(on_manifold):
    model, point = on_manifold
    assert np.abs(minibatch_covariance(model, point, 2)).max() < 1e-15
    full = label_noise_covariance(model, point, EPS)
    np.testing.assert_allclose(
        minibatch_covariance(model, point, model.examples, EPS), full, rtol=1e-9, atol=1e-15
    )


def test_what_is_refused():
    model = scalar_product()
    with pytest.raises(NotOnManifoldError):
        label_noise_drift(model, np.array([2.0, 0.7]), EPS)
    with pytest.raises(ValueError, match=r"covariance must have shape \(2, 2\), got \(3, 3\)"):
        drift(model, HYPERBOLA, np.eye(3))
    with pytest.raises(ValueError, match="covariance must be symmetric"):
        drift(model, HYPERBOLA, np.array([[1.0, 2.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        minibatch_covariance(model, HYPERBOLA, 0)
