"""Methods side by side, with bounds where runs did not arrive."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from flatfast.lab.estimation.comparison import compare
from flatfast.lab.estimation.methods import (
    BEST_AT_EACH_LR,
    BEST_CONSTANT,
    SCAN,
    constant_momentum,
    law,
    plain_sgd,
    plain_sgd_same_effective_step,
)
from flatfast.lab.estimation.times import time_grid

METHODS = (law(0.2), constant_momentum(0.9), plain_sgd())


class Table:
    """Rows of runs, added by method."""

    def __init__(self):
        names = ("lr", "momentum", "seed", "status", "convergence_step", "steps", "method")
        self.columns = {name: [] for name in names}

    def add(self, method, lr, times, *, limit=1000, status=None, seeds=None):
        setting = method if isinstance(method, tuple) else None
        lr_used, momentum, name = setting or (
            method.setting(lr).lr,
            method.setting(lr).momentum,
            method.name,
        )
        for k, time in enumerate(times):
            ended = status or ("converged" if time < limit else "not_converged")
            row = (
                lr_used,
                momentum,
                seeds[k] if seeds else k,
                ended,
                time if ended == "converged" else math.nan,
                limit,
                name,
            )
            for column, value in zip(self.columns.values(), row, strict=True):
                column.append(value)
        return self


def noisy(rng, time, seeds=16, noise=0.1):
    return time * np.exp(noise * rng.standard_normal(seeds))


def one(items, method, lr=None):
    found = [x for x in items if x.method == method and (lr is None or x.lr == lr)]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def three():
    """Three methods at two learning rates; plain SGD arrives at neither."""
    rng = np.random.default_rng(0)
    table = Table()
    for lr, fast, slow in ((0.1, 100.0, 150.0), (0.01, 200.0, 800.0)):
        table.add(METHODS[0], lr, noisy(rng, fast))
        table.add(METHODS[1], lr, noisy(rng, slow, noise=0.05))
        table.add(METHODS[2], lr, noisy(rng, 1e6))
    return table.columns


def test_times_and_ratios(three):
    found = compare(three, METHODS, [0.1, 0.01], n_boot=300)
    assert found.lr == (0.01, 0.1)
    assert [method.name for method in found.methods] == ["law", "momentum 0.9", "plain SGD"]
    mine = one(found.at_lr, "law", 0.1)
    steps = np.array(three["convergence_step"])[
        (np.array(three["method"]) == "law") & (np.array(three["lr"]) == 0.1)
    ]
    assert mine.outcome == "measured"
    assert mine.time.estimate == pytest.approx(math.exp(np.median(np.log(steps))))
    assert steps.min() < mine.time.low < mine.time.estimate < mine.time.high < steps.max()
    assert (mine.runs, mine.converged, mine.diverged, mine.limit) == (16, 16, 0, 1000)
    for lr, ratio in ((0.1, 1.5), (0.01, 4.0)):
        speed = one(found.speedup_at_lr, "momentum 0.9", lr)
        assert speed.relation == "="
        assert speed.ratio.contains(ratio)
        assert speed.ratio.high / speed.ratio.low < 1.3
        assert speed.text.startswith(f"{speed.ratio.estimate:.3g} times (")


def test_times_beyond_the_runs_are_bounds(three):
    found = compare(three, METHODS, [0.1, 0.01], n_boot=300)
    late = one(found.at_lr, "plain SGD", 0.1)
    assert late.outcome == "beyond limit"
    assert late.time.estimate == math.inf
    mine = one(found.at_lr, "law", 0.1).time
    speed = one(found.speedup_at_lr, "plain SGD", 0.1)
    assert speed.relation == ">"
    assert speed.ratio.estimate == pytest.approx(1000 / mine.estimate)
    assert speed.ratio.low == pytest.approx(1000 / mine.high, rel=0.02)
    assert speed.ratio.high == math.inf
    assert speed.text == f"more than {speed.ratio.estimate:.3g} times"

    turned = compare(three, METHODS, [0.1], reference="plain SGD", n_boot=300)
    slow = one(turned.speedup_at_lr, "law", 0.1)
    assert slow.relation == "<"
    assert slow.ratio.estimate == pytest.approx(mine.estimate / 1000)
    assert slow.ratio.low == 0.0
    assert slow.ratio.high >= slow.ratio.estimate


def test_half_censored_cells_open_the_interval():
    table = Table().add(METHODS[0], 0.1, [90, 95, 100, 105, 110, 115])
    table.add(METHODS[1], 0.1, [500, 600, 700, 800, 5000, 5000])
    found = compare(table.columns, METHODS[:2], [0.1], n_boot=500)
    speed = one(found.speedup_at_lr, "momentum 0.9", 0.1)
    assert speed.relation == "="
    assert speed.ratio.high == math.inf
    assert 4 < speed.ratio.low < speed.ratio.estimate < 10


def test_each_at_its_own_best_rate(three):
    found = compare(three, METHODS, [0.1, 0.01], n_boot=300)
    mine, other = one(found.best, "law"), one(found.best, "momentum 0.9")
    assert mine.lr == other.lr == 0.1
    assert "the best is the greatest learning rate compared" in mine.note
    assert mine.time.estimate == one(found.at_lr, "law", 0.1).time.estimate
    speed = one(found.speedup_best, "momentum 0.9")
    assert math.isnan(speed.lr)
    assert speed.ratio.contains(1.5)
    never = one(found.best, "plain SGD")
    assert never.outcome == "beyond limit"
    assert never.note == "not arrived within the runs at any learning rate"
    assert one(found.speedup_best, "plain SGD").relation == ">"


def test_the_best_rate_is_chosen_anew_in_each_resample():
    # Two rates that are equally good: the least of two medians is below either of them.
    rng = np.random.default_rng(1)
    table = Table()
    for lr in (0.05, 0.1, 0.2):
        table.add(METHODS[0], lr, noisy(rng, 100 if lr != 0.2 else 400, seeds=12, noise=0.3))
    found = compare(table.columns, METHODS[:1], [0.05, 0.1, 0.2], n_boot=400)
    best = one(found.best, "law")
    fixed = one(found.at_lr, "law", best.lr)
    assert best.time.estimate == fixed.time.estimate
    assert best.time.high < fixed.time.high
    assert best.time.low <= fixed.time.low


def test_a_shorter_run_that_could_have_been_better_is_said():
    table = Table().add(METHODS[0], 0.1, [300.0] * 4).add(METHODS[0], 0.2, [900.0] * 4, limit=200)
    table.add(METHODS[0], 0.05, [800.0] * 4)
    found = compare(table.columns, METHODS[:1], [0.05, 0.1, 0.2], n_boot=10)
    assert one(found.best, "law").note == ("runs at lr 0.2 were too short to rule out a better one")


def test_divergence_is_stated(three):
    rng = np.random.default_rng(2)
    effective = plain_sgd_same_effective_step(0.2)
    table = Table()
    for lr in (0.01, 0.1):
        table.add(METHODS[0], lr, noisy(rng, 100))
        table.add(effective, lr, [math.nan] * 16, status="diverged")
    found = compare(table.columns, (METHODS[0], effective), [0.01, 0.1], n_boot=50)
    lost = one(found.at_lr, effective.name, 0.1)
    assert lost.outcome == "diverged"
    assert lost.diverged == 16
    assert lost.lr_used == pytest.approx(0.1 / (0.2 * 0.1 ** (2 / 3)))
    assert lost.lr == 0.1
    speed = one(found.speedup_at_lr, effective.name, 0.1)
    assert speed.relation == "unknown"
    assert speed.text == f"unknown: {effective.name} diverged"
    assert one(found.best, effective.name).note == "diverged everywhere"
    assert one(found.speedup_best, effective.name).relation == "unknown"


def test_a_method_that_diverges_at_some_rates_has_the_best_of_the_rest():
    table = Table().add(METHODS[0], 0.1, [100.0] * 4).add(METHODS[0], 0.2, [80.0] * 4)
    table.add(METHODS[1], 0.1, [300.0] * 4)
    table.add(METHODS[1], 0.2, [math.nan] * 4, status="diverged")
    found = compare(table.columns, METHODS[:2], [0.1, 0.2], n_boot=10)
    assert one(found.best, "momentum 0.9").lr == 0.1
    assert one(found.speedup_best, "momentum 0.9").ratio.estimate == pytest.approx(300 / 80)


def test_methods_without_runs():
    table = Table().add(METHODS[0], 0.1, [100.0] * 4)
    found = compare(table.columns, METHODS, [0.1, 0.3], n_boot=10)
    assert one(found.at_lr, "plain SGD", 0.1).outcome == "no runs"
    assert one(found.speedup_at_lr, "plain SGD", 0.1).text == "unknown: plain SGD has no runs"
    assert one(found.at_lr, "law", 0.3).outcome == "no runs"
    assert one(found.best, "plain SGD").outcome == "no runs"
    assert one(found.best, "law").time.estimate == pytest.approx(100.0)


def test_seeds_are_resampled_jointly():
    # The same seeds are slow for both: their ratio is sharp although their times are not.
    rng = np.random.default_rng(3)
    luck = np.exp(0.5 * rng.standard_normal(16))
    table = Table().add(METHODS[0], 0.1, 50 * luck).add(METHODS[1], 0.1, 100 * luck)
    found = compare(table.columns, METHODS[:2], [0.1], n_boot=200)
    ratio = one(found.speedup_at_lr, "momentum 0.9", 0.1).ratio
    assert ratio.low == pytest.approx(2.0)
    assert ratio.high == pytest.approx(2.0)
    time = one(found.at_lr, "law", 0.1).time
    assert time.high / time.low > 1.2


@pytest.fixture
def with_scan():
    """Two rates, three momenta: the best momentum is another at each, one is good at both."""
    table = Table()
    times = {0.01: {0.5: 900, 0.9: 300, 0.99: 200}, 0.1: {0.5: 60, 0.9: 70, 0.99: 800}}
    for lr, row in times.items():
        for momentum, time in row.items():
            table.add((lr, momentum, SCAN), lr, [time * 0.99, time, time * 1.01])
        table.add(METHODS[0], lr, [100.0] * 3)
    return table.columns


def test_the_oracles(with_scan):
    found = compare(
        with_scan, METHODS[:1], [0.01, 0.1, 0.5], scan=time_grid(with_scan, SCAN), n_boot=50
    )
    own = [one(found.at_lr, BEST_AT_EACH_LR, lr) for lr in (0.01, 0.1)]
    assert [time.momentum for time in own] == pytest.approx([0.99, 0.5])
    assert [time.time.estimate for time in own] == pytest.approx([200, 60])
    common = [one(found.at_lr, BEST_CONSTANT, lr) for lr in (0.01, 0.1)]
    assert [time.momentum for time in common] == pytest.approx([0.9, 0.9])
    assert [time.time.estimate for time in common] == pytest.approx([300, 70])
    absent = one(found.at_lr, BEST_CONSTANT, 0.5)
    assert absent.outcome == "no runs"
    assert absent.note == "not a learning rate of the scan"
    assert one(found.speedup_at_lr, BEST_AT_EACH_LR, 0.1).ratio.estimate == pytest.approx(0.6)
    assert one(found.best, BEST_AT_EACH_LR).time.estimate == pytest.approx(60)


def test_an_oracle_where_nothing_arrived():
    table = Table().add(METHODS[0], 0.1, [100.0] * 3)
    for momentum in (0.5, 0.9, 0.99):
        table.add((0.1, momentum, SCAN), 0.1, [5000.0] * 3)
    found = compare(
        table.columns, METHODS[:1], [0.1], scan=time_grid(table.columns, SCAN), n_boot=10
    )
    lost = one(found.at_lr, BEST_AT_EACH_LR, 0.1)
    assert lost.outcome == "beyond limit"
    assert math.isnan(lost.momentum)
    assert lost.note == "no momentum of the scan has a median time"


def test_the_same_setting_found_under_rounding():
    table = Table()
    setting = METHODS[0].setting(0.1)
    table.add((0.1 * (1 + 2e-16), setting.momentum + 1e-16, "law"), 0.1, [50.0] * 3)
    found = compare(table.columns, METHODS[:1], [0.1], n_boot=10)
    assert one(found.at_lr, "law", 0.1).runs == 3


def test_results_are_plain_values(three):
    found = compare(three, METHODS, [0.1, 0.01], n_boot=20)
    as_dict = asdict(found)
    assert json.loads(json.dumps(as_dict))["reference"] == "law"
    again = compare(three, METHODS, [0.1, 0.01], n_boot=20)
    assert json.dumps(asdict(again)) == json.dumps(as_dict)


def test_bad_arguments(three):
    with pytest.raises(ValueError, match="at least one learning rate, got none"):
        compare(three, METHODS, [])
    with pytest.raises(ValueError, match="distinct names, got law, law"):
        compare(three, (METHODS[0], METHODS[0]), [0.1])
    with pytest.raises(ValueError, match="reference must be one of law, got 'best'"):
        compare(three, METHODS[:1], [0.1], reference="best")
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 95"):
        compare(three, METHODS, [0.1], level=95)
    unnamed = {name: column for name, column in three.items() if name != "method"}
    with pytest.raises(ValueError, match="must have a column 'method'"):
        compare(unnamed, METHODS, [0.1])
    twice = Table().add(METHODS[0], 0.1, [100.0, 101.0], seeds=[3, 3]).columns
    with pytest.raises(ValueError, match=r"a seed of 'law' at lr 0\.1 twice"):
        compare(twice, METHODS[:1], [0.1])
    uneven = Table().add(METHODS[0], 0.1, [100.0], limit=500)
    uneven.add(METHODS[0], 0.1, [100.0], limit=700, seeds=[1])
    with pytest.raises(ValueError, match=r"one length, got \[500.0, 700.0\] for 'law' at lr 0.1"):
        compare(uneven.columns, METHODS[:1], [0.1])
