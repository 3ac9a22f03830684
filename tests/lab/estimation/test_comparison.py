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
)
from flatfast.lab.estimation.ranges import SAFE, stability_limit
from flatfast.lab.estimation.times import time_grid

METHODS = (law(0.2), constant_momentum(0.9), plain_sgd())


class Table:
    """Rows of runs, added by method."""

    def __init__(self):
        names = ("lr", "momentum", "seed", "status", "convergence_step", "steps", "method")
        self.columns = {name: [] for name in names}

    def add(self, method, lr, times, *, limit=1000, status=None, seeds=None):
        momentum, name = (
            method if isinstance(method, tuple) else (method.setting(lr).momentum, method.name)
        )
        for k, time in enumerate(times):
            ended = status or ("converged" if time < limit else "not_converged")
            row = (
                lr,
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
    found = compare(three, METHODS, n_boot=300)
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
    found = compare(three, METHODS, n_boot=300)
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

    turned = compare(three, METHODS, reference="plain SGD", n_boot=300)
    slow = one(turned.speedup_at_lr, "law", 0.1)
    assert slow.relation == "<"
    assert slow.ratio.estimate == pytest.approx(mine.estimate / 1000)
    assert slow.ratio.low == 0.0
    assert slow.ratio.high >= slow.ratio.estimate


def test_half_censored_cells_open_the_interval():
    table = Table().add(METHODS[0], 0.1, [90, 95, 100, 105, 110, 115])
    table.add(METHODS[1], 0.1, [500, 600, 700, 800, 5000, 5000])
    found = compare(table.columns, METHODS[:2], n_boot=500)
    speed = one(found.speedup_at_lr, "momentum 0.9", 0.1)
    assert speed.relation == "="
    assert speed.ratio.high == math.inf
    assert 4 < speed.ratio.low < speed.ratio.estimate < 10


def test_each_at_its_own_best_rate(three):
    found = compare(three, METHODS, n_boot=300)
    mine, other = one(found.best, "law"), one(found.best, "momentum 0.9")
    assert mine.lr == other.lr == 0.1
    assert mine.end == other.end == "greatest"
    assert mine.note.startswith("best at the end of its range: may be faster")
    assert mine.time.estimate == one(found.at_lr, "law", 0.1).time.estimate
    speed = one(found.speedup_best, "momentum 0.9")
    assert math.isnan(speed.lr)
    assert speed.ratio.contains(1.5)
    assert speed.relation == "~"
    assert speed.faster == "open"
    assert speed.text.endswith("both at an end of what was compared")
    never = one(found.best, "plain SGD")
    assert never.outcome == "beyond limit"
    assert never.end == ""
    assert one(found.speedup_best, "plain SGD").relation == ">"


def test_the_best_rate_is_chosen_anew_in_each_resample():
    # Two rates that are equally good: the least of two medians is below either of them.
    rng = np.random.default_rng(1)
    table = Table()
    for lr in (0.05, 0.1, 0.2):
        table.add(METHODS[0], lr, noisy(rng, 100 if lr != 0.2 else 400, seeds=12, noise=0.3))
    found = compare(table.columns, METHODS[:1], n_boot=400)
    best = one(found.best, "law")
    fixed = one(found.at_lr, "law", best.lr)
    assert best.time.estimate == fixed.time.estimate
    assert best.time.high < fixed.time.high
    assert best.time.low <= fixed.time.low


def test_a_shorter_run_that_could_have_been_better_is_said():
    table = Table().add(METHODS[0], 0.1, [300.0] * 4).add(METHODS[0], 0.2, [900.0] * 4, limit=200)
    table.add(METHODS[0], 0.05, [800.0] * 4)
    found = one(compare(table.columns, METHODS[:1], n_boot=10).best, "law")
    assert found.end == "short"
    assert "too short to rule out a better one" in found.note


def two(mine, other):
    """Medians of the law and of momentum 0.9 at rates 0.05, 0.1, ...; no spread but a little."""
    table = Table()
    for method, medians in ((METHODS[0], mine), (METHODS[1], other)):
        for k, time in enumerate(medians):
            table.add(method, 0.05 * 2**k, [0.99 * time, time, 1.01 * time])
    found = compare(table.columns, METHODS[:2], n_boot=50)
    return found, one(found.speedup_best, "momentum 0.9")


@pytest.mark.parametrize(
    ("mine", "other", "relation", "faster"),
    [
        # Both bests lie inside: the ratio is a ratio.
        ((90, 50, 90), (400, 200, 300), "=", "law"),
        ((400, 200, 300), (90, 50, 90), "=", "method"),
        # The other's best may lie beyond: it can only become faster, and the ratio smaller.
        ((90, 50, 90), (400, 300, 200), "<", "open"),
        ((400, 200, 300), (90, 70, 50), "<", "method"),
        # The law's best may lie beyond: the ratio can only become greater.
        ((90, 70, 50), (400, 200, 300), ">", "law"),
        ((400, 300, 200), (90, 50, 90), ">", "open"),
        # At the least learning rate it is the same, below it.
        ((90, 50, 90), (200, 300, 400), "<", "open"),
        # Both may be faster: no direction, and no winner.
        ((90, 70, 50), (400, 300, 200), "~", "open"),
    ],
)
def test_a_best_at_an_end_makes_its_ratio_a_bound(mine, other, relation, faster):
    found, speed = two(mine, other)
    assert speed.relation == relation
    assert speed.faster == faster
    assert speed.ratio.estimate == pytest.approx(min(other) / min(mine))
    ends = [one(found.best, name).end for name in ("law", "momentum 0.9")]
    places = [times.index(min(times)) for times in (mine, other)]
    assert ends == [{0: "least", 1: "", 2: "greatest"}[place] for place in places]
    # What is no bound is open.
    assert (speed.ratio.low == 0) == (relation == "<")
    assert (speed.ratio.high == math.inf) == (relation == ">")


def test_what_never_arrived_is_slower_whatever_the_end():
    _, speed = two((90, 70, 50), (5000, 5000, 5000))
    assert speed.relation == ">"
    assert speed.faster == "law"


def test_rates_above_the_limit_are_kept_apart():
    """A catapult that arrives soonest of all is no best time."""
    curvature = 2.0
    limit = {method.name: stability_limit(method, curvature) for method in METHODS}
    table = Table()
    for method in METHODS:
        own = limit[method.name]
        for share, time in ((0.4, 300), (0.7, 200), (SAFE, 250), (1.2, 20)):
            table.add(method, share * own, [time] * 4)
        table.add(method, 1.4 * own, [math.nan] * 4, status="diverged")
    found = compare(table.columns, METHODS, curvature=curvature, n_boot=10)
    assert {m.name: m.stable_below for m in found.methods} == limit
    assert max(limit.values()) > 1.5 * min(limit.values())
    for method in METHODS:
        best = one(found.best, method.name)
        assert best.time.estimate == pytest.approx(200)
        assert best.end == ""
        assert best.lr == pytest.approx(0.7 * limit[method.name])
        above = [t for t in found.beyond if t.method == method.name]
        assert [t.outcome for t in above] == ["measured", "diverged"]
        assert [t.diverged for t in above] == [0, 4]
    # Not known, it is not guessed: all counts as within.
    unknown = compare(table.columns, METHODS, n_boot=10)
    assert unknown.beyond == ()
    assert math.isnan(unknown.methods[0].stable_below)
    assert one(unknown.best, "law").time.estimate == pytest.approx(20)


def test_divergence_is_stated():
    rng = np.random.default_rng(2)
    table = Table()
    for lr in (0.01, 0.1):
        table.add(METHODS[0], lr, noisy(rng, 100))
        table.add(METHODS[2], lr, [math.nan] * 16, status="diverged")
    found = compare(table.columns, (METHODS[0], METHODS[2]), n_boot=50)
    lost = one(found.at_lr, "plain SGD", 0.1)
    assert lost.outcome == "diverged"
    assert lost.diverged == 16
    speed = one(found.speedup_at_lr, "plain SGD", 0.1)
    assert speed.relation == "unknown"
    assert speed.text == "unknown: plain SGD diverged"
    assert one(found.best, "plain SGD").outcome == "diverged"
    assert one(found.speedup_best, "plain SGD").relation == "unknown"
    assert one(found.speedup_best, "plain SGD").faster == "open"


def test_a_method_that_diverges_at_some_rates_has_the_best_of_the_rest():
    table = Table().add(METHODS[0], 0.1, [100.0] * 4).add(METHODS[0], 0.2, [80.0] * 4)
    table.add(METHODS[1], 0.1, [300.0] * 4)
    table.add(METHODS[1], 0.05, [400.0] * 4)
    table.add(METHODS[1], 0.2, [math.nan] * 4, status="diverged")
    found = compare(table.columns, METHODS[:2], n_boot=10)
    assert one(found.best, "momentum 0.9").lr == 0.1
    assert one(found.best, "momentum 0.9").end == ""
    assert one(found.speedup_best, "momentum 0.9").ratio.estimate == pytest.approx(300 / 80)


def test_methods_without_runs():
    table = Table().add(METHODS[0], 0.1, [100.0] * 4)
    found = compare(table.columns, METHODS, n_boot=10)
    assert [t.method for t in found.at_lr] == ["law"]
    assert one(found.best, "plain SGD").outcome == "no runs"
    assert one(found.speedup_best, "plain SGD").text == "unknown: plain SGD has no runs"
    assert one(found.best, "law").time.estimate == pytest.approx(100.0)


def test_each_method_has_rates_of_its_own():
    table = Table()
    for lr in (0.05, 0.1, 0.2):
        table.add(METHODS[0], lr, [100.0] * 4)
    for lr in (0.05, 0.1, 0.15):
        table.add(METHODS[1], lr, [200.0] * 4)
    # Runs with another momentum than the method's are none of its own: an earlier C, for instance.
    table.add((0.5, "law"), 0.3, [10.0] * 4)
    found = compare(table.columns, METHODS[:2], n_boot=10)
    assert [t.lr for t in found.at_lr if t.method == "law"] == [0.05, 0.1, 0.2]
    assert [t.lr for t in found.at_lr if t.method == "momentum 0.9"] == [0.05, 0.1, 0.15]
    assert [s.lr for s in found.speedup_at_lr] == [0.05, 0.1]


def test_seeds_are_resampled_jointly():
    # The same seeds are slow for both: their ratio is sharp although their times are not.
    rng = np.random.default_rng(3)
    luck = np.exp(0.5 * rng.standard_normal(16))
    table = Table().add(METHODS[0], 0.1, 50 * luck).add(METHODS[1], 0.1, 100 * luck)
    found = compare(table.columns, METHODS[:2], n_boot=200)
    ratio = one(found.speedup_at_lr, "momentum 0.9", 0.1).ratio
    assert ratio.low == pytest.approx(2.0)
    assert ratio.high == pytest.approx(2.0)
    time = one(found.at_lr, "law", 0.1).time
    assert time.high / time.low > 1.2


@pytest.fixture
def with_scan():
    """The best momentum is another at each rate; the best pair of all is at the middle one."""
    table = Table()
    times = {
        0.01: {0.5: 900, 0.9: 300, 0.99: 200},
        0.1: {0.5: 60, 0.9: 70, 0.99: 800},
        0.3: {0.5: 65, 0.9: 500, 0.99: 900},
    }
    for lr, row in times.items():
        for momentum, time in row.items():
            table.add((momentum, SCAN), lr, [time * 0.99, time, time * 1.01])
        table.add(METHODS[0], lr, [100.0] * 3)
    return table


def test_the_oracles(with_scan):
    scan = time_grid(with_scan.columns, SCAN)
    found = compare(with_scan.columns, METHODS[:1], scan=scan, n_boot=50)
    own = [one(found.at_lr, BEST_AT_EACH_LR, lr) for lr in (0.01, 0.1, 0.3)]
    assert [time.momentum for time in own] == pytest.approx([0.99, 0.5, 0.5])
    assert [time.time.estimate for time in own] == pytest.approx([200, 60, 65])
    kept = [one(found.at_lr, BEST_CONSTANT, lr) for lr in (0.01, 0.1, 0.3)]
    assert [time.momentum for time in kept] == pytest.approx([0.5] * 3)
    assert [time.time.estimate for time in kept] == pytest.approx([900, 60, 65])
    assert one(found.speedup_at_lr, BEST_AT_EACH_LR, 0.1).ratio.estimate == pytest.approx(0.6)
    for oracle in (BEST_AT_EACH_LR, BEST_CONSTANT):
        assert one(found.best, oracle).time.estimate == pytest.approx(60)
        assert one(found.best, oracle).end == ""


def test_the_oracles_have_the_range_of_their_momenta(with_scan):
    # Momentum 0.5 is stable below 3 / curvature: at curvature 40 not beyond lr 0.07.
    scan = time_grid(with_scan.columns, SCAN)
    found = compare(with_scan.columns, METHODS[:1], curvature=25.0, scan=scan, n_boot=20)
    own = [one(found.at_lr, BEST_AT_EACH_LR, lr) for lr in (0.01, 0.1)]
    assert [time.momentum for time in own] == pytest.approx([0.99, 0.5])
    assert [t.lr for t in found.at_lr if t.method == BEST_AT_EACH_LR] == [0.01, 0.1]
    steep = compare(with_scan.columns, METHODS[:1], curvature=35.0, scan=scan, n_boot=20)
    assert one(steep.at_lr, BEST_AT_EACH_LR, 0.1).momentum == pytest.approx(0.9)
    assert one(steep.best, BEST_CONSTANT).momentum == pytest.approx(0.9)
    assert one(steep.best, BEST_CONSTANT).end == "greatest"


def test_an_oracle_chooses_anew_in_each_resample():
    # Two momenta as good as each other: the better of two draws beats either.
    rng = np.random.default_rng(5)
    table = Table().add(METHODS[0], 0.1, [100.0] * 12)
    for momentum in (0.8, 0.9):
        table.add((momentum, SCAN), 0.1, noisy(rng, 100, seeds=12, noise=0.3))
    scan = time_grid(table.columns, SCAN)
    found = compare(table.columns, METHODS[:1], scan=scan, n_boot=400)
    best = one(found.best, BEST_CONSTANT).time
    spread = np.sort(np.array(table.columns["convergence_step"][12:]).reshape(2, 12), axis=1)
    assert best.high < np.median(spread, axis=1).min() * 1.3
    assert best.low < best.estimate


def test_an_oracle_where_nothing_arrived():
    table = Table().add(METHODS[0], 0.1, [100.0] * 3)
    for momentum in (0.5, 0.9, 0.99):
        table.add((momentum, SCAN), 0.1, [5000.0] * 3)
    found = compare(table.columns, METHODS[:1], scan=time_grid(table.columns, SCAN), n_boot=10)
    lost = one(found.at_lr, BEST_AT_EACH_LR, 0.1)
    assert lost.outcome == "beyond limit"
    assert math.isnan(lost.momentum)
    assert lost.note == "no momentum of the scan has a median time"


def test_the_same_setting_found_under_rounding():
    table = Table()
    setting = METHODS[0].setting(0.1)
    table.add((setting.momentum + 1e-16, "law"), 0.1 * (1 + 2e-16), [50.0] * 3)
    found = compare(table.columns, METHODS[:1], n_boot=10)
    assert one(found.at_lr, "law").runs == 3


def test_results_are_plain_values(three):
    found = compare(three, METHODS, n_boot=20)
    as_dict = asdict(found)
    assert json.loads(json.dumps(as_dict))["reference"] == "law"
    again = compare(three, METHODS, n_boot=20)
    assert json.dumps(asdict(again)) == json.dumps(as_dict)


def test_bad_arguments(three):
    with pytest.raises(ValueError, match="distinct names, got law, law"):
        compare(three, (METHODS[0], METHODS[0]))
    with pytest.raises(ValueError, match="reference must be one of law, got 'best'"):
        compare(three, METHODS[:1], reference="best")
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 95"):
        compare(three, METHODS, level=95)
    unnamed = {name: column for name, column in three.items() if name != "method"}
    with pytest.raises(ValueError, match="must have a column 'method'"):
        compare(unnamed, METHODS)
    twice = Table().add(METHODS[0], 0.1, [100.0, 101.0], seeds=[3, 3]).columns
    with pytest.raises(ValueError, match=r"a seed of 'law' at lr 0\.1 twice"):
        compare(twice, METHODS[:1])
    uneven = Table().add(METHODS[0], 0.1, [100.0], limit=500)
    uneven.add(METHODS[0], 0.1, [100.0], limit=700, seeds=[1])
    with pytest.raises(ValueError, match=r"one length, got \[500.0, 700.0\] for 'law' at lr 0.1"):
        compare(uneven.columns, METHODS[:1])
