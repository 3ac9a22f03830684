"""Adam: the loop is Optax's, edges and times are read right, a quick look ends in tables."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flatfast.lab.problems import load
from flatfast.theory import plateau_edge
from studies.adam import tables
from studies.adam.analysis import from_scratch, judged_squares, judged_sweep, read, told_edge
from studies.adam.cases import MULTIPLES, SCALAR
from studies.adam.measure import settled, told_time
from studies.adam.run import STUDY
from studies.adam.simulation import Settings, marks, simulate
from studies.runner import Order, collect, compute


def test_steps_are_those_of_optax():
    problem = load("matrix-sensing", {"dimension": 4, "examples": 5})
    settings = Settings(np.array([1e-2, 3e-3]), np.array([0.9, 0.5]), np.array([0.99, 0.9]))
    seeds, at = np.array([0, 7]), np.array([0, 20, 40])
    found = simulate(problem, settings, seeds, at, ["loss"])
    for run, (lr, beta1, beta2, seed) in enumerate(zip(*settings[:3], seeds, strict=True)):
        rule = optax.adam(lr, float(beta1), float(beta2), eps=1e-12)
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
        state, step = rule.init(params), jax.jit(problem.gradient)
        for k in range(40):
            slope = step(params, jax.random.fold_in(jax.random.key(seed), k))
            moves, state = rule.update(slope, state)
            params = optax.apply_updates(params, moves)
        assert found.values["loss"][run, -1] == pytest.approx(float(problem.loss(params)), rel=2e-3)


def test_readings_begin_at_the_start_and_end_at_the_end():
    at = marks(1000, 10)
    assert (at[0], at[-1]) == (0, 1000)
    assert (np.diff(at) > 0).all()


def test_a_goal_counts_where_it_is_kept():
    at = np.array([0, 10, 100, 1000, 10_000])
    values = np.array([[1, 0.2, 0.5, 0.05, 0.01], [1, 0.2, 0.05, 0.01, 0.5]])
    found = settled(at, values, 0.1)
    expected = 100 * 10 ** (np.log(5) / np.log(10))
    assert found[0] == pytest.approx(expected)
    assert found[1] == np.inf


def test_the_edge_is_where_the_curve_passes_half_as_much_again():
    mu = np.geomspace(1e-4, 1, 41)
    times = (100 * (1 + 1e-3 / mu))[:, None] * np.ones(3)  # 150 at 2e-3
    middle, edge = read(mu, times, mu > 0.1)
    assert middle == pytest.approx(100, rel=0.01)
    assert edge == pytest.approx(2e-3, rel=0.05)
    assert np.isnan(read(mu, np.full((41, 3), 100.0), mu > 0.1)[1])


def test_exponents_of_made_up_curves():
    def rows(lr):
        mu = np.array([m * SCALAR.edge * lr**2 for m in MULTIPLES])
        noise = np.random.default_rng(round(1 / lr)).lognormal(0, 0.05, (len(mu), 24))
        times = 2 / lr**2 * (1 + 0.5 * (0.9 * lr**2 / mu) ** 3)[:, None] * noise
        return [
            {"mu": m, "multiple": m / SCALAR.edge / lr**2, "times": t.tolist()}
            for m, t in zip(mu, times, strict=True)
        ]

    kept = {f"swept.scalar-product.{lr:g}": rows(lr) for lr in (0.004, 0.008, 0.016, 0.032)}
    found = judged_sweep(SCALAR, kept)
    for name, truth in (("edge_exponent", 2), ("time_exponent", -2)):
        told = found[name]
        assert told["low"] <= truth <= told["high"]
        assert told["high"] - told["low"] < 0.2
    place = found["places"][0]
    assert place["edge"]["estimate"] == pytest.approx(0.9 * 0.004**2, rel=0.1)


def test_times_told_are_those_of_the_closed_form():
    """``u - v`` falls as ``exp(-lr^2 k / 2)`` where v neither follows nor lags."""
    lr = 1e-5
    told = told_time(SCALAR, lr, 0.9, 1 - 1e-8)
    assert told == pytest.approx(2 * np.log(1 / SCALAR.share) / lr**2, rel=0.01)
    edge = told_edge(SCALAR, told)
    assert edge == pytest.approx(
        plateau_edge(0.5, lr, slower=1.5, fraction=SCALAR.share**2), rel=0.01
    )


def test_times_over_beta2_are_judged_by_the_speeds_told():
    rows = [
        {"beta2": 0.99, "times": [100.0, 110.0, 90.0], "told": 1e-3},
        {"beta2": 0.9, "times": [200.0, 220.0, 180.0], "told": 0.55e-3},
        {"beta2": 0.5, "times": [200.0, 220.0, 180.0], "told": 1e-3},
        {"beta2": 0.8, "times": [None, None, 180.0], "told": 1e-3},
    ]
    unit, near, far, never = judged_squares(rows)
    assert (unit["ratio"]["estimate"], unit["holds"]) == (1, None)
    assert near["ratio"]["estimate"] == pytest.approx(2)
    assert near["told"] == pytest.approx(1 / 0.55)
    assert (near["holds"], far["holds"], never["holds"]) == (True, False, False)
    assert (never["median"], never["ratio"]["estimate"]) == (None, None)


def test_losses_are_compared_each_at_its_best():
    losses = {
        "scratch.x.0.9": [[1.0, 1.1], [2.0, 2.0]],
        "scratch.x.0.99": [[3.0, 3.0], [1.1, 1.21]],
    }
    found = from_scratch("x", {name: {"losses": rows} for name, rows in losses.items()})
    ratio = next(row["ratio"] for row in found if row["beta1"] == 0.99)
    assert ratio["estimate"] == pytest.approx(1.1)
    assert ratio["low"] == pytest.approx(1.1)


def test_a_quick_look_ends_in_tables(tmp_path):
    order = Order("adam", tmp_path / "runs", tmp_path / "out", quick=True)
    outcome = compute(STUDY, order)
    assert not outcome.failed
    assert len(outcome.computed) == 3
    found = collect(STUDY, order)
    assert (tmp_path / "out" / "adam.svg").exists()
    for table in (tables.rates, tables.plateau, tables.exponents):
        assert table(found).count("\n") > 2
    for table in (tables.beta2, tables.squares, tables.minima, tables.scratch):
        assert table(found) == "not measured yet"
    assert tables.verdict(found).count("\n") == 7
    assert replace(SCALAR, corrected=True).key != SCALAR.key
