"""The two bounds of ordinary training, where both are known."""

import math

import numpy as np
import pytest

from flatfast.calibration.noise import Noise
from flatfast.calibration.window import FLAT, MATTERS, slowest, window_of

CURVATURE = np.geomspace(1e-3, 10, 40)


class Bowl:
    """A quadratic loss at a point: ``G`` diagonal, the gradient ``G w``, noise about it."""

    batch_size, examples = 8, 1000
    batches_per_step = 1
    product_batches = 1

    def __init__(self, left, noise=0.0):
        """``left`` of the loss in each mode."""
        self.gradient = np.sqrt(2 * CURVATURE * left)
        self.noise, self.rng = noise, np.random.default_rng(0)

    def gradients(self):
        drawn = self.gradient + self.noise * self.rng.standard_normal(len(CURVATURE))
        return drawn, drawn

    def product(self, v):
        return CURVATURE * v


def seen(bowl, looks=8):
    noise = Noise()
    for _ in range(looks):
        noise.add(bowl)
    return noise


@pytest.mark.parametrize("place", [12, 20, 30])
def test_the_slowest_mode_that_matters(place):
    left = np.full(len(CURVATURE), MATTERS / len(CURVATURE) / 4)  # together a fortieth
    left[place] = 1.0
    bowl = Bowl(left)
    found, products = slowest(bowl, seen(bowl), CURVATURE.sum(), 40)
    assert found == pytest.approx(CURVATURE[place], rel=0.02)
    assert products <= 40
    few, _ = slowest(bowl, seen(bowl), CURVATURE.sum(), 4)
    assert few >= 0.99 * found  # from above


def test_modes_flatter_than_are_looked_at_do_not_count():
    left = np.zeros(len(CURVATURE))
    left[0] = left[-1] = 1.0
    bowl = Bowl(left)
    sharpness = CURVATURE[0] / FLAT * 10
    found, _ = slowest(bowl, seen(bowl), sharpness, 40)
    assert found == pytest.approx(CURVATURE[-1])


def test_a_gradient_below_its_noise_tells_nothing():
    bowl = Bowl(np.full(len(CURVATURE), 1e-6), noise=1.0)
    assert math.isnan(slowest(bowl, seen(bowl), CURVATURE.sum(), 40)[0])


def test_both_bounds_scale_with_the_learning_rate():
    bowl, trace = Bowl(np.ones(len(CURVATURE))), float(CURVATURE.sum())
    one, _ = window_of(bowl, seen(bowl), trace, 0.01, 40)
    other, _ = window_of(bowl, seen(bowl), trace, 0.04, 40)
    assert one.settles == pytest.approx(0.01 * trace / 16)
    assert other.settles == pytest.approx(4 * one.settles)
    assert other.damps == pytest.approx(2 * one.damps)
    bowl.examples = 8
    assert window_of(bowl, seen(bowl), trace, 0.01, 40)[0].settles == 0
