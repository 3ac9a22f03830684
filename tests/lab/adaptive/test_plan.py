"""What an adaptive sweep is asked for: ranges, grids, lengths."""

import math

import numpy as np
import pytest

from flatfast.lab.adaptive.plan import (
    ANYWHERE,
    SPACINGS,
    Plan,
    even_grid,
    patience_of,
    scaled_range,
)
from flatfast.lab.goal import Goal

RATES = (0.001, 0.002, 0.004)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": (0.1, 0.2, 0.1)}, "at least 3 learning rates, got 2"),
        ({"lr": (0.1, 0.2, -1.0)}, "lr must be positive and finite, got -1.0"),
        ({"scaled_mu": (1.0, 0.1)}, "two ascending positive numbers, got 1.0, 0.1"),
        ({"duration": 0.0}, "duration must be finite and above 0, got 0.0"),
        ({"patience": 1.0}, "patience must be finite and above 1, got 1.0"),
        ({"width": math.nan}, "width must be finite and above 0, got nan"),
        ({"per_decade": 3}, "per_decade must be at least 4, got 3"),
        ({"most_seeds": 2}, "most_seeds must be at least 3, got 2"),
        ({"budget": 0}, "budget must be at least 1 step, got 0"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Plan(**{"lr": RATES, "scaled_mu": (0.1, 1.0), "duration": 100.0, **changes})


def test_learning_rates_are_begun_from_the_greatest():
    plan = Plan((0.002, 0.001, 0.004, 0.002), (0.1, 1.0), 100.0)
    assert plan.rates == (0.004, 0.002, 0.001)


def test_cells_and_momenta_are_each_other_s_inverse():
    plan = Plan(RATES, (0.1, 1.0), 100.0)
    for cell in range(-40, 1):
        assert plan.cell(1 - plan.momentum(cell)) == pytest.approx(cell, abs=1e-9)
    assert plan.momentum(0) == 0.0


def test_lengths_follow_the_best_time_up_to_the_longest():
    plan = Plan(RATES, (0.1, 1.0), 100.0, patience=2.0)
    assert plan.length(0.001, 100.0) == 230
    assert plan.length(0.001, 1e9) == plan.longest(0.001) == 10_000


@pytest.mark.parametrize(
    "rates", [np.geomspace(2e-3, 2e-2, 5), np.geomspace(1e-3, 8e-3, 4), (0.004, 0.008, 0.016)]
)
def test_the_grid_lies_unlike_about_the_optima_of_the_law(rates):
    """Places of the optima in a cell of the first look, as angles: the least in common."""

    def alike(per_decade):
        angle = 2 * np.pi * per_decade / 2 * 2 / 3 * np.log10(rates)
        return sum(abs(np.mean(np.exp(1j * turns * angle))) for turns in (1, 2))

    assert alike(even_grid(tuple(rates))) == pytest.approx(min(map(alike, SPACINGS)))


def test_the_range_of_the_pilot():
    assert scaled_range((), 0.01) == ANYWHERE
    low, high = scaled_range((0.9, 0.99, 0.5), 0.001)
    assert (low, high) == (pytest.approx(1.0), pytest.approx(50.0))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.4, 0.5])
def test_a_run_is_long_enough_to_have_come_back(fraction):
    """An undamped oscillator from rest has left the band again after so many first crossings."""
    phase = np.linspace(0, 2 * np.pi, 200_001)
    inside = np.cos(phase) ** 2 <= fraction
    first = phase[np.argmax(inside)]
    out_again = phase[np.argmax(~inside & (phase > first))]
    assert patience_of(Goal("m", fraction)) * first >= out_again - 1e-3
    assert patience_of(Goal("m", fraction)) >= 2


def test_a_goal_in_its_own_units_gets_three():
    assert patience_of(Goal("m", 0.4, relative=False)) == 3.0
