"""An adaptive sweep finds known optima, respects its limits, and chooses the same points again."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.adaptive.allocate import RESAMPLES, UNEVEN, WINDOW
from flatfast.lab.adaptive.choose import next_round
from flatfast.lab.adaptive.plan import FIRST_SEEDS, PILOT
from flatfast.lab.adaptive.row import BESIDE, current, row_of
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.selection import comparable
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.rows import keys
from studies.adaptive.cases import DESIGNS
from studies.adaptive.synthetic import adaptive, dense, plan_of, synthetic
from studies.statistics.cases import Design

QUIET = DESIGNS[0]


def swept(name="two-branch", design=QUIET, number=0, **changes):
    runs = synthetic(name, design, number)
    plan = replace(plan_of(runs, 0.1), **changes)
    rows, told = adaptive(runs, plan)
    return runs, plan, rows, told


@pytest.mark.parametrize("gamma", [2 / 3, 0.5, 1.0])
def test_the_exponent_put_in_is_found_whatever_it_is(gamma):
    """The law's exponent guides the first look alone."""
    _, plan, rows, told = swept(design=replace(QUIET, gamma=gamma))
    exponent = fit_exponent(time_grid(current(rows, plan.rates)), alternatives=()).exponent
    assert told[-1].endswith("as was asked for")
    assert exponent.high - exponent.low <= 1.1 * plan.width
    assert abs(exponent.estimate - gamma) < plan.width


def test_the_best_lies_between_other_momenta_at_every_learning_rate():
    _, plan, rows, _ = swept(design=replace(QUIET, gamma=1.1))
    for lr in plan.rates:
        row = row_of(rows, lr, plan)
        assert BESIDE <= row.best < len(row.cells) - BESIDE


def test_the_choice_depends_on_the_rows_and_not_on_their_order():
    _, plan, rows, _ = swept()
    part = rows.slice(0, 60)
    shuffled = part.take(pa.array(np.random.default_rng(0).permutation(len(part))))
    first, again = next_round(part, plan), next_round(shuffled, plan)
    assert first.why == again.why
    assert sorted(first.runs.identities()) == sorted(again.runs.identities())


def test_no_run_is_asked_for_twice():
    _, _, rows, _ = swept("flat bottom", DESIGNS[1], most_seeds=6)
    assert len(keys(rows)) == len(rows)


def test_runs_end_at_a_multiple_of_the_best_time():
    _, plan, rows, _ = swept()
    for lr in plan.rates:
        row = row_of(rows, lr, plan)
        assert plan.patience <= row.steps / row.best_time <= 2 * plan.patience
        grid = rows.filter(pa.array(np.asarray(rows["method"].to_pylist()) == GRID))
        own = grid.filter(pa.array(grid["lr"].to_numpy() == lr))
        assert set(own["steps"].to_pylist()) == {row.steps}  # censored alike


def test_a_length_that_was_too_short_is_made_up_for_and_the_short_runs_are_set_aside():
    """The law carries the time too: where it grows faster than that, runs come out too short."""
    runs = synthetic("two-branch", QUIET, 0)

    class Slower(type(runs)):
        def _log_time(self, wanted):
            return super()._log_time(wanted) - 1.0 * np.log(wanted.lr / max(self.rates))

    slower = Slower(runs.shape, runs.design, runs.log_c, runs.number)
    plan = replace(plan_of(slower, 0.1), duration=10_000.0)
    rows, told = adaptive(slower, plan)
    assert any(why.startswith("longer runs") for why in told)
    kept, notes = comparable(rows)
    assert notes
    for lr in plan.rates:
        row = row_of(rows, lr, plan)
        assert row.steps >= plan.patience * row.best_time
        own = kept.filter(pa.array(kept["lr"].to_numpy() == lr))
        own = own.filter(pa.array(np.asarray(own["method"].to_pylist()) == GRID))
        assert set(own["steps"].to_pylist()) == {row.steps}


def test_the_pilot_is_no_part_of_the_estimate():
    _, plan, rows, _ = swept()
    assert set(rows["method"].to_pylist()) == {PILOT, GRID}
    assert set(current(rows, plan.rates)["method"].to_pylist()) == {GRID}


def test_a_goal_out_of_reach_ends_the_sweep_in_words():
    _, _, rows, told = swept(duration=1.0)
    assert len(told) == 2
    assert "no run of the pilot at lr 0.01 reached the goal" in told[-1]
    assert len(rows) == 2 * len(set(rows["momentum"].to_pylist()))


def test_where_plain_sgd_is_best_the_sweep_ends_and_locates_nothing():
    runs = synthetic("two-branch", QUIET, 0)
    plain = replace(runs, log_c=runs.log_c + 6.0)
    plan = replace(plan_of(plain, 0.1, most_seeds=6), duration=1000.0)
    rows, told = adaptive(plain, plan)
    assert 0.0 in rows["momentum"].to_pylist()
    assert "no exponent yet" in told[-1]
    with pytest.raises(ValueError, match="edge of the grid"):
        fit_exponent(time_grid(current(rows, plain.rates)))


