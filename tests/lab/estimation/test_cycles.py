"""The shortest cycle that arrives, from made-up runs."""

import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.cycles import with_shortest_cycles
from flatfast.lab.estimation.methods import ONE_CYCLE, PEAK_MOMENTUM
from flatfast.lab.estimation.selection import comparable


def rows_of(*runs):
    names = ("method", "lr", "seed", "steps", "status", "convergence_step")
    columns = {
        name: np.array(column) for name, column in zip(names, zip(*runs, strict=True), strict=True)
    }
    return {**columns, "momentum": np.full(len(runs), PEAK_MOMENTUM)}


def judged(*runs):
    found = with_shortest_cycles(rows_of(*runs))
    names = ("lr", "seed", "steps", "status", "convergence_step")
    return sorted(zip(*(found[name].tolist() for name in names), strict=True))


def cycle(lr, seed, steps, status, at=np.nan):
    return (ONE_CYCLE, lr, seed, steps, status, at)


def test_the_length_counts_and_not_the_crossing():
    found = judged(
        cycle(0.1, 0, 400, "converged", 150.0),
        cycle(0.1, 0, 100, "not_converged"),
        cycle(0.1, 0, 200, "converged", 120.0),
        # A longer cycle that fails, or that diverges, takes nothing from the shorter one.
        cycle(0.1, 0, 800, "diverged"),
        cycle(0.1, 1, 100, "converged", 90.0),
        cycle(0.2, 0, 100, "diverged"),
        cycle(0.2, 0, 200, "not_converged"),
        cycle(0.2, 1, 100, "diverged"),
        cycle(0.2, 1, 200, "diverged"),
    )
    assert found[0] == (0.1, 0, 800, "converged", 200.0)
    assert found[1] == (0.1, 1, 100, "converged", 100.0)
    assert found[2][:4] == (0.2, 0, 200, "not_converged")
    assert found[3][:4] == (0.2, 1, 200, "diverged")
    assert np.isnan([found[2][4], found[3][4]]).all()


def test_other_methods_keep_their_rows():
    other = ("law", 0.1, 0, 500, "converged", 33.0)
    assert judged(other) == [(0.1, 0, 500, "converged", 33.0)]
    both = judged(other, cycle(0.1, 0, 200, "converged", 120.0))
    assert both == [(0.1, 0, 200, "converged", 200.0), (0.1, 0, 500, "converged", 33.0)]


def test_all_lengths_of_a_cycle_are_analysed():
    runs = pa.table(
        rows_of(
            *(
                cycle(0.1, seed, steps, "converged", 9.0)
                for seed in (0, 1)
                for steps in (10, 20, 30)
            ),
            ("law", 0.1, 0, 500, "converged", 33.0),
            ("law", 0.1, 0, 900, "converged", 33.0),
        )
    )
    kept, notes = comparable(runs)
    assert kept["steps"].to_pylist() == [10, 20, 30, 10, 20, 30, 900]
    assert len(notes) == 1
