"""Exponents and C where momentum averages gradients."""

import numpy as np
import pytest

from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.conventions import (
    CONVENTIONS,
    HEAVY_BALL,
    NORMALIZED,
    convention_of,
)
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.simulation.optimizers import OPTIMIZERS


def test_every_optimizer_has_one():
    assert set(CONVENTIONS) == set(OPTIMIZERS)
    assert convention_of({}) is HEAVY_BALL
    assert convention_of({"optimizer": {"name": "adam", "beta2": 0.9}}).momentum == "beta 1"
    assert convention_of({"optimizer": "of another version"}) is HEAVY_BALL


def test_exponent_and_prefactor_of_a_known_law(sweep):
    """The made-up sweep has mu* = e^-4 lr^2, and so C = e^(-4/3)."""
    grid = sweep(gamma=2.0, decades=0.8)
    fit = fit_exponent(grid, alternatives=(), n_boot=50, convention=NORMALIZED)
    assert fit.exponent.estimate == pytest.approx(2.0, abs=0.03)
    assert [(verdict.name, verdict.inside) for verdict in fit.verdicts] == [
        ("2", True),
        ("1", False),
    ]
    assert fit.prefactor.estimate == pytest.approx(np.exp(-4 / 3), rel=0.01)


def test_the_collapse_looks_as_far_as_the_law_s_exponent_asks(sweep):
    grid = sweep(gamma=2.0, decades=0.8)
    found = collapse(grid, gamma=2.0, law=2.0, n_boot=10)
    assert found.best_gamma.estimate == pytest.approx(2.0, abs=0.05)
    assert found.quality < 0.02
    assert np.isnan(collapse(grid, n_boot=5).best_gamma.estimate)
