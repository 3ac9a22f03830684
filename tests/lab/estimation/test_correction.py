"""The law with its correction at finite learning rate."""

import numpy as np
import pytest

from flatfast.lab.estimation.correction import corrected_law

LR = np.geomspace(1e-4, 1e-2, 7)


def corrected(constant, slope, lr=LR):
    return constant * lr ** (2 / 3) * np.exp(slope * lr ** (1 / 3))


@pytest.mark.parametrize(("constant", "slope"), [(0.1, 0.3), (3.0, -0.5), (0.2, 0.0)])
def test_known_coefficients_come_back(constant, slope):
    found = corrected_law(LR, corrected(constant, slope))
    assert found.constant.estimate == pytest.approx(constant, rel=1e-9)
    assert found.slope.estimate == pytest.approx(slope, abs=1e-9)
    assert found.misfit < 1e-12
    assert (found.power_law_misfit > 1e-4) == (slope != 0)


def test_a_true_power_law_fits_better_as_one():
    found = corrected_law(LR, 0.3 * LR**0.75)
    assert found.power_law_misfit < 1e-12 < found.misfit


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(0)
    hits = np.zeros(2)
    for _ in range(500):
        noisy = corrected(0.1, 0.3) * np.exp(0.02 * rng.standard_normal(len(LR)))
        found = corrected_law(LR, noisy)
        hits += [found.constant.contains(0.1), found.slope.contains(0.3)]
    assert ((hits / 500 > 0.92) & (hits / 500 < 0.98)).all()


def test_bad_input():
    with pytest.raises(ValueError, match="3 learning rates or more, got 2"):
        corrected_law([0.1, 0.2], [0.1, 0.2])
    with pytest.raises(ValueError, match="must be positive"):
        corrected_law([0.1, 0.2, 0.3], [0.1, 0.0, 0.2])
