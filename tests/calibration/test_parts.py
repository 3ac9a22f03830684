"""The measurements by themselves: noise, and the part of a slope along the manifold."""

import numpy as np
import pytest

from flatfast.calibration.noise import Noise
from flatfast.calibration.tangent import solve


class Drawn:
    """Gradients with a mean, noise that a batch's two looks share, and noise that they do not."""

    def __init__(self, mean, shared, fresh, seed=0):
        self.mean, self.shared, self.fresh = np.asarray(mean, float), shared, fresh
        self.rng = np.random.default_rng(seed)

    def gradients(self):
        size = len(self.mean)
        center = self.mean + self.shared * self.rng.standard_normal(size)
        return tuple(center + self.fresh * self.rng.standard_normal(size) for _ in range(2))


def test_noise_that_lasts_and_noise_that_does_not():
    mean = np.linspace(-1, 1, 50)
    streams = []
    for seed in range(200):
        noise, source = Noise(), Drawn(mean, 0.3, 0.5, seed)
        for _ in range(8):
            noise.add(source)
        streams.append((noise.lasting, noise.total, noise.lasting.relative))
    found = np.array(streams)
    assert found[:, 0].mean() == pytest.approx(50 * 0.25, rel=0.02)
    assert found[:, 1].mean() == pytest.approx(50 * (0.25 + 0.09), rel=0.02)
    assert found[:, 2].mean() == pytest.approx(found[:, 0].std() / found[:, 0].mean(), rel=0.2)


class Diagonal:
    """``G`` given by its eigenvalues."""

    product_batches = 1

    def __init__(self, values):
        self.values = values

    def product(self, v):
        return self.values * v


VALUES = np.concatenate([np.zeros(25), np.geomspace(1e-4, 30, 80)])
CUTOFF = 0.01


def exact(g):
    return float(g**2 @ (CUTOFF / (VALUES + CUTOFF)) / (g @ g))


@pytest.mark.parametrize("seed", range(5))
def test_the_bounds_hold_and_close(seed):
    g = np.random.default_rng(seed).standard_normal(len(VALUES))
    widths = []
    for iterations in (2, 5, 10, 20, 40, 100):
        found = solve(Diagonal(VALUES), g, CUTOFF, iterations)
        assert found.low <= exact(g) * (1 + 1e-9)
        assert found.high >= exact(g) * (1 - 1e-9)
        widths.append(found.high / found.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 1.03
    assert found.products < 100
    assert found.share == pytest.approx(exact(g), rel=0.02)
    assert found.largest == pytest.approx(30, rel=0.01)
    assert found.low == pytest.approx(CUTOFF * float(g @ found.y) / float(g @ g), rel=1e-4)


def test_the_middle_of_the_bounds_is_close_long_before_they_are():
    errors = []
    for seed in range(20):
        g = np.random.default_rng(seed).standard_normal(len(VALUES))
        errors.append(np.log(solve(Diagonal(VALUES), g, CUTOFF, 16).share / exact(g)))
    assert np.abs(errors).max() < 0.3  # a tenth of C


def test_a_slope_that_is_all_along_or_all_across():
    along = (VALUES == 0).astype(float)
    assert solve(Diagonal(VALUES), along, CUTOFF, 5).share == pytest.approx(1)
    across = (VALUES == 30.0).astype(float)
    assert solve(Diagonal(VALUES), across, CUTOFF, 5).share == pytest.approx(CUTOFF / 30, rel=0.01)


@pytest.mark.filterwarnings("error")
def test_a_slope_that_is_solved_to_its_last_bit_ends_the_iterations():
    """In single precision what is left would underflow, and be divided by."""
    rng = np.random.default_rng(0)
    along = np.where(VALUES == 0, rng.standard_normal(len(VALUES)), 0).astype(np.float32)
    flat = Diagonal(np.zeros(len(VALUES), np.float32))
    for cutoff in np.logspace(-9, -1, 200):
        found = solve(flat, along, float(cutoff), 100)
        assert found.share == pytest.approx(1)
        assert found.products < 10
