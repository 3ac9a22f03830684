"""The best schedule of two values of C: its runs, and how it is judged."""

import numpy as np
import pytest

from studies.calibration.cases import Case
from studies.calibration.tables_two import gains, two_values, two_values_summary
from studies.calibration.two_values import SCHEDULES, Schedule, arrivals, middles

CASE = Case("scalar-product", {"noise_std": 0.4}, lr=1e-2, records=40)
C, STEPS = 0.6, 300.0


def test_a_switch_between_equal_values_changes_nothing():
    schedules = (Schedule(), Schedule(1.0, 1.0, 0.3), Schedule(1.0, 20.0, 0.0), Schedule(1, 20, 9))
    found = arrivals(CASE.load(), CASE, schedules, C, STEPS, range(4))
    assert np.isfinite(found[0]).all()
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)
    # All friction from the start creeps; a switch that never comes is none.
    assert (middles(found)[2] > 2 * middles(found)[0]) or np.isinf(middles(found)[2])
    np.testing.assert_allclose(found[3], found[0], rtol=1e-4)


def row(steps, constant, chosen=SCHEDULES[5], located=True):
    schedules = [vars(schedule) for schedule in SCHEDULES]
    told = {"C": 0.2, "located": located, "schedules": schedules, "tried": []}
    return {**told, "chosen": vars(chosen), "steps": steps, "constant": constant}


def test_a_gain_has_the_interval_of_its_seeds():
    constant = [100.0 + n for n in range(12)]
    assert gains(row([0.8 * each for each in constant], constant)) == pytest.approx((0.8,) * 3)
    wide = gains(row([50.0, 150.0] * 6, constant))
    assert wide[1] < 1 < wide[2]
    half_lost = gains(row([None] * 7 + [50.0] * 5, constant))
    assert half_lost[0] == np.inf


def test_the_tables_count_what_gains():
    constant = [100.0 + n for n in range(12)]
    case = {"problem": "scalar-product", "settings": {}}
    found = {
        "sweeps": {"a": case, "b": {**case, "settings": {"noise_std": 0.1}}},
        "two": {
            "a": row([0.9 * each for each in constant], constant),
            "b": row(constant, constant, SCHEDULES[0], located=False),
        },
    }
    assert "on 1 no schedule was better than the constant" in two_values_summary(found)
    assert "on 1 the interval lies below 1" in two_values_summary(found)
    assert "0.90 (0.90 to 0.90)" in two_values(found)
    assert "none is better" in two_values(found)
    assert "at the grid's end" in two_values(found)
    found["sweeps"]["c"] = {**case, "settings": {"noise_std": 0.2}}
    found["two"]["c"] = row(constant, [None] * 12)
    assert "On 1 more the best constant does not settle" in two_values_summary(found)
    assert "the constant does not settle with these seeds" in two_values(found)
    assert two_values({"two": {}}) == two_values_summary({}) == "not measured yet"
