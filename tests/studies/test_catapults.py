"""Throws: the loop is the lab's, the limit is where it should be, the safeguard saves."""

import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate
from flatfast.timescales import stability_limit
from studies.calibration.pair_grid import rate_at
from studies.catapults import tables
from studies.catapults.analysis import at_most, better, no_worse
from studies.catapults.run import STUDY
from studies.catapults.throws import Guard, readings, thrown
from studies.runner import Order, collect, compute

CURVATURE, MOMENTUM = 4.0, 0.9
LIMIT = float(stability_limit(MOMENTUM, CURVATURE))


def bowl():
    """One mode, not quite at rest: above the limit nothing ends its growth."""

    def loss(w):
        return CURVATURE * w**2 / 2

    return Problem(
        name="bowl",
        start=lambda: np.float32(1e-3),
        gradient=lambda w, key: CURVATURE * w,
        loss=lambda w: loss(w) + 0.5 * jnp.exp(-(w**2) * 1e6),  # of zero outputs, 0.5
        metrics={"size": jnp.abs},
        goal=Goal("size", 0.1),
    )


def numbers(*values):
    return np.array(values)


@pytest.mark.parametrize("share", [0.97, 1.03])
def test_a_mode_is_lost_above_the_limit_alone(share):
    marks = readings(4000, 3)
    found = thrown(bowl(), numbers(share * LIMIT), numbers(MOMENTUM), numbers(0), marks, ["size"])
    assert found.lost[0] == (share > 1)
    assert not found.saved[0]
    if share < 1:
        assert found.values["size"][0, -1] < 1e-6


def test_the_safeguard_puts_weights_back_and_goes_on_below_the_limit():
    guard = Guard(numbers(1.0), numbers(10_000), lr=0.5 * LIMIT, momentum=MOMENTUM)
    marks = np.array([0, 4000])
    found = thrown(
        bowl(), numbers(1.03 * LIMIT), numbers(MOMENTUM), numbers(0), marks, ["size"], guard
    )
    assert found.saved[0]
    assert not found.lost[0]
    assert found.values["size"][0, -1] < 1e-6


def test_a_throw_ends_by_itself():
    guard = Guard(numbers(np.inf), numbers(5), lr=0.5 * LIMIT, momentum=MOMENTUM)
    marks = np.array([0, 4000])
    found = thrown(
        bowl(), numbers(1.03 * LIMIT), numbers(MOMENTUM), numbers(0), marks, ["size"], guard
    )
    assert not found.saved[0]
    assert found.values["size"][0, -1] < 1e-6


def test_steps_are_the_labs():
    problem = load("matrix-sensing", {"dimension": 4, "examples": 5})
    marks = np.array([0, 30, 60])
    lr, momentum, seed = numbers(2e-3, 4e-3), numbers(0.9, 0.5), numbers(0, 7)
    found = thrown(problem, lr, momentum, seed, marks, ["loss"])
    lab = simulate(problem, lr, momentum, seed, steps=60, records=2, metrics=["loss"])
    np.testing.assert_allclose(found.values["loss"][:, 1:], lab.values["loss"][:, 1:], rtol=2e-3)


@pytest.mark.parametrize("C", [0.05, 0.5, 50.0])
def test_a_share_of_the_laws_own_limit(C):
    lr, momentum = rate_at(0.8, C, CURVATURE)
    assert lr == pytest.approx(0.8 * float(stability_limit(momentum, CURVATURE)), rel=1e-3)
    assert momentum == pytest.approx(max(1 - C * lr ** (2 / 3), 0))


def test_none_lost_of_many_bounds_the_share():
    assert at_most(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100), abs=1e-6)
    assert at_most(5, 100) > at_most(0, 100)


def place(mean, error):
    return {"cooled:test_error": {"mean": mean, "error": error, "median": mean}}


def test_a_place_is_no_worse_within_its_error():
    case = {"drift": {"place": place(0.2, 0.01)}}
    assert better(case, {"place": place(0.1, 0.0)}) == pytest.approx((0.1, 0.01))
    assert no_worse(case, {"place": place(0.21, 0.01)})
    assert not no_worse(case, {"place": place(0.25, 0.01)})
    assert not no_worse(case, {"place": {"cooled:test_error": None}})


def test_a_quick_look_ends_in_tables(tmp_path):
    order = Order("catapults", tmp_path / "runs", tmp_path / "out", quick=True)
    outcome = compute(STUDY, order)
    assert not outcome.failed
    assert len(outcome.computed) == 3
    found = collect(STUDY, order)
    assert (tmp_path / "out" / "catapults.svg").exists()
    for table in (tables.fast, tables.lost, tables.quiet, tables.guards):
        assert table(found).count("\n") > 2
    assert tables.verdict(found) == "not measured yet"  # no case was held out
    held = {"cases": {"x": {**next(iter(found["cases"].values())), "development": False}}}
    assert "recommended" in tables.verdict(held)
