"""Reading trajectories back from stored runs."""

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.report import Study
from flatfast.lab.report.study import best_momenta
from flatfast.lab.report.trajectories import pick_examples, recorded_metrics, trajectories


def table() -> pa.Table:
    return pa.table(
        {
            "lr": [0.1, 0.1, 0.1, 0.1],
            "momentum": [0.9, 1 - 0.1, 0.9, 0.5],
            "seed": [1, 0, 0, 0],
            "method": ["grid", "grid", "law", "grid"],
            "convergence_step": pa.array([None, 7.5, 3.0, 1.0]),
            "threshold": [0.5, 0.5, 0.5, 0.5],
            "record_step": [[0, 5], [0, 5, 10], [0], [0]],
            "metric:error": [[1.0, 0.9], [1.0, 0.6, 0.2], [1.0], [1.0]],
        }
    )


def test_reads_runs_of_the_sweep_by_seed() -> None:
    first, second = trajectories(table(), 0.1, 0.1)
    assert (first.seed, second.seed) == (0, 1)
    assert first.steps.tolist() == [0, 5, 10]
    assert first.values["error"] == pytest.approx([1.0, 0.6, 0.2])
    assert first.time == 7.5
    assert np.isnan(second.time)
    assert recorded_metrics(table()) == ("error",)
    assert recorded_metrics(table().drop_columns(["record_step"])) == ()


def test_examples_surround_the_best(full: Study) -> None:
    found = pick_examples(full)
    low, best, high = found.examples
    assert [e.label for e in found.examples] == ["too low", "best", "too high"]
    assert low.mu > best.mu > high.mu
    e = int(np.flatnonzero(full.grid.lr == found.lr)[0])
    fitted = best_momenta(full).mu[e].estimate
    nearest = full.grid.mu[np.argmin(np.abs(np.log(full.grid.mu / fitted)))]
    assert best.mu == nearest
    assert all(len(example.runs) == 6 for example in found.examples)
