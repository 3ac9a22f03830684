"""Which runs are analysed where several lengths are stored."""

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.analysis import analyse
from flatfast.lab.estimation.methods import GRID, SCAN
from flatfast.lab.estimation.selection import comparable
from flatfast.lab.estimation.times import time_grid


def runs(lr, momenta, steps, *, seeds=4, method=GRID):
    pairs = [(momentum, seed) for momentum in momenta for seed in range(seeds)]
    count = len(pairs)
    return pa.table(
        {
            "method": [method] * count,
            "lr": np.full(count, lr),
            "momentum": [momentum for momentum, _ in pairs],
            "seed": [seed for _, seed in pairs],
            "steps": np.full(count, steps),
            "steps_run": np.full(count, steps),
            "status": ["converged"] * count,
            "convergence_step": np.linspace(10.0, 90.0, count),
        }
    )


def lengths(table, method=GRID):
    rows = [row for row in table.to_pylist() if row["method"] == method]
    return {lr: {row["steps"] for row in rows if row["lr"] == lr} for lr in {r["lr"] for r in rows}}


def test_one_length_is_left_as_it_is():
    table = pa.concat_tables([runs(0.1, [0.5, 0.9], 100), runs(0.2, [0.5, 0.9], 50)])
    assert comparable(table) == (table, [])


def test_a_finished_longer_sweep_is_used_and_an_unfinished_one_is_not():
    momenta = [0.5, 0.9, 0.99]
    table = pa.concat_tables(
        [
            runs(0.1, momenta, 100),
            runs(0.1, momenta, 200),
            runs(0.2, momenta, 50),
            runs(0.2, momenta[:2], 500),
        ]
    )
    used, notes = comparable(table)
    assert lengths(used) == {0.1: {200}, 0.2: {50}}
    assert notes == [
        "grid at lr 0.1: the 12 runs of 200 steps are used, and set aside are 12 of 100",
        "grid at lr 0.2: the 12 runs of 50 steps are used, and set aside are 8 of 500",
    ]
    assert time_grid(used).limit.tolist() == [200, 50]


def test_each_method_is_chosen_for_by_itself():
    table = pa.concat_tables(
        [
            runs(0.1, [0.9], 100),
            runs(0.1, [0.9], 300, method="law"),
            runs(0.1, [0.91], 400, method="law"),
            runs(0.1, [0.91], 500, method="law"),
            runs(0.1, [0.5, 0.9], 40, method=SCAN),
            runs(0.1, [0.5], 80, method=SCAN),
        ]
    )
    used, notes = comparable(table)
    assert lengths(used) == {0.1: {100}}
    # An earlier constant of the law was another momentum, with a length of its own.
    assert lengths(used, "law") == {0.1: {300, 500}}
    assert lengths(used, SCAN) == {0.1: {40}}
    assert len(notes) == 2


def test_runs_that_agree_to_nine_digits_count_once():
    table = pa.concat_tables([runs(0.1, [0.5], 100), runs(0.1 * (1 + 1e-11), [0.5], 100)])
    used, notes = comparable(table)
    assert used["lr"].to_pylist() == [0.1] * 4
    assert notes == ["4 runs are set aside whose lr and 1 - momentum others have too, to 9 digits"]


def test_a_study_says_what_was_set_aside():
    table = pa.concat_tables([runs(0.1, [0.5, 0.9], 100), runs(0.1, [0.5, 0.9], 200)])
    study = analyse(table, {"problem": {"name": "p"}}, n_boot=10)
    assert study.manifest["set_aside"][0].startswith("grid at lr 0.1: the 8 runs of 200 steps")
    assert len(study.runs) == 8
    assert study.grid.limit.tolist() == [200]


@pytest.mark.parametrize("order", [1, -1])
def test_the_choice_does_not_hang_on_the_order_of_rows(order):
    table = pa.concat_tables([runs(0.1, [0.5, 0.9], n) for n in (100, 300, 200)][::order])
    assert lengths(comparable(table)[0]) == {0.1: {300}}
