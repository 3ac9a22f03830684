"""How often metrics are read by default: by what it costs."""

from dataclasses import replace

import pytest

from flatfast.lab.goal import Goal
from flatfast.lab.problems import load
from flatfast.lab.records import LEAST, MOST, cooling_steps, cost, default_records

SENSING = load("matrix-sensing", {"start": "init"})
PRODUCT = load("scalar-product")


def test_a_goal_at_the_iterate_costs_nothing():
    assert cooling_steps(PRODUCT) == 0
    assert default_records(PRODUCT, (), [10]) == MOST
    assert cost(PRODUCT, (), 128, [10]) == 0


@pytest.mark.parametrize("place", ["goal", "metric"])
def test_a_cooled_metric_costs_its_descent(place):
    if place == "goal":
        problem, metrics = SENSING, ()
    else:
        problem = replace(SENSING, goal=Goal("test_error", 0.1))
        metrics = ("cooled:trace",)
    each = SENSING.cooling.steps
    assert cooling_steps(problem, metrics) == each
    assert cost(problem, metrics, 128, [400, 400, 90_000]) == pytest.approx(128 * each / 400)
    assert default_records(problem, metrics, [400]) == LEAST
    assert default_records(problem, metrics, [50 * each]) == 50
    assert default_records(problem, metrics, [10**6 * each]) == MOST
