"""C that follows the landscape: on made-up landscapes whose kappa is known all the way down."""

import math

import numpy as np
import pytest

from flatfast.calibration.following import (
    AHEAD,
    FALLEN,
    STEEPEST,
    Following,
    exponent_of,
    no_swing,
)
from flatfast.calibration.result import DAMPING, Ahead
from flatfast.calibration.spending import IN_ADVANCE, OF_GAUGES, SHARE, Spending
from flatfast.estimate import Estimate
from tests.made_up import made_up_calibration


def exactly(C, along=3.0):
    """A calibration without error."""
    from dataclasses import replace

    return replace(made_up_calibration(C, along=along), C=Estimate(C, 0.0))


def followed(prefactor_at, along_at=lambda share: share, shares=None):
    """C on the way down, with every calibration that is wanted."""
    known, seen = Following().calibrated(exactly(prefactor_at(1.0), along_at(1.0))), []
    for share in np.linspace(1, 0.1, 91) if shares is None else shares:
        known = known.gauged(float(share))
        if known.wants_calibration:
            known = known.calibrated(exactly(prefactor_at(share), along_at(share)))
        seen.append(known.prefactor)
    return known, np.array(seen)


def test_where_kappa_stays_c_stays():
    _, seen = followed(lambda share: 0.4)
    assert seen == pytest.approx(0.4)


@pytest.mark.parametrize("exponent", [0.3, 0.6, 0.9])
def test_on_a_power_of_the_sharpness_it_is_the_one_ahead(exponent):
    known, seen = followed(lambda share: 0.4 * share**exponent)
    assert known.exponent == pytest.approx(exponent)
    assert seen[:40] == pytest.approx(0.4)  # nothing is known before the second calibration
    share = 0.3
    ahead = max((share * AHEAD) ** exponent, no_swing(1 - share * AHEAD))
    assert seen[70] == pytest.approx(0.4 * ahead)


def test_the_floor_of_a_landscape_is_not_taken_for_a_slow_one():
    # T = floor + parabola: the squared slope falls as T - floor, and C by the formula of one point
    # as the cubic root of that over T. The true one stays.
    floor = 0.2

    def by_formula(share):
        return 0.4 * ((share - floor) / (1 - floor) / share) ** (1 / 3)

    shares = np.linspace(1, 0.22, 79)
    known, seen = followed(by_formula, lambda share: share - floor, shares)
    assert by_formula(0.22) < 0.2
    assert seen.min() > 0.65 * 0.4
    # And the last calibration, where the slope has gone, is not believed at all.
    later = known.gauged(0.205).calibrated(exactly(1e-3, 0.001))
    assert later.resting
    assert later.prefactor == pytest.approx(known.gauged(0.205).prefactor)
    assert not later.gauged(0.01).wants_calibration


def test_c_may_rise_again_but_never_by_the_sharpness_alone():
    known = Following().calibrated(exactly(0.4)).gauged(0.6).calibrated(exactly(0.3))
    lower = known.prefactor
    assert known.gauged(0.9).prefactor == lower  # a reading that fluctuates upwards
    assert known.gauged(0.35).calibrated(exactly(0.45)).prefactor > 0.4


def test_an_error_is_taken_off_towards_no_change():
    sure = exponent_of(Estimate(0.3, 0.0), Estimate(0.4, 0.0), 0.6)
    assert sure == pytest.approx(math.log(0.75) / math.log(0.6))
    unsure = exponent_of(Estimate(0.3, 0.03), Estimate(0.4, 0.04), 0.6)
    assert 0 < unsure < sure
    assert exponent_of(Estimate(0.3, 0.3), Estimate(0.4, 0.4), 0.6) == 0
    assert exponent_of(Estimate(0.01, 0.0), Estimate(0.4, 0.0), 0.6) == STEEPEST


def test_a_look_ahead_is_followed_from_the_first_step_on():
    from dataclasses import replace

    ahead = Ahead(fall=0.5, start=0.4, there=0.3, share=0.5, exponent=0.4, error=0.1)
    known = Following().calibrated(replace(made_up_calibration(0.3), ahead=ahead))
    assert known.prefactor == pytest.approx(0.4 * AHEAD**0.4)
    nothing = replace(ahead, exponent=math.nan)
    known = Following().calibrated(replace(made_up_calibration(0.4), ahead=nothing))
    assert known.prefactor == 0.4
    assert known.gauged(FALLEN).wants_calibration


def test_nothing_is_followed_before_a_calibration():
    with pytest.raises(ValueError, match="there was none yet"):
        _ = Following().prefactor


@pytest.mark.parametrize("fall", [0.2, 0.5, 0.8])
def test_the_least_friction_does_not_swing_back_out_of_the_goal(fall):
    # x'' = -C x' - (kappa / C) x, from rest: the sharpness is x^2.
    kappa = 1.0
    C = no_swing(fall) * DAMPING * (4 * kappa) ** (1 / 3)
    dt, x, v, squares = 1e-3, 1.0, 0.0, []
    for _ in range(40_000):
        v -= dt * (C * v + kappa / C * x)
        x += dt * v
        squares.append(x * x)
    first = next(k for k, square in enumerate(squares) if square < 1e-6)
    assert max(squares[first:]) == pytest.approx(1 - fall, rel=0.02)


def test_no_fall_needs_no_friction_and_a_whole_one_is_refused():
    assert no_swing(0.0) == 0.0
    assert no_swing(0.999999) == 1.0
    with pytest.raises(ValueError, match=r"fall must be in \[0, 1\), got 1"):
        no_swing(1.0)


def test_spending_keeps_to_its_share():
    spent, last = Spending(), 0
    for steps in range(1, 20_001):
        if spent.may_gauge(steps, 2):
            spent = spent.gauged(2)
        if spent.may_calibrate(steps):
            spent, last = spent.calibrated(60), steps
            assert spent.made <= IN_ADVANCE or steps > 1000
    assert last > 10_000
    assert spent.gauges == pytest.approx(SHARE * OF_GAUGES * 20_000, rel=0.01)
    # What is made in advance is all that comes on top.
    assert spent.total <= SHARE * 20_000 + IN_ADVANCE * 60
