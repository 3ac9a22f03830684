"""Traces and eigenvalues against dense Hessians."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.training import mlp
from flatfast.lab.training.curvature import hessian_trace, hutchinson_trace, largest_eigenvalue


@pytest.fixture
def network():
    params = jax.tree.map(jnp.asarray, mlp.kaiming([3, 5, 4, 2], "tanh", seed=1))
    inputs = jnp.asarray(np.random.default_rng(0).standard_normal((6, 3)), jnp.float32)
    targets = mlp.predict(params, inputs, jnp.tanh)

    def loss(params):
        return jnp.sum((mlp.predict(params, inputs, jnp.tanh) - targets) ** 2) / (2 * len(inputs))

    return params, inputs, loss


def dense_hessian(loss, params):
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    return np.asarray(jax.hessian(lambda w: loss(unravel(w)))(flat))


def test_exact_trace(network):
    params, _, loss = network
    np.testing.assert_allclose(
        hessian_trace(loss, params), np.trace(dense_hessian(loss, params)), rtol=1e-4
    )


def test_hutchinson_covers_the_truth_as_its_error_says(network):
    params, _, loss = network
    truth = np.trace(dense_hessian(loss, params))
    keys = jax.random.split(jax.random.key(0), 200)
    found = jax.vmap(lambda key: hutchinson_trace(loss, params, key, 32))(keys)
    scores = (found.trace - truth) / found.standard_error
    assert abs(scores.mean()) < 4 / np.sqrt(200)
    assert 0.8 < scores.std() < 1.25


def test_one_probe_has_no_error(network):
    params, _, loss = network
    with pytest.raises(ValueError, match="probes must be at least 2 for a standard error, got 1"):
        hutchinson_trace(loss, params, jax.random.key(0), 1)


def test_largest_eigenvalue(network):
    params, _, loss = network
    exact = np.linalg.eigvalsh(dense_hessian(loss, params)).max()
    np.testing.assert_allclose(largest_eigenvalue(loss, params), exact, rtol=0.02)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_jacobian_norm_is_that_of_the_dense_jacobian(activation):
    activate = mlp.activation(activation)
    params = jax.tree.map(jnp.asarray, mlp.kaiming([3, 5, 4, 2], activation, seed=2))
    inputs = jnp.asarray(np.random.default_rng(0).standard_normal((6, 3)), jnp.float32)
    jacobian = jax.jacobian(partial(mlp.predict, inputs=inputs, activate=activate))(params)
    dense = sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(jacobian))
    np.testing.assert_allclose(
        mlp.jacobian_norm_squared(params, inputs, activate), dense, rtol=1e-5
    )


def test_jacobian_norm_is_the_trace_where_the_loss_is_zero(network):
    params, inputs, loss = network
    trace = mlp.jacobian_norm_squared(params, inputs, jnp.tanh) / len(inputs)
    np.testing.assert_allclose(trace, hessian_trace(loss, params), rtol=1e-4)


def test_unknown_activation():
    with pytest.raises(ValueError, match="activation must be one of tanh, relu, gelu, got 'cube'"):
        mlp.activation("cube")
