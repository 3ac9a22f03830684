"""How far a rule is compared: up to its own stability limit, and closely spaced there."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatfast import timescales
from flatfast.lab.estimation.methods import (
    Method,
    Setting,
    constant_momentum,
    law_with_correction,
    standard_methods,
)
from flatfast.lab.estimation.ranges import (
    BEYOND,
    NEAR,
    SAFE,
    compared_rates,
    rates_beyond,
    stability_limit,
)

METHODS = standard_methods(0.2, 0.01, (0.17, 1.2))


@given(st.floats(0.1, 1e4), st.floats(0, 0.9999))
def test_a_constant_momentum_has_the_limit_of_the_closed_form(curvature, momentum):
    limit = stability_limit(constant_momentum(momentum), curvature)
    assert limit == pytest.approx(float(timescales.stability_limit(momentum, curvature)), rel=1e-9)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("curvature", [0.3, 7.5, 300.0])
def test_the_limit_is_where_the_steepest_mode_stops_decaying(method, curvature):
    limit = stability_limit(method, curvature)
    for share, decays in ((0.999, True), (1.001, False)):
        lr = share * limit
        momentum = method.setting(lr).momentum
        # The roots of heavy ball itself, not the bound that is used.
        roots = np.abs(np.roots([1, -(1 + momentum - lr * curvature), momentum]))
        assert (roots.max() < 1) == decays


def test_the_first_limit_counts_where_a_rule_crosses_it_twice():
    # Momentum that drops to 0 between 2.2 and 2.4 and comes back: unstable there, stable beyond.
    dip = Method("dip", "", lambda lr: Setting(0.0 if 2.2 < lr < 2.4 else 0.9))
    assert stability_limit(dip, 1.0) == pytest.approx(2.2, rel=1e-3)
    turning = law_with_correction(0.5, -0.5)
    assert 2.0 <= stability_limit(turning, 1.0) <= 4.0


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_rates_are_dense_at_the_end_and_common_below(method):
    common = (0.001, 0.004, 0.016, 0.064, 0.256)
    limit = stability_limit(method, 20.0)
    rates = compared_rates(method, 20.0, common)
    assert rates == sorted(set(rates))
    assert max(rates) == pytest.approx(SAFE * limit, rel=5e-3)
    assert {lr for lr in common if lr <= SAFE * limit} - {0.256} <= set(rates)
    near = [lr for lr in rates if lr > SAFE * limit / 2]
    assert len(near) >= len(NEAR)
    assert all(b / a < 1.2 for a, b in itertools.pairwise(near))
    beyond = rates_beyond(method, 20.0)
    assert len(beyond) == len(BEYOND)
    assert min(beyond) > limit


@pytest.mark.parametrize("curvature", [0.0, -1.0, math.nan, math.inf])
def test_no_limit_without_a_curvature(curvature):
    with pytest.raises(ValueError, match="curvature must be positive and finite, got"):
        stability_limit(METHODS[0], curvature)
