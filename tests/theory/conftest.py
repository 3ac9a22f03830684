"""Models whose manifold of minimizers is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.theory import SquaredError


def scalar_product(width=1, target=1.0):
    """``u . v = target``: for width 1 a hyperbola, with ``u^2 - v^2`` conserved by the flow."""
    example = {"u": np.ones(width), "v": np.ones(width)}
    return SquaredError(lambda p: jnp.vdot(p["u"], p["v"]) - target, example)


def linear(examples=3, size=5):
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((examples, size)), rng.standard_normal(examples)
    return SquaredError(lambda w: A @ w - y, np.zeros(size))


def commuting_sensing(dimension=5, examples=3):
    """Matrix sensing with diagonal measurements: outputs ``sum_j a_ij U_jj^2`` on a diagonal U."""
    rng = np.random.default_rng(1)
    a = rng.standard_normal((examples, dimension))
    measurements = np.stack([np.diag(row) for row in a])
    targets = a @ rng.uniform(0.5, 1.5, dimension)

    def residuals(U):
        return jnp.einsum("pij,ik,jk->p", measurements, U, U) - targets

    return SquaredError(residuals, np.eye(dimension)), a


def network(width=6, examples=4):
    """A small tanh network on one input, with more weights than examples."""
    rng = np.random.default_rng(2)
    x, y = np.linspace(-1, 1, examples), rng.standard_normal(examples) / 2
    example = {
        "w": rng.standard_normal(width),
        "b": rng.standard_normal(width) / 2,
        "a": rng.standard_normal(width) / width**0.5,
    }

    def residuals(p):
        return jnp.tanh(jnp.outer(x, p["w"]) + p["b"]) @ p["a"] - y

    return SquaredError(residuals, example)


def valley(*curvatures):
    """A residual whose ``tr H`` on ``y = 0`` is a paraboloid, ``1 + sum_j h_j x_j^2 / 2``."""
    h = np.array(curvatures)

    def residual(p):
        return p["y"] * jnp.sqrt(1 + jnp.sum(h * p["x"] ** 2) / 2)

    return SquaredError(residual, {"x": np.ones(len(h)), "y": np.zeros(())})


@pytest.fixture(scope="session")
def on_manifold():
    """The network and a point on its manifold."""
    from flatfast.theory import flow_end

    model = network()
    return model, flow_end(model, model.flat(model.example)).point
