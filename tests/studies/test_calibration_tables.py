"""Sentences about calibrated prefactors, on made-up cases."""

import pytest

from studies.calibration.tables import coverage, unseen_summary


def case(prefactors, times, best=None):
    """One on a problem chosen beforehand: steps at C of 0.1, 0.2 and 0.4, and calibrated C."""
    rate = {
        "lr": 0.01,
        "C": [0.1, 0.2, 0.4],
        "time": times,
        "best_C": best,
        "best_time": min(times),
        "limit": 1000.0,
        "constants": {},
    }
    found = {"C": prefactors, "C_error": 0.1, "estimators": {}}
    told = {"problem": "attention", "lr": 0.01, "settings": {}, "rates": [rate]}
    return {**told, "pilot": {"C": None}}, found


def rows(cases):
    """What the study keeps of them."""
    labels = [f"attention_data_seed-{seed}" for seed in range(len(cases))]
    parts = zip(*cases, strict=True)
    sweeps, calibrated = (dict(zip(labels, part, strict=True)) for part in parts)
    return {"sweeps": sweeps, "calibrated": calibrated, "candidates": {}}


LOCATED = case([0.3, 0.2, 0.4], [120.0, 100.0, 150.0], best=0.2)
AT_THE_END = case([0.4, 0.4, 0.4], [100.0, 120.0, 150.0])
NOT_LOCATED = case([0.4, 0.2, 0.2], [102.0, 100.0, 150.0])


def test_every_calibration_counts_where_the_best_is_located():
    said = unseen_summary(rows([LOCATED]))
    assert "C is 1.00 to 2.00 times the swept one in the 1 of 1 cases" in said
    assert "of the others" not in said


def test_a_best_beyond_the_sweep_is_told_as_a_bound():
    said = unseen_summary(rows([LOCATED, AT_THE_END, NOT_LOCATED]))
    assert "in the 1 of 3 cases whose best C the sweep locates" in said
    assert "In 1 of the others the fastest is the least C that was swept" in said
    assert "there C is 4.0 to 4.0 times that" in said
    assert "1.50 in the worst" in said


@pytest.mark.parametrize(("prefactor", "out"), [(0.3, 0), (0.4, 1)])
def test_an_interval_can_miss_what_no_sweep_has_located(prefactor, out):
    known = rows([LOCATED, case([prefactor] * 3, [100.0, 120.0, 150.0])])
    usual = {"matrix-sensing": LOCATED[0]}, {"matrix-sensing": LOCATED[1]}
    known["sweeps"] |= usual[0]
    known["calibrated"] |= usual[1]
    said = coverage(known)
    assert "holds the swept C in 1 of them" in said
    assert f"in {out} of the others" in said
