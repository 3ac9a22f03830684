"""Chunks of runs on this machine: widths, memory, rows."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatfast.lab.engines.simulator import Simulator, budget
from flatfast.lab.goal import Goal
from flatfast.lab.judge import judge
from flatfast.lab.problem import Problem
from flatfast.lab.problems.scalar_product import scalar_product
from flatfast.lab.runs import runs_of
from flatfast.lab.simulation.simulate import footprint


def quadratic(start=1.0, noise=0.0):
    def gradient(params, key):
        return {"x": params["x"] + noise * jax.random.normal(key, params["x"].shape)}

    def loss(params):
        return params["x"] ** 2 / 2

    return Problem(
        name="quadratic",
        start=lambda: {"x": jnp.asarray(start)},
        gradient=gradient,
        loss=loss,
        metrics={"square": lambda params: params["x"] ** 2},
        goal=Goal("square", 0.01, smoothing=0.0),
    )


def rows(engine, runs):
    return judge(engine.run(runs), runs, engine.goal)


def columns(table, *names):
    return [table[name].to_pylist() for name in names]


def test_rows_say_what_became_of_each_run():
    # Contraction 0.5 a step, 0.999 a step, and a growth of 2 a step.
    pairs = [(0.5, 0.0), (0.001, 0.0), (3.0, 0.0)]
    table = rows(Simulator(quadratic(), records=200), runs_of(pairs, 1, 200))
    status, step, ran, diverged = columns(
        table, "status", "convergence_step", "steps_run", "diverged_step"
    )
    assert status == ["converged", "not_converged", "diverged"]
    # 0.25^t = 0.01
    assert step[0] == pytest.approx(np.log(0.01) / np.log(0.25), abs=1e-3)
    assert step[1:] == [None, None]
    assert ran[0] <= ran[1] == 200
    assert diverged[:2] == [None, None]
    assert diverged[2] == ran[2] <= 200
    assert table["metric_start"].to_pylist() == [1.0, 1.0, 1.0]
    assert table["metric_end"].to_pylist()[1] == pytest.approx(0.999**400, rel=1e-4)


def test_nothing_in_a_table_is_nan_or_infinite():
    engine = Simulator(quadratic(), records=400, dtype="float64")
    table = rows(engine, runs_of([(3.0, 0.0), (0.5, 0.0)], 1, 400))
    for row in table["metric:square"].to_pylist():
        assert np.isfinite(row).all()
    # x doubles: 4^t passes float32's largest number at step 64 and float64's at 512.
    first = np.asarray(table["metric:square"].to_pylist()[0])
    assert first[64] == first[65] == np.finfo(np.float32).max
    for name in ("convergence_step", "diverged_step", "metric_end"):
        known = [value for value in table[name].to_pylist() if value is not None]
        assert np.isfinite(known).all()


def test_a_row_does_not_depend_on_its_chunk():
    """Neither on how many runs there are, nor on which; what fills a tile leaves no row."""
    engine = Simulator(scalar_product(), records=20)
    runs = runs_of([(0.01, 0.9), (0.02, 0.8)], 75, 100)
    whole = rows(engine, runs)
    for begin, count in ((0, 5), (70, 10), (149, 1)):
        assert rows(engine, runs[begin : begin + count]).equals(whole.slice(begin, count))


def test_chunks_fit_the_memory_budget():
    small = Simulator(quadratic(), records=100, memory_budget=100_000)
    large = Simulator(quadratic(), records=100, memory_budget=100 * 2**20)
    assert small.width < large.width <= max(256, footprint(quadratic(), 100).width)
    with pytest.raises(ValueError, match=r"must hold \d+ runs at once .* bytes, got 10; .*DEVICES"):
        Simulator(quadratic(), memory_budget=10)


def test_an_accelerator_has_memory_of_its_own():
    def device(platform, **stats):
        return SimpleNamespace(platform=platform, memory_stats=lambda: stats or None)

    full, half = (device("gpu", bytes_limit=1000, bytes_in_use=used) for used in (0, 500))
    assert budget([full]) == 800
    assert budget([full, half]) == 800  # runs are spread evenly
    for others in ([device("cpu")], [full, device("gpu")]):
        assert budget(others) > 2**20  # of this machine's


def test_a_chunk_has_one_length():
    runs = runs_of([(0.1, 0.5), (0.2, 0.5)], 1, lambda lr: round(10 / lr))
    with pytest.raises(ValueError, match="one planned length"):
        Simulator(quadratic()).run(runs)
