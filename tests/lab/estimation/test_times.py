"""Sorting runs into a grid."""

import itertools

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.estimation.times import columns_of, distinct, same, time_grid

LR, MOMENTUM = (0.01, 0.1), (0.0, 0.9, 0.99)


def rows(**change):
    """Runs at 2 learning rates, 3 momenta, 2 seeds; T_c says which run it is."""
    cells = list(itertools.product(LR, MOMENTUM, (3, 5)))
    columns = {
        "lr": [lr for lr, _, _ in cells],
        "momentum": [momentum for _, momentum, _ in cells],
        "seed": [seed for _, _, seed in cells],
        "status": ["converged"] * len(cells),
        "convergence_step": [1.0 + i for i in range(len(cells))],
        "steps": [1000 if lr == 0.01 else 500 for lr, _, _ in cells],
    }
    columns.update(change)
    return columns


def test_every_run_finds_its_cell():
    columns = rows()
    order = np.random.default_rng(0).permutation(12)
    shuffled = {name: np.asarray(column)[order] for name, column in columns.items()}
    grid = time_grid(shuffled)
    np.testing.assert_array_equal(grid.lr, LR)
    np.testing.assert_allclose(grid.mu, [0.01, 0.1, 1.0])
    np.testing.assert_array_equal(grid.seed, [3, 5])
    np.testing.assert_array_equal(grid.limit, [1000, 500])
    for i in range(12):
        e = LR.index(columns["lr"][i])
        m = [1.0, 0.1, 0.01].index(round(1 - columns["momentum"][i], 9))
        s = [3, 5].index(columns["seed"][i])
        assert np.exp(grid.log_time[e, 2 - m, s]) == pytest.approx(1.0 + i)
    assert not grid.diverged.any()


def test_a_table_with_nulls_and_comparison_runs():
    status = ["converged"] * 12
    status[4], status[7] = "not_converged", "diverged"
    steps = [None if s != "converged" else 10.0 for s in status]
    columns = rows(status=status, convergence_step=steps)
    columns["method"] = ["grid"] * 11 + ["law"]
    grid = time_grid(pa.table(columns))
    assert np.isposinf(grid.log_time[0, 0, 0])
    assert np.isposinf(grid.log_time[1, 2, 1])
    assert grid.diverged[1, 2, 1]
    assert grid.diverged.sum() == 1
    assert np.isnan(grid.log_time[1, 0, 1])
    assert np.isfinite(grid.log_time).sum() == 9


def test_floats_that_differ_in_the_last_bits_are_one():
    lr = [0.1, 0.1 * (1 + 3e-16), 0.3, 0.1 + 0.2]
    grid = time_grid(
        {
            "lr": lr,
            "momentum": [0.9, 1 - 0.1, 1 - (1 - 0.9), 0.9],
            "seed": [0, 1, 0, 1],
            "status": ["converged"] * 4,
            "convergence_step": [1.0, 2.0, 3.0, 4.0],
            "steps": [10] * 4,
        }
    )
    np.testing.assert_allclose(np.exp(grid.log_time[:, 0]), [[1, 2], [3, 4]])
    values, index = distinct([2.0, 1.0, 2.0 + 1e-12, 1.0 + 1e-6])
    np.testing.assert_allclose(values, [1.0, 1.0 + 1e-6, 2.0])
    np.testing.assert_array_equal(index, [2, 0, 2, 1])
    np.testing.assert_array_equal(same(np.array([1.0, 1 + 1e-12, 1.001]), 1.0), [1, 1, 0])


def test_rounding_has_no_edges():
    # Two numbers that agree to 15 digits but straddle a boundary of rounding to 9.
    value = 0.1234567885
    values, index = distinct([value * (1 - 1e-15), value * (1 + 1e-15)])
    assert len(values) == 1
    np.testing.assert_array_equal(index, [0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": ["converged"] * 11 + ["done"]}, "status must be one of .*got 'done'"),
        ({"convergence_step": [np.nan] + [1.0] * 11}, "must be positive and finite, got nan"),
        ({"convergence_step": [0.0] + [1.0] * 11}, "must be positive and finite, got 0"),
        ({"momentum": [1.0] * 12}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"lr": [-0.1] * 12}, "lr must be positive and finite, got -0.1"),
        ({"lr": [np.inf] * 12}, "lr must be positive and finite, got inf"),
        ({"seed": [3] * 12}, "each run must appear once, got lr 0.01, momentum 0.99, seed 3"),
        ({"steps": [1000] * 11 + [7]}, r"one planned length.*\[7, 1000\] at lr 0.1"),
        ({"steps": [1000] * 11}, r"column 'steps' must have shape \(12,\), got \(11,\)"),
        ({"method": ["law"] * 12}, 'must have rows with method "grid", got none'),
    ],
)
def test_bad_rows(change, message):
    with pytest.raises(ValueError, match=message):
        time_grid(rows(**change))


def test_missing_columns_and_no_rows():
    columns = rows()
    del columns["seed"]
    with pytest.raises(ValueError, match="must have a column 'seed', got lr, momentum"):
        time_grid(columns)
    with pytest.raises(ValueError, match="at least one row, got none"):
        time_grid({name: [] for name in rows()})
    assert set(columns_of(rows(method=["a"] * 12), ("lr",))) == {"lr", "method"}
