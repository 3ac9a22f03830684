"""The measurements by themselves: noise, and the part of a slope along the manifold."""

import itertools
import math

import numpy as np
import pytest

from flatfast.calibration.noise import Noise
from flatfast.calibration.tangent import SPREAD, between, solve


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


def exact(g, cutoff=CUTOFF):
    return float(g**2 @ (cutoff / (VALUES + cutoff)) ** 2 / (g @ g))


def bounds(found, cutoff=CUTOFF):
    low, high = found.bounds(np.array([cutoff]))
    return float(low[0]), float(high[0])


def share(found, cutoff=CUTOFF):
    return float(between(*map(np.array, bounds(found, cutoff))))


@pytest.mark.parametrize("seed", range(5))
def test_the_bounds_hold_and_close(seed):
    g = np.random.default_rng(seed).standard_normal(len(VALUES))
    widths = []
    for iterations in (2, 5, 10, 20, 40, 100):
        found = solve(Diagonal(VALUES), g, CUTOFF, iterations)
        for cutoff in (0.1 * CUTOFF, CUTOFF, 10 * CUTOFF):
            low, high = bounds(found, cutoff)
            assert low <= exact(g, cutoff) * (1 + 1e-9)
            assert high >= exact(g, cutoff) * (1 - 1e-9)
        low, high = bounds(found)
        widths.append(high / low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 1.03
    assert found.products < 100
    assert share(found) == pytest.approx(exact(g), rel=0.02)
    assert found.largest == pytest.approx(30, rel=0.01)
    error = (VALUES + CUTOFF) * found.y - g
    assert np.linalg.norm(error) < 0.02 * np.linalg.norm(g)


def test_what_is_taken_is_close_long_before_the_bounds_are():
    """On spectra of all widths, as if the share were evenly spread between its bounds."""
    rng, left, told, wide = np.random.default_rng(0), [], [], []
    for flat, lowest, cutoff in itertools.product((0.05, 0.2, 0.5), (1e-5, 1e-3), (1e-3, 1e-2)):
        values = np.append(0.0, np.geomspace(lowest, 1, 150))
        for _ in range(4):
            g = rng.standard_normal(151)
            g[0] = math.sqrt(flat / (1 - flat) * (g[1:] @ g[1:]))
            found = solve(Diagonal(values), g, cutoff, 10)
            true = float(g**2 @ (cutoff / (values + cutoff)) ** 2 / (g @ g))
            low, high = bounds(found, cutoff)
            left.append(math.log(share(found, cutoff) / true))
            told.append((high - low) / share(found, cutoff) * SPREAD)
            wide.append(high / low)
    assert np.median(wide) > 1.5
    assert np.sqrt(np.mean(np.square(left))) < np.sqrt(np.mean(np.square(told)))


def test_a_slope_that_is_all_along_or_all_across():
    along = (VALUES == 0).astype(float)
    assert share(solve(Diagonal(VALUES), along, CUTOFF, 5)) == pytest.approx(1)
    across = (VALUES == 30.0).astype(float)
    found = solve(Diagonal(VALUES), across, CUTOFF, 5)
    assert share(found) == pytest.approx((CUTOFF / 30) ** 2, rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_products_with_the_filtered_slope_are_those_of_the_matrix(seed):
    """At cutoffs far from that of the iterations, and with vectors that know nothing of g."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal(len(VALUES))
    others = [g, *rng.standard_normal((3, len(VALUES)))]
    found = solve(Diagonal(VALUES), g, CUTOFF, 100, others)
    for cutoff in (CUTOFF, 3 * CUTOFF, 30 * CUTOFF):
        expected = [float(g * (cutoff / (VALUES + cutoff)) ** 2 @ p) for p in others]
        size = float(g @ g) * exact(g, cutoff)
        got = found.filtered_with(np.array([cutoff]))[0]
        assert got == pytest.approx(expected, abs=0.03 * size)


@pytest.mark.filterwarnings("error")
def test_a_slope_that_is_solved_to_its_last_bit_ends_the_iterations():
    """In single precision what is left would underflow, and be divided by."""
    rng = np.random.default_rng(0)
    along = np.where(VALUES == 0, rng.standard_normal(len(VALUES)), 0).astype(np.float32)
    flat = Diagonal(np.zeros(len(VALUES), np.float32))
    for cutoff in np.logspace(-9, -1, 200):
        found = solve(flat, along, float(cutoff), 100)
        assert share(found, float(cutoff)) == pytest.approx(1)
        assert found.products < 10
