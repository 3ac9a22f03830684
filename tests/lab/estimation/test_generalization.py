"""Test error over momentum, on runs whose test error is known at every step."""

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.estimation.comparison import compare
from flatfast.lab.estimation.convergence import convergence
from flatfast.lab.estimation.generalization import generalization
from flatfast.lab.estimation.methods import constant_momentum, law, plain_sgd
from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.readings import read_at, recorded_first
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.goal import Goal

LRS = (0.001, 0.004, 0.016)
MU = 10 ** np.arange(-2.8, -0.3, 0.2)
BEST_C = 2.0
RECORDS = np.linspace(0, 1, 65)


def time_at(lr, mu):
    """Least, 100 lr^(-2/3), at mu = BEST_C lr^(2/3)."""
    x = np.log(mu / (BEST_C * lr ** (2 / 3)))
    return 100 * lr ** (-2 / 3) * np.exp(np.logaddexp(-x, 2 * x - np.log(2)) - np.log(1.5))


def fall(step, time):
    """An error that is linear in the step: 0.6 at the start, 0.2 at ``T_c``, less after it."""
    return 0.6 - 0.4 * step / time


def rows(
    error=fall,
    *,
    method="grid",
    pairs=None,
    seeds=lambda lr, mu: range(6),
    noise=0.0,
    own=0.0,
    length=4.0,
    metric="cooled:test_error",
    random=0,
):
    """Runs with recorded errors ``error(step, T_c)``, a seed's own shift and noise on top."""
    rng = np.random.default_rng(random)
    shift = own * np.random.default_rng(5).standard_normal(100)
    names = ("lr", "momentum", "seed", "status", "convergence_step", "steps", "method")
    columns = {name: [] for name in (*names, "record_step", f"metric:{metric}")}
    for lr, mu in pairs or [(lr, mu) for lr in LRS for mu in MU]:
        limit = round(length * 100 * lr ** (-2 / 3))
        for seed in seeds(lr, mu):
            time = time_at(lr, mu) * np.exp(0.02 * rng.standard_normal())
            arrived = time < limit
            at = np.rint(RECORDS * limit).astype(np.int64)
            values = error(at, time) + shift[seed] + noise * rng.standard_normal()
            row = (lr, 1 - mu, seed, "converged" if arrived else "not_converged")
            row = (*row, time if arrived else None, limit, method, at, values.astype(np.float32))
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return pa.table(columns)


def read(runs, n_boot=200, **options):
    grid = time_grid(runs)
    return generalization(runs, grid, locate(median_times(grid, n_boot=n_boot, seed=0)), **options)


def cell(found, lr, mu):
    return int(np.argmin(abs(found.lr - lr))), int(np.argmin(abs(found.mu - mu)))


def test_readings_are_those_of_the_known_error():
    found = read(rows())
    assert found.metric == "cooled:test_error"
    fitted = locate(median_times(time_grid(rows()), n_boot=200, seed=0))
    assert found.steps.tolist() == np.exp(fitted.log_time).tolist()
    assert found.trained.median[np.isfinite(found.trained.median)] == pytest.approx(0.2, abs=1e-6)
    for e, lr in enumerate(LRS):
        known = fall(found.steps[e], time_at(lr, found.mu))
        assert found.equal_steps.median[e] == pytest.approx(known, abs=0.01)
    # When trained all are alike, and at equal steps the fastest is ahead by what is known.
    assert found.trained.difference.estimate == pytest.approx(0, abs=1e-6)
    best = np.argmin([time_at(lr, found.mu) for lr in LRS], axis=1)
    ahead = [
        row[b] - np.delete(row, b).mean()
        for row, b in zip(found.equal_steps.median, best, strict=True)
    ]
    assert found.equal_steps.difference.estimate == pytest.approx(np.mean(ahead), abs=1e-9)
    assert found.equal_steps.difference.high < 0
    assert found.trained.rates == found.equal_steps.rates == 3
    assert found.trained.fastest == pytest.approx(0.2, abs=1e-6)


