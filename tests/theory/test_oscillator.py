"""The oscillator at the drift's end, against closed forms and simulation."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import airy

from flatfast.theory import best_ratio, settling_time
from flatfast.timescales import prefactor_from_curvature, roots, stationary_variance


def test_a_creeping_ball_takes_the_time_of_the_flow():
    """Far above C* inertia drops out: ``x = exp(-t / 4q^2)``, once the noise is there."""
    q, fraction = 12.0, 0.1
    expected = 4 * q**2 * np.log(1 / fraction) / 2
    np.testing.assert_allclose(settling_time(q, fraction), expected, rtol=2e-3)


def test_the_creep_goes_on_where_it_is_no_longer_integrated():
    below, above = settling_time([19.999, 20.001], 0.1)
    assert above == pytest.approx(below, rel=5e-4)


def test_without_friction_it_is_an_airy_function():
    """At small q the noise grows as q t: ``x'' = -(t / 4) x`` from rest at 1."""
    t = np.linspace(0, 3, 30001)
    ai, _, bi, _ = airy(-(4 ** (-1 / 3)) * t)
    _, slope_a, _, slope_b = airy(0)
    x = np.pi * (slope_b * ai - slope_a * bi)
    # Its later swings stay below 0.7: a goal of one half is met at the first crossing.
    expected = t[np.argmax(x < 0.5**0.5)]
    np.testing.assert_allclose(settling_time(0.01, 0.5), expected, rtol=0.01)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2])
def test_the_best_overshoot_just_touches_the_goal(fraction):
    best = best_ratio(fraction)
    assert 0.1 < best.ratio < 1  # below critical damping
    # A little less friction and the swing leaves the goal again; more, and it comes later.
    assert settling_time(best.ratio * 0.97, fraction) > 1.2 * best.time
    assert settling_time(best.ratio * 1.1, fraction) > best.time


def test_best_is_the_least_of_a_fine_row():
    q = np.geomspace(0.2, 1.0, 200)
    times = settling_time(q, 0.1)
    assert best_ratio(0.1).time <= times.min() * 1.001
    assert best_ratio(0.1).ratio == pytest.approx(q[times.argmin()], rel=0.02)


def test_what_is_linear_adds_no_correction_of_the_first_order():
    """Critical damping at a finite learning rate, exactly: no term in ``lr^(1/3)``."""
    noise_std, examples, steepest, h = 0.3, 40, 0.5, 12.0

    def apart(lr):
        def discriminant(log_mu):
            momentum = -np.expm1(log_mu)
            gradient_noise = noise_std**2 * steepest / examples
            variance = stationary_variance(lr, momentum, steepest, gradient_noise)
            # The mode pulls along with half its variance times the curvature of its eigenvalue.
            first, second = roots(lr, momentum, h * variance / 2)
            return float(((first - second) ** 2).real)

        limit = prefactor_from_curvature(noise_std, h, examples) * lr ** (2 / 3)
        found = brentq(discriminant, np.log(limit / 2), np.log(2 * limit), xtol=1e-13)
        return abs(np.exp(found) / limit - 1)

    rates = np.array([1e-3, 1e-4, 1e-5])
    gaps = np.array([apart(lr) for lr in rates])
    orders = np.diff(np.log(gaps)) / np.diff(np.log(rates))
    assert (orders > 0.6).all()
    assert gaps[0] < 0.02


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"ratio must be positive and finite, got -1"):
        settling_time([1.0, -1.0], 0.1)
    with pytest.raises(ValueError, match=r"fraction must be in \(0, 1\), got 1"):
        settling_time(1.0, 1.0)
