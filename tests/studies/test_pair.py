"""The calibrated pair beside a sweep of both: what is the best, and how it is told."""

import numpy as np
import pytest

from flatfast.timescales import stability_limit
from studies.calibration import pair_grid
from studies.calibration.pair import at_the_end, best, ratios, sentence, table


def cell(share, momentum, steps, diverged=0, curvature=10.0):
    lr = share * float(stability_limit(momentum, curvature))
    told = {"diverged": diverged, "unsettled": 0, "runs": 8}
    return {"lr": lr, "momentum": momentum, "steps": steps, **told}


SWEPT = {
    "curvature": 10.0,
    "steps": 300,
    "cells": [
        cell(0.5, 0.9, 90.0),
        cell(0.9, 0.95, 40.0),
        cell(0.95, 0.9, 50.0),
        cell(0.95, 0.97, 20.0, diverged=1),
        cell(0.95, 0.99, None),
    ],
}


def found(*pairs, development=False):
    calibrations = [{"pair": pair and {**pair, "margin": 0.1}} for pair in pairs]
    return {
        "problem": "teacher-student",
        "settings": {"noise_std": 0.5},
        "development": development,
        "swept": SWEPT,
        "calibrations": calibrations,
    }


def test_the_best_is_the_fastest_of_which_no_run_diverged():
    assert best(SWEPT)["steps"] == 40.0
    assert not at_the_end(SWEPT, best(SWEPT))
    assert at_the_end(SWEPT, SWEPT["cells"][2])


def test_steps_over_the_best_are_infinite_without_a_pair_or_an_arrival():
    case = found(cell(0.9, 0.95, 44.0), cell(0.9, 0.95, None), None)
    assert ratios(case) == [pytest.approx(1.1), np.inf, np.inf]


def test_a_sweep_of_which_nothing_settles_is_told_and_not_compared():
    nowhere = {**SWEPT, "cells": [cell(0.9, 0.95, None)]}
    lost = {**found(cell(0.9, 0.95, None)), "swept": nowhere, "problem": "digits-mlp"}
    assert best(nowhere) is None
    assert ratios(lost) == []
    cases = {"pair": {"a": found(cell(0.9, 0.95, 48.0)), "b": lost}}
    assert "1.20) on 1 cases held out" in sentence(cases)
    assert "no pair of the sweep settles on digits-mlp" in sentence(cases)
    assert "Of 16 runs" in sentence(cases)
    assert "| none settles |  |" in table(cases)


def test_tables():
    cases = {
        "a": found(cell(0.9, 0.95, 48.0), cell(0.9, 0.95, 44.0), cell(0.9, 0.95, 46.0)),
        "b": found(cell(0.9, 0.95, 80.0, diverged=2), development=True),
    }
    told = table({"pair": cases})
    assert "1.20, 1.10, 1.15" in told
    assert told.count("held out") == 1
    assert "2, 0 of 8" in told
    words = sentence({"pair": cases})
    assert "1.15 in the median (worst: 1.15) on 1 cases held out" in words
    assert "Of 32 runs at calibrated pairs 2 diverged, and 0 more did not settle" in words


def test_cells_have_their_share_of_the_limit():
    trial = pair_grid.Trial(pair_grid.TRIALS[0].case, 1, 1, 1, shares=(0.5, 0.95))
    pairs = pair_grid.cells(trial, C=0.1, curvature=20.0)
    shares = {round(lr / float(stability_limit(m, 20.0)), 2) for lr, m in pairs}
    assert shares == {0.5, 0.95}
    assert len(pairs) == 2 * len(pair_grid.FACTORS)
    plain = pair_grid.cells(trial, C=1e3, curvature=20.0)
    assert len(plain) == 2  # all end at plain SGD
