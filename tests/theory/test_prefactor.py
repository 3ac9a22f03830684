"""h by its ways, against the hyperbola and a parabola of known curvature."""

import numpy as np
import pytest

from flatfast.theory import (
    NotOnManifoldError,
    critical_from_time,
    flow_relaxation,
    nearest,
    prefactor,
    settling_time,
    trace_curvature,
    trace_curvatures,
    trace_gradient,
)
from tests.theory.conftest import linear, scalar_product, valley


def test_the_flow_in_a_paraboloid():
    """``x`` falls as ``exp(-h S)``: the excess of the trace is met at ``ln(1/F) / 2h`` exactly."""
    model = valley(3.0)
    found = flow_relaxation(model, np.array([0.8, 0.0]), threshold=1 + 0.1 * 3 * 0.8**2 / 2)
    assert found.rate == pytest.approx(3.0, rel=0.01)
    assert found.end == pytest.approx(1, abs=1e-3)
    assert found.fraction == pytest.approx(0.1, rel=0.01)
    assert found.time == pytest.approx(np.log(10) / 6, rel=0.01)


def test_the_flow_on_the_hyperbola():
    """``sinh 2q`` falls as ``exp(-4 S)``."""
    start = np.array([np.e, 1 / np.e])
    found = flow_relaxation(scalar_product(), start, threshold=2.5)
    time = np.log(np.sinh(2) / np.sinh(np.arccosh(1.25))) / 4
    assert found.time == pytest.approx(time, rel=1e-3)
    fraction = 0.5 / (2 * np.cosh(2) - 2)
    assert found.rate == pytest.approx(np.log(1 / fraction) / (2 * time), rel=0.01)


def test_curvatures_of_a_paraboloid():
    model, at = valley(3.0, 0.5, 7.0), np.array([0.2, -0.1, 0.3, 0.0])
    np.testing.assert_allclose(trace_curvatures(model, at, 2), [3, 7], rtol=1e-4)
    assert trace_curvature(model, at, [0, 2.0, 0, 0]) == pytest.approx(0.5, rel=1e-4)
    gradient = trace_gradient(model, at)
    h = np.array([3, 0.5, 7, 0])
    expected = h**3 @ at**2 / (h**2 @ at**2)
    assert trace_curvature(model, at, gradient) == pytest.approx(expected, rel=1e-4)


def test_curvature_at_the_bottom_of_the_hyperbola():
    """On ``(e^q, e^-q)``, ``tr H = 2 cosh 2q``: 8 in q, over a metric of 2, is 4."""
    assert trace_curvature(scalar_product(), [1, 1], [1, -1]) == pytest.approx(4, rel=1e-6)


def test_a_metric_of_ones_own():
    model = valley(3.0)
    found = flow_relaxation(
        model, np.array([0.8, 0.0]), threshold=0.064, metric=lambda points: points[:, 0] ** 2
    )
    assert found.rate == pytest.approx(3.0, rel=0.01)


def test_the_prefactor_of_a_rate():
    found = prefactor(rate=4.0, noise_std=0.5, batch_size=8, fraction=0.1)
    assert found.critical == pytest.approx((0.25 * 4 / 8) ** (1 / 3))
    assert found.time_at(found.C, 0.1) == pytest.approx(found.time, rel=1e-3)
    assert (found.time_at(found.C * np.array([0.5, 2]), 0.1) > found.time).all()


@pytest.mark.parametrize("ratio", [1.2, 3.0])
def test_from_one_measured_time(ratio):
    critical = 0.3
    time = float(settling_time(ratio, 0.1)) / critical
    assert critical_from_time(ratio * critical, time, 0.1) == pytest.approx(critical, rel=1e-3)


def test_a_goal_beyond_the_end_of_the_flow_is_refused_early():
    """The trace ends at 1. Each doubling costs as much as all before it: 24 would not end."""
    looks = []

    def trace(points):
        looks.append(points[-1, 0])
        return 1 + 1.5 * points[:, 0] ** 2

    with pytest.raises(ValueError, match=r"has passed most of its way and creeps at 1\.00"):
        flow_relaxation(valley(3.0), np.array([0.8, 0.0]), threshold=0.5, metric=trace)
    assert 5 <= len(looks) <= 10


@pytest.mark.parametrize(("power", "goal"), [(0.5, 0.3), (1.0, 0.1)])
def test_a_metric_that_falls_slowly_reaches_its_goal_all_the_same(power, goal):
    """``(1 - ln(x / x_0))^-p`` is ``(1 + h S)^-p``: it falls by less and less each doubling."""
    found = flow_relaxation(
        valley(3.0),
        np.array([0.8, 0.0]),
        threshold=goal,
        metric=lambda points: (1 - np.log(np.abs(points[:, 0]) / 0.8)) ** -power,
    )
    assert found.time == pytest.approx((goal ** (-1 / power) - 1) / 3, rel=0.02)


def test_what_is_refused():
    with pytest.raises(ValueError, match="threshold must be below"):
        flow_relaxation(scalar_product(), [2, 0.5], threshold=5.0)
    model = linear()
    solution = nearest(model, np.zeros(model.size)).point
    with pytest.raises(ValueError, match="no slope"):
        flow_relaxation(model, solution, threshold=0.1)
    with pytest.raises(NotOnManifoldError):
        trace_curvatures(scalar_product(2), [1, 1, 1, 1.0], 1)
    with pytest.raises(ValueError, match=r"count must be in \[1, 3\), got 3"):
        trace_curvatures(scalar_product(2), np.full(4, 0.5**0.5), 3)
    with pytest.raises(ValueError, match="rate must be positive and finite, got 0"):
        prefactor(0.0, 0.5, 8, 0.1)
    with pytest.raises(ValueError, match="do not creep but swing"):
        critical_from_time(0.1, 1.0, 0.1)