def test_runs_that_did_not_arrive_are_read_at_equal_steps_alone():
    runs = rows()
    found = read(runs)
    arrived = np.isfinite(time_grid(runs).log_time).any(axis=-1)
    assert not arrived.all()
    assert (np.isfinite(found.trained.median) == arrived).all()
    assert np.isfinite(found.equal_steps.median).all()


@pytest.mark.parametrize("cost", [0.03, -0.03])
def test_a_known_difference_lies_in_its_interval(cost):
    """The fastest cell alone has an error that is higher by ``cost``, in all that is read."""
    fastest = {lr: MU[np.argmin(time_at(lr, MU))] for lr in LRS}
    tables = []
    for higher in (False, True):
        pairs = [(lr, mu) for lr in LRS for mu in MU if (mu == fastest[lr]) == higher]
        level = 0.3 + cost * higher
        tables.append(
            rows(
                lambda step, _, level=level: np.full(len(step), level),
                pairs=pairs,
                noise=0.01,
                own=0.05,
                random=int(higher),
            )
        )
    found = read(pa.concat_tables(tables))
    for reading in (found.trained, found.equal_steps):
        assert reading.difference.contains(cost)
        assert not reading.difference.contains(0.0)
        # Seeds are resampled jointly: the shift of a seed, five times the noise, drops out.
        assert reading.difference.high - reading.difference.low < 0.05
    b = cell(found, LRS[0], fastest[LRS[0]])
    assert found.trained.low[b] <= found.trained.median[b] <= found.trained.high[b]


def test_unequal_seeds_absent_cells_and_pilots():
    """As of a sweep that chooses its own points: more seeds near the best, holes far from it."""

    def seeds(lr, mu):
        away = abs(np.log(mu / (BEST_C * lr ** (2 / 3))))
        return range(9 if away < 0.7 else 3 if away < 2.5 else 0)

    runs = rows(seeds=seeds)
    pilot = rows(lambda step, time: fall(step, time) + 9, method="pilot", seeds=lambda *_: [0])
    found = read(pa.concat_tables([pilot, runs]))
    assert found.trained.difference.estimate == pytest.approx(0, abs=1e-6)
    present = ~np.isnan(time_grid(runs).log_time).all(axis=-1)
    assert not present.all()
    assert (np.isfinite(found.equal_steps.median) == present).all()
    assert found.equal_steps.difference.high < 0


def test_a_cell_of_which_few_arrived_has_no_reading():
    """The one run that arrives early has a low error, and is no sample of its cell."""
    runs = rows().to_pydict()
    e, m = LRS[0], MU[4]
    mine = [i for i, lr in enumerate(runs["lr"]) if lr == e and runs["momentum"][i] == 1 - m]
    for i in mine[2:]:
        runs["status"][i], runs["convergence_step"][i] = "not_converged", None
    found = read(pa.table(runs))
    assert np.isnan(found.trained.median[cell(found, e, m)])
    for i in mine[2:3]:
        runs["status"][i], runs["convergence_step"][i] = "converged", 9000.0
    found = read(pa.table(runs))
    assert np.isfinite(found.trained.median[cell(found, e, m)])


def test_nothing_where_no_test_metric_was_recorded():
    assert read(rows(metric="cooled:trace")) is None
    assert read(rows().drop_columns(["record_step"])) is None
    empty = rows(lambda step, _: np.full(len(step), np.nan))
    assert read(empty) is None


def test_the_first_metric_that_was_recorded_is_used():
    runs = rows()
    values = runs["metric:cooled:test_error"]
    runs = runs.append_column("metric:test_error", values)
    assert read(runs).metric == "cooled:test_error"
    nothing = pa.nulls(len(runs), values.type)
    at = runs.column_names.index("metric:cooled:test_error")
    runs = runs.set_column(at, "metric:cooled:test_error", nothing)
    assert read(runs).metric == "test_error"
    assert recorded_first(runs, ("test_loss",), np.arange(len(runs))) is None


