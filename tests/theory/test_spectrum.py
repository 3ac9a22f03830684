"""Modes and tau_1 at a point: in closed form, and matrix-free against dense."""

import numpy as np
import pytest

from flatfast import timescales
from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    curvature_range,
    hessian_modes,
    nearest,
    slowest_mode,
    transverse_time,
)
from tests.theory.conftest import linear, scalar_product


def test_the_mode_of_the_hyperbola():
    """At ``(e^q, e^-q)`` the one curvature is ``2 cosh 2q``, its direction the normal."""
    u, v = np.exp(0.7), np.exp(-0.7)
    modes = hessian_modes(scalar_product(), [u, v])
    np.testing.assert_allclose(modes.curvature, [2 * np.cosh(1.4)])
    np.testing.assert_allclose(np.abs(modes.direction), [np.array([v, u]) / np.hypot(u, v)])
    found = transverse_time(scalar_product(), [u, v], lr=1e-3, momentum=0.9)
    assert found.curvature == pytest.approx(2 * np.cosh(1.4))
    assert found.time == timescales.tau_1(1e-3, 0.9, found.curvature)
    assert found.regime == "underdamped"


def test_modes_are_the_hessians(on_manifold):
    import jax

    model, point = on_manifold
    modes = hessian_modes(model, point)
    with jax.enable_x64(True):
        hessian = np.asarray(jax.hessian(model.loss_at)(point))
    np.testing.assert_allclose(
        hessian @ modes.direction.T, modes.direction.T * modes.curvature, atol=1e-10
    )
    assert (np.diff(modes.curvature) >= 0).all()
    np.testing.assert_allclose(
        np.linalg.eigvalsh(hessian)[-len(modes.curvature) :], modes.curvature, rtol=1e-6
    )


def test_coordinates_are_displacements_across(on_manifold):
    """Exact for a linear model; to first order, and blind to motion along, for a curved one."""
    import jax

    straight = linear()
    at = nearest(straight, np.zeros(straight.size)).point
    for model, point, size in ((straight, at, 1.0), (*on_manifold, 1e-6)):
        modes = hessian_modes(model, point)
        step = size * np.random.default_rng(0).standard_normal(model.size)
        with jax.enable_x64(True):
            residuals = np.asarray(model.residuals_at(point + step))
        np.testing.assert_allclose(
            modes.coordinates(residuals), modes.direction @ step, rtol=1e-4, atol=1e-4 * size
        )


def test_lanczos_against_dense(on_manifold):
    model, point = on_manifold
    dense = curvature_range(model, point, method="dense")
    np.testing.assert_allclose(
        curvature_range(model, point, method="matrix-free"), dense, rtol=1e-5
    )
    wide = linear(examples=40, size=90)
    at = nearest(wide, np.zeros(wide.size)).point
    np.testing.assert_allclose(
        curvature_range(wide, at, method="matrix-free"),
        curvature_range(wide, at, method="dense"),
        rtol=1e-5,
    )


def test_more_residuals_than_parameters():
    """The smaller of ``J J^T`` and ``J^T J`` is iterated."""
    matrix, at = np.random.default_rng(0).standard_normal((9, 5)), np.ones(5)
    model = SquaredError(lambda w: matrix @ (w - at), at)
    expected = np.linalg.eigvalsh(matrix.T @ matrix) / 9
    np.testing.assert_allclose(hessian_modes(model, at).curvature, expected)
    found = curvature_range(model, at, method="matrix-free")
    np.testing.assert_allclose(found, expected[[0, -1]], rtol=1e-5)


def test_which_mode_is_the_slowest():
    """The softest if overdamped or all are underdamped, the steepest close to instability."""
    curvatures = [0.01, 1.0, 3.9]
    slow = slowest_mode(curvatures, lr=1e-3, momentum=0.9)
    assert (slow.curvature, slow.regime) == (0.01, "overdamped")
    assert slow.time == pytest.approx(timescales.tau_1(1e-3, 0.9, 0.01))
    swinging = slowest_mode(curvatures, lr=1.0, momentum=0.999)
    assert (swinging.curvature, swinging.regime) == (0.01, "underdamped")
    assert swinging.time == pytest.approx(-2 / np.log(0.999))
    steep = slowest_mode([0.5, 1.0, 1.99], lr=1.0, momentum=0.0)
    assert (steep.curvature, steep.regime) == (1.99, "alternating")
    lost = slowest_mode([1.0, 5.0], lr=1.0, momentum=0.5)
    assert np.isinf(lost.time)
    assert (lost.curvature, lost.regime) == (5.0, "unstable")


def test_the_extremes_are_enough():
    """No mode between two is slower than both."""
    rng = np.random.default_rng(1)
    for momentum in rng.uniform(0, 0.999, 30):
        lr = 10.0 ** rng.uniform(-4, -1)
        curvatures = np.geomspace(1e-4, 0.999 * float(timescales.stability_limit(momentum)) / lr)
        both = slowest_mode(curvatures[[0, -1]], lr, momentum)
        assert slowest_mode(curvatures, lr, momentum).time == pytest.approx(both.time, rel=1e-6)


def test_what_is_refused():
    with pytest.raises(NotOnManifoldError):
        transverse_time(scalar_product(), [1.0, 2.0], lr=1e-3, momentum=0.9)
    twice = np.random.default_rng(0).standard_normal((4, 9))[[0, 1, 2, 3, 3]]
    model = SquaredError(lambda w: twice @ (w - 1), np.ones(9))
    with pytest.raises(ValueError, match="residuals are dependent here; use method='dense'"):
        curvature_range(model, np.ones(9), method="matrix-free")
    assert len(hessian_modes(model, np.ones(9)).curvature) == 4
    with pytest.raises(ValueError, match="at least one mode"):
        slowest_mode([], 1e-3, 0.9)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1"):
        slowest_mode([1.0], 1e-3, 1.0)
