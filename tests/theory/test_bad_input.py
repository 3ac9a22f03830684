"""What users give that cannot be: each is named, at every entry; and models of awkward shapes."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    TooLargeError,
    check_on_manifold,
    drift,
    flow_end,
    flow_on_manifold,
    flow_relaxation,
    hessian_trace,
    hutchinson_trace,
    hutchinson_trace_gradient,
    jacobian,
    label_noise_covariance,
    label_noise_drift,
    limit_ensemble,
    limit_path,
    minibatch_covariance,
    nearest,
    normal_projector,
    tangent,
    trace_curvature,
    trace_curvatures,
    trace_gradient,
)
from flatfast.theory import size as sizes
from tests.theory.conftest import scalar_product

TIMES = np.linspace(0, 1, 3)
ON = np.array([2.0, 0.5])
KEY = jax.random.key(0)

NEED_THE_MANIFOLD = {
    "check_on_manifold": check_on_manifold,
    "label_noise_drift": lambda m, w: label_noise_drift(m, w, 0.1),
    "drift": lambda m, w: drift(m, w, np.eye(m.size)),
    "flow_on_manifold": lambda m, w: flow_on_manifold(m, w, noise_std=0.1, times=TIMES),
    "flow_relaxation": lambda m, w: flow_relaxation(m, w, threshold=2.1),
    "limit_path": lambda m, w: limit_path(m, w, C=1.0, noise_std=0.1, times=TIMES),
    "limit_ensemble": lambda m, w: limit_ensemble(
        m, w, C=1.0, noise_std=0.1, times=TIMES, runs=2, key=KEY
    ),
    "trace_curvature": lambda m, w: trace_curvature(m, w, np.eye(m.size)[0]),
    "trace_curvatures": lambda m, w: trace_curvatures(m, w, 1),
}
ENTRIES = NEED_THE_MANIFOLD | {
    "flow_end": flow_end,
    "hessian_trace": hessian_trace,
    "hutchinson_trace": lambda m, w: hutchinson_trace(m, w, KEY, 2),
    "hutchinson_trace_gradient": lambda m, w: hutchinson_trace_gradient(m, w, KEY, 2),
    "jacobian": jacobian,
    "label_noise_covariance": lambda m, w: label_noise_covariance(m, w, 0.1),
    "minibatch_covariance": lambda m, w: minibatch_covariance(m, w, 1),
    "nearest": nearest,
    "normal_projector": normal_projector,
    "tangent": lambda m, w: tangent(m, w, np.ones(m.size)),
    "trace_gradient": trace_gradient,
}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_is_not_finite_is_named(name):
    model = scalar_product(2)
    with pytest.raises(
        ValueError, match=r"must be finite, got nan for \['v'\]\[1\], one of 1 lost"
    ):
        ENTRIES[name](model, np.array([1.0, 0, 0.5, np.nan]))
    with pytest.raises(ValueError, match=r"the point must have shape \(4,\), got \(3,\)"):
        ENTRIES[name](model, np.ones(3))
    logarithms = SquaredError(lambda w: jnp.log(w) * jnp.ones(4), np.ones(4))
    with pytest.raises(ValueError, match=r"got nan for residual 2, one of 1 lost of 4 at this po"):
        ENTRIES[name](logarithms, np.array([1.0, 1, -1, 1]))


@pytest.mark.parametrize("name", NEED_THE_MANIFOLD)
def test_off_the_manifold_says_how_far_and_what_to_do(name):
    with pytest.raises(NotOnManifoldError, match=r"\(loss 0\.02\).* pass the end of flow_end or n"):
        NEED_THE_MANIFOLD[name](scalar_product(2), np.array([2.0, 0, 0.6, 0.0]))


def test_parameters_of_another_shape_are_named():
    model = scalar_product(2)
    with pytest.raises(ValueError, match=r"got inf for \['u'\]\[0\], one of 2 lost"):
        model.flat({"u": np.array([np.inf, np.nan]), "v": np.ones(2)})
    with pytest.raises(ValueError, match=r"parameter \['v'\] must have shape \(2,\), got \(3,\)"):
        model.flat({"u": np.ones(2), "v": np.ones(3)})
    with pytest.raises(ValueError, match="parameters must have the structure"):
        model.flat({"u": np.ones(2)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"C": np.inf}, "C must be positive and finite, got inf"),
        ({"noise_std": np.nan}, "noise_std must be finite and at least 0, got nan"),
        ({"times": [0, np.nan, 1]}, "times must be finite, got nan"),
        ({"times": [0, 2, 1]}, "times must increase, from 0 or later"),
        ({"times": [0.0]}, "times must increase, from 0 or later to an end above 0, got 0 to 0"),
        ({"times": 1.0}, r"times must have shape \(N,\)"),
    ],
)
def test_arguments_of_paths(change, message):
    asked = {"C": 1.0, "noise_std": 0.1, "times": TIMES} | change
    with pytest.raises(ValueError, match=message):
        limit_path(scalar_product(), ON, **asked)
    with pytest.raises(ValueError, match=message):
        limit_ensemble(scalar_product(), ON, **asked, runs=2, key=KEY)
    del asked["C"]
    if "C" not in change:
        with pytest.raises(ValueError, match=message):
            flow_on_manifold(scalar_product(), ON, **asked)


def test_directions_that_cannot_be():
    model = scalar_product()
    with pytest.raises(ValueError, match="directions must be finite"):
        tangent(model, ON, [np.inf, 0])
    with pytest.raises(ValueError, match=r"directions must have shape \(..., 2\), got \(3,\)"):
        tangent(model, ON, np.ones(3))
    with pytest.raises(ValueError, match="must have a part along the manifold"):
        trace_curvature(model, ON, [0.5, 2.0])
    with pytest.raises(ValueError, match="covariance must be finite"):
        drift(model, ON, np.full((2, 2), np.nan))


# Dependent residuals: every way through the theory must see one example where it is there twice.


def twice(model):
    return SquaredError(lambda p: jnp.ones(2) * model.residuals(p), model.example)


def test_a_flow_and_its_curvature_with_dependent_residuals():
    one, two = scalar_product(), twice(scalar_product())
    found = [flow_relaxation(model, ON, threshold=2.1) for model in (one, two)]
    assert found[1].rate == pytest.approx(found[0].rate, rel=1e-4)
    along = trace_gradient(one, ON)
    expected = trace_curvature(one, ON, along)
    assert trace_curvature(two, ON, along) == pytest.approx(expected, rel=1e-4)
    assert trace_curvatures(twice(scalar_product(2)), [1, 0, 1, 0.0], 1) == pytest.approx(
        trace_curvatures(scalar_product(2), [1, 0, 1, 0.0], 1), rel=1e-4
    )


def test_the_limit_with_dependent_residuals():
    """Two noises on one example average to one of ``1 / sqrt(2)``."""
    asked = {"C": 1.0, "times": np.linspace(0, 8, 5)}
    one = limit_path(scalar_product(), ON, noise_std=0.3, **asked)
    two = limit_path(twice(scalar_product()), ON, noise_std=0.3 * 2**0.5, **asked)
    np.testing.assert_allclose(two.points, one.points, atol=1e-5)


def test_no_slope_across_at_all():
    """Where J is zero there is no normal space, and no drift."""
    crossing = scalar_product(target=0.0)
    at = np.zeros(2)
    check_on_manifold(crossing, at)
    np.testing.assert_allclose(tangent(crossing, at, ON), ON)
    with pytest.raises(ValueError, match="no slope"):
        flow_relaxation(crossing, at, threshold=-1.0)


# Models too large for the dense path: here all are.


@pytest.fixture
def all_are_large(monkeypatch):
    monkeypatch.setattr(sizes, "DENSE_UP_TO", 1)


def test_what_can_goes_without_the_jacobian_and_says_so(all_are_large, on_manifold):
    model, point = on_manifold
    direction = np.random.default_rng(0).standard_normal(model.size)
    for way in (
        lambda: tangent(model, point, direction),
        lambda: trace_gradient(model, point),
        lambda: label_noise_drift(model, point, 0.1),
        lambda: nearest(model, point + 0.01 * direction).point,
        lambda: check_on_manifold(model, point),
    ):
        with pytest.warns(UserWarning, match=r"Jacobian of 4 residuals by 18 .* 72 entries"):
            free = way()
        with pytest.MonkeyPatch.context() as small, warnings.catch_warnings():
            warnings.simplefilter("error")
            small.setattr(sizes, "DENSE_UP_TO", 1000)
            dense = way()
        if free is not None:
            np.testing.assert_allclose(free, dense, atol=1e-7)


@pytest.mark.filterwarnings("ignore:the Jacobian of")
def test_how_far_from_the_manifold_without_the_jacobian(all_are_large):
    with pytest.raises(NotOnManifoldError, match=r"by 0\.046 of its norm \(loss 0\.02\)"):
        check_on_manifold(scalar_product(), [2.0, 0.6])


@pytest.mark.parametrize(
    "name", ["limit_path", "limit_ensemble", "trace_curvature", "trace_curvatures"]
)
def test_what_needs_the_jacobian_says_how_large(name, all_are_large):
    with pytest.raises(
        TooLargeError, match=r"by 4 parameters has 4 entries \(.* GB\), and at most"
    ):
        ENTRIES[name](scalar_product(2), np.full(4, 0.5**0.5))


@pytest.mark.parametrize(
    "name", ["drift", "normal_projector", "label_noise_covariance", "minibatch_covariance"]
)
def test_what_is_square_says_how_large(name, all_are_large):
    with pytest.raises(TooLargeError, match="over 2 parameters it has 4 entries"):
        ENTRIES[name](scalar_product(), ON)