def test_records_are_read_on_straight_lines_and_not_beyond():
    runs = pa.table(
        {
            "record_step": [[0, 10, 20, 30]] * 3 + [[0, 20, 10], None, [0, 10]],
            "metric:x": [[1.0, 2.0, np.nan, 4.0]] * 3 + [[1.0, 2.0, 3.0], [1.0], [5.0, np.inf]],
        }
    )
    steps = np.array([5.0, 20.0, 31.0, 5.0, 5.0, 10.0])
    assert read_at(runs, "x", np.arange(6), steps[None], np.zeros(6), 0.0)[0] == pytest.approx(
        [1.5, 3.0, *[np.nan] * 4], nan_ok=True
    )


def test_a_metric_is_smoothed_as_the_goal_is():
    """A ringing error that is the goal too: smoothed, it is at the threshold at every ``T_c``."""
    step = np.arange(0, 1000, 10)
    values = np.exp(-step / 300) * (1 + 0.5 * np.cos(step / 30))
    momenta = np.array([0.5, 0.99, 0.995])
    runs = pa.table({"record_step": [step] * 3, "metric:x": [values] * 3})
    judged = convergence(
        step,
        np.tile(values, (3, 1)),
        momenta,
        Goal("x", 0.2),
        recorded=np.full(3, 100),
        diverged=np.zeros(3, bool),
    )
    assert judged.threshold == pytest.approx(0.3)
    read = [
        read_at(runs, "x", np.arange(3), judged.step[None], momenta, smoothing)[0]
        for smoothing in (1.0, 0.0)
    ]
    # Times are interpolated in the logarithm, readings are not.
    assert read[0] == pytest.approx(0.3, rel=0.01)
    assert abs(read[1] / 0.3 - 1).max() > 0.1


def test_a_share_is_known_by_its_values():
    assert read(rows()).share
    assert not read(rows(lambda step, time: 9 * fall(step, time))).share
    assert not read(rows(metric="test_loss")).share


def test_methods_are_read_at_their_best_learning_rates():
    grid = rows()
    methods = (law(BEST_C), constant_momentum(0.9), plain_sgd())
    tables = [grid]
    for method, cost in zip(methods[:2], (0.0, 0.04), strict=True):
        pairs = [(lr, 1 - method.setting(lr).momentum) for lr in LRS]
        tables.append(
            rows(
                lambda step, time, cost=cost: fall(step, time) + cost,
                method=method.name,
                pairs=pairs,
                own=0.05,
            )
        )
    runs = pa.concat_tables(tables)
    found = read(runs, comparison=compare(runs, methods, n_boot=200))
    assert [one.method for one in found.methods] == ["law", "momentum 0.9"]
    own, other = found.methods
    assert (own.lr, other.lr) == (0.016, 0.016)
    assert own.trained.estimate == pytest.approx(0.2, abs=0.1)
    assert np.isnan(own.trained_over_reference.estimate)
    # The seeds' shifts, which both methods share, drop out of the difference.
    assert other.trained_over_reference.estimate == pytest.approx(0.04, abs=1e-5)
    assert other.trained_over_reference.high - other.trained_over_reference.low < 1e-3
    assert own.trained.low != own.trained.high
    # After the law's steps momentum 0.9 is behind by what it is slower, and by its own cost.
    slower = time_at(0.016, BEST_C * 0.016 ** (2 / 3)) / time_at(0.016, 0.1)
    behind = 0.4 * (1 - slower) + 0.04
    assert other.equal_steps_over_reference.estimate == pytest.approx(behind, abs=0.4 * 0.04)


def test_refuses_what_makes_no_sense():
    runs = rows()
    with pytest.raises(ValueError, match=r"level must be in \(0, 1\), got 1.5"):
        read(runs, level=1.5)
    grid = time_grid(runs)
    optima = locate(median_times(grid, n_boot=20, seed=0))
    with pytest.raises(ValueError, match="smoothing must be finite and at least 0, got -1"):
        read(runs, smoothing=-1)
    with pytest.raises(ValueError, match="must be those of the grid"):
        generalization(runs.slice(6 * len(MU)), grid, optima)
