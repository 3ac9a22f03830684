"""Ways onto the manifold of minimizers, and its tangent space, against known answers."""

import numpy as np
import pytest

from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    check_on_manifold,
    flow_end,
    jacobian,
    nearest,
    normal_projector,
    tangent,
)
from tests.theory.conftest import commuting_sensing, linear, scalar_product


@pytest.mark.parametrize("width", [1, 30])
def test_the_flow_of_the_scalar_product_conserves_the_difference_of_squares(width):
    model = scalar_product(width)
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((2, width)) / width**0.5
    end = flow_end(model, model.flat({"u": u, "v": v}))
    found = model.tree(end.point)
    np.testing.assert_allclose(found["u"] ** 2 - found["v"] ** 2, u**2 - v**2, atol=1e-7)
    assert np.vdot(found["u"], found["v"]) == pytest.approx(1, abs=1e-11)
    assert end.distance == pytest.approx(
        np.linalg.norm([found["u"] - u, found["v"] - v]), rel=1e-12
    )


def test_the_flow_of_a_linear_model_ends_at_the_nearest_point():
    model = linear()
    start = np.random.default_rng(3).standard_normal(5)
    J = np.asarray(jacobian(model, start))
    at_0 = J @ start - (J @ nearest(model, start).point)  # residuals: J w - y, zero at the end
    expected = start - np.linalg.pinv(J) @ at_0
    for project in (flow_end, nearest):
        np.testing.assert_allclose(project(model, start).point, expected, atol=1e-6)


def test_the_flow_of_commuting_measurements():
    """Each diagonal entry is scaled by ``exp(sum_i a_ij nu_i)``: log U is conserved along ker a."""
    model, a = commuting_sensing()
    start = np.diag(np.random.default_rng(4).uniform(0.5, 1.2, 5))
    end = model.tree(flow_end(model, model.flat(start)).point)
    np.testing.assert_allclose(end - np.diag(np.diag(end)), 0, atol=1e-12)
    ratio = np.log(np.diag(end) / np.diag(start))
    kernel = np.linalg.svd(a)[2][3:]
    np.testing.assert_allclose(kernel @ ratio, 0, atol=1e-7)
    assert np.abs(ratio).max() > 0.05


def test_nearest_and_flow_differ_by_the_square_of_the_distance():
    model = scalar_product()
    on = np.array([2.0, 0.5])
    away = np.array([0.5, 2.0]) / np.hypot(0.5, 2.0)
    gaps = []
    for distance in (0.02, 0.01):
        ends = [project(model, on + distance * away).point for project in (flow_end, nearest)]
        gaps.append(np.linalg.norm(ends[0] - ends[1]))
    assert gaps[1] > 1e-6
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.1)


def test_a_point_on_the_manifold_stays():
    model = scalar_product()
    end = flow_end(model, np.array([4.0, 0.25]))
    assert end.distance == 0


def test_the_tangent_of_the_hyperbola():
    model, point = scalar_product(), np.array([2.0, 0.5])
    direction = np.array([1.0, 0.3])
    along = np.array([2.0, -0.5]) / np.hypot(2.0, 0.5)
    for method in ("dense", "matrix-free"):
        found = tangent(model, point, direction, method=method)
        np.testing.assert_allclose(found, (direction @ along) * along, atol=1e-12)


def test_dense_and_matrix_free_agree(on_manifold):
    model, point = on_manifold
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(model.size)
        dense, free = (tangent(model, point, direction, method=m) for m in ("dense", "matrix-free"))
        np.testing.assert_allclose(free, dense, atol=1e-7)
        np.testing.assert_allclose(jacobian(model, point) @ dense, 0, atol=1e-10)


def test_several_directions_at_once(on_manifold):
    model, point = on_manifold
    directions = np.random.default_rng(5).standard_normal((3, model.size))
    for method in ("dense", "matrix-free"):
        found = tangent(model, point, directions, method=method)
        each = [tangent(model, point, direction, method=method) for direction in directions]
        np.testing.assert_allclose(found, each, atol=1e-12)


def test_the_projector_projects(on_manifold):
    model, point = on_manifold
    projector = np.asarray(normal_projector(model, point))
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-12)
    assert np.trace(projector) == pytest.approx(model.examples)


def test_dependent_residuals():
    """The same example twice: J has lower rank than rows, which the dense path knows."""
    model = SquaredError(lambda w: np.array([1.0, 1.0]) * (w[0] * w[1] - 1), np.ones(2))
    point = np.array([2.0, 0.5])
    along = np.array([2.0, -0.5]) / np.hypot(2.0, 0.5)
    found = tangent(model, point, np.array([1.0, 0.3]))
    np.testing.assert_allclose(found, (np.array([1.0, 0.3]) @ along) * along, atol=1e-12)
    np.testing.assert_allclose(nearest(model, np.array([2.0, 0.6])).loss, 0, atol=1e-20)


def test_no_minimizer_of_zero_loss():
    impossible = SquaredError(lambda w: w[0] ** 2 + 1.0, np.ones(2))
    with pytest.raises(NotOnManifoldError, match=r"gradient flow did not reach zero loss"):
        flow_end(impossible, np.ones(2))
    with pytest.raises(NotOnManifoldError, match="after 100 Gauss-Newton steps"):
        nearest(impossible, np.ones(2))


def test_off_the_manifold_is_named():
    with pytest.raises(NotOnManifoldError, match=r"off the zero-loss manifold by 0\.\d+ of its"):
        check_on_manifold(scalar_product(), np.array([2.0, 0.6]))


def test_parameters_must_be_finite():
    model = scalar_product()
    with pytest.raises(ValueError, match="parameters must be finite"):
        model.flat({"u": np.array([np.nan]), "v": np.array([1.0])})
