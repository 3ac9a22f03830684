"""h at a point, and the flow's projection without the Jacobian, against known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.theory import (
    SquaredError,
    drift_curvature,
    excess_rate,
    flow_on_manifold,
    flow_relaxation,
    hessian_trace,
    trace_curvature,
    trace_gradient,
)
from flatfast.theory.flow import slope
from flatfast.theory.frame import Frame, along
from tests.theory.conftest import network, scalar_product, valley

METHODS = ("dense", "matrix-free")


@pytest.mark.parametrize("floor", [1e-4, 1e-2, 0.3])
def test_products_alone_give_what_the_modes_give(floor):
    """``(G^2 + f^2)^-1 G`` by conjugate gradients, and from the eigenvectors; off Γ too."""
    model = network()
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        w = jnp.asarray(model.flat(model.example) + 0.1 * rng.standard_normal(model.size))
        direction = jnp.asarray(rng.standard_normal(model.size))
        expected = Frame(model, w, floor).along(direction)
        found = along(model, w, direction, floor, 1e-12)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.linalg.norm(expected))


@pytest.mark.parametrize("method", METHODS)
def test_local_h_of_a_paraboloid(method):
    model, at = valley(3.0, 0.5, 7.0), np.array([0.2, -0.1, 0.3, 0.0])
    h = np.array([3, 0.5, 7])
    x = at[:3]
    along_drift = h**3 @ x**2 / (h**2 @ x**2)
    assert drift_curvature(model, at, method=method) == pytest.approx(along_drift, rel=1e-4)
    from_excess = h**2 @ x**2 / (h @ x**2)
    assert excess_rate(model, at, 1.0, method=method) == pytest.approx(from_excess, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_local_h_of_the_hyperbola(method):
    """On ``(e^q, e^-q)`` of arc length ds^2 = 2 cosh 2q dq^2, ``tr H = 2 cosh 2q``."""
    q = 0.4
    model, at = scalar_product(), np.array([np.exp(q), np.exp(-q)])
    squared_slope = (4 * np.sinh(2 * q)) ** 2 / (2 * np.cosh(2 * q))
    expected = squared_slope / (2 * (2 * np.cosh(2 * q) - 2))
    assert excess_rate(model, at, 2.0, method=method) == pytest.approx(expected, rel=1e-5)
    # d^2 T / ds^2 = T'' / g - T' g' / (2 g^2), with g = 2 cosh 2q.
    g = 2 * np.cosh(2 * q)
    curved = 8 * np.cosh(2 * q) / g - (4 * np.sinh(2 * q)) ** 2 / (2 * g**2)
    assert drift_curvature(model, at, method=method) == pytest.approx(curved, rel=1e-4)
    exact = trace_curvature(model, at, trace_gradient(model, at))
    assert exact == pytest.approx(curved, rel=1e-5)


def test_the_flow_without_the_jacobian(on_manifold):
    model, point = on_manifold
    times = np.linspace(0, 3, 4)
    paths = [
        flow_on_manifold(model, point, noise_std=1.0, times=times, floor=1e-2, method=method)
        for method in METHODS
    ]
    moved = np.linalg.norm(paths[0].points[-1] - point)
    assert moved > 0.05
    np.testing.assert_allclose(paths[1].points, paths[0].points, atol=1e-4 * moved)


def test_the_relaxation_without_the_jacobian():
    start = np.array([np.e, 1 / np.e])
    found = flow_relaxation(scalar_product(), start, threshold=2.5, method="matrix-free")
    time = np.log(np.sinh(2) / np.sinh(np.arccosh(1.25))) / 4
    assert found.time == pytest.approx(time, rel=1e-3)


def test_a_model_with_a_trace_of_its_own():
    at = np.array([1.8, 1 / 1.8])
    plain = scalar_product()
    own = SquaredError(
        plain.residuals, plain.example, lambda p: jnp.sum(p["u"] ** 2) + jnp.sum(p["v"] ** 2)
    )
    assert hessian_trace(own, at) == pytest.approx(hessian_trace(plain, at))
    np.testing.assert_allclose(slope(own, at), slope(plain, at), rtol=1e-9)
    np.testing.assert_allclose(slope(own, at), trace_gradient(plain, at), rtol=1e-6)


def test_h_from_the_excess_needs_one():
    with pytest.raises(ValueError, match="tr H must be above its end, 2, got 2"):
        excess_rate(scalar_product(), [1, 1], 2.0)