def test_a_budget_is_kept():
    _, _, rows, _ = swept("flat bottom", DESIGNS[1], width=0.01, most_seeds=6)
    spent = int(np.sum(rows["steps_run"].to_numpy()))
    _, _, fewer, ended = swept(
        "flat bottom", DESIGNS[1], width=0.01, budget=spent // 2, most_seeds=6
    )
    assert np.sum(fewer["steps_run"].to_numpy()) <= 0.55 * spent
    assert ended[-1].startswith(f"the budget of {spent // 2:,} steps is spent: exponent")


def test_no_round_begins_once_the_budget_is_spent():
    """Not even one that only says where to look."""
    *_, rows, told = swept(budget=1)
    assert told[-1].startswith("the budget of 1 steps is spent")
    assert set(rows["method"].to_pylist()) == {PILOT}


def test_where_all_momenta_take_as_long_the_search_ends():
    """The best of equal times is the first: without a bound its row would go down forever."""
    runs = synthetic("two-branch", QUIET, 0)
    alike = replace(runs, shape=lambda x: np.zeros_like(x), design=replace(QUIET, noise=0.0))
    plan = plan_of(runs, 0.1)
    rows, told = adaptive(alike, plan)
    assert "at 0 of 5 learning rates" in told[-1]
    memory = 1 / (1 - rows["momentum"].to_numpy())
    assert np.all(memory <= 1.001 * np.array([plan.longest(lr) for lr in rows["lr"].to_pylist()]))


def test_seeds_are_not_spent_where_nothing_can_be_located():
    """Of five learning rates the optima of two lie above plain SGD."""
    runs = synthetic("two-branch", QUIET, 0)
    top = runs.log_best(np.sort(np.array(runs.rates)))[2]
    plain = replace(runs, log_c=runs.log_c - top - 0.55 * np.log(10))
    plan = replace(plan_of(plain, 0.02, most_seeds=12), duration=1000.0)
    rows, _ = adaptive(plain, plan)
    inside = {lr: row_of(rows, lr, plan).inside for lr in plan.rates}
    most = {lr: max(row_of(rows, lr, plan).seeds) for lr in plan.rates}
    assert sum(inside.values()) >= 3
    assert not all(inside.values())
    assert all(most[lr] == FIRST_SEEDS for lr in plan.rates if not inside[lr])
    assert max(most.values()) > FIRST_SEEDS


def test_a_narrow_interval_from_some_optima_does_not_end_the_sweep():
    """Three optima of five can lie on a line by chance: momenta between may locate the others."""
    for number in range(4):
        _, plan, rows, _ = swept("many oscillators", DESIGNS[1], number, width=0.6)
        times = median_times(time_grid(current(rows, plan.rates)), n_boot=RESAMPLES, seed=0)
        located = dict(zip(plan.rates[::-1], locate(times).located, strict=True))
        for lr in plan.rates:
            row = row_of(rows, lr, plan)
            near = [row.cells[i] for i in row.window(round(WINDOW * plan.per_decade))]
            assert located[lr] or len(near) == near[-1] - near[0] + 1  # no gaps are left


def test_seeds_stay_within_reach_of_each_other():
    """Seeds are resampled together: a row with few of the sweep's seeds would be lost too often."""
    _, plan, rows, _ = swept("flat bottom", DESIGNS[1], width=0.03, most_seeds=9)
    most = [max(row_of(rows, lr, plan).seeds) for lr in plan.rates]
    assert min(most) >= FIRST_SEEDS
    assert max(most) <= 1.5 * UNEVEN * min(most)
    assert median_times(time_grid(current(rows, plan.rates)), n_boot=2, seed=0).n_seeds == min(most)


def test_scatter_that_seeds_cannot_narrow_is_told():
    *_, told = swept("cliff", QUIET, width=0.02)
    assert told[-1].endswith("more learning rates would")


def test_intervals_cover_although_the_sweep_ends_when_they_are_narrow():
    """Of 24 sweeps fewer than 19 would be hit once in a hundred times at a coverage of 92%."""
    hits = 0
    for design in (QUIET, DESIGNS[1], Design("steep", rates=5, decades=1.0, gamma=0.8)):
        for number in range(8):
            _, plan, rows, _ = swept("many oscillators", design, number)
            fit = fit_exponent(time_grid(current(rows, plan.rates)), alternatives=(), n_boot=150)
            hits += fit.exponent.contains(design.gamma)
    assert hits >= 19


def test_a_quarter_of_a_grid_s_steps_is_enough():
    runs, _, rows, _ = swept()
    whole = dense(runs, QUIET.seeds)
    assert np.sum(rows["steps_run"].to_numpy()) < 0.25 * np.sum(whole["steps_run"].to_numpy())
