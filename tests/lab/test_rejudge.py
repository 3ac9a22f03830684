"""Stored runs held to another goal."""

from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from flatfast.lab.engines.simulator import Simulator
from flatfast.lab.judge import judge
from flatfast.lab.problems.scalar_product import scalar_product
from flatfast.lab.rejudge import rejudge
from flatfast.lab.runs import runs_of, together

PROBLEM = scalar_product()
SETTINGS = {"problem": {"goal": asdict(PROBLEM.goal)}}
RUNS = together(
    [
        runs_of([(1e-3, 0.98), (1e-3, 0.995), (2.0, 0.9)], 4, 6000),
        runs_of([(3e-3, 0.97)], 4, 3000),
    ]
)


def run(problem, runs):
    engine = Simulator(problem, records=150)
    chunks = [runs[runs.steps == steps] for steps in np.unique(runs.steps)]
    return pa.concat_tables([judge(engine.run(c), c, problem.goal) for c in chunks])


@pytest.fixture(scope="module")
def stored():
    return run(PROBLEM, RUNS)


def times(table):
    return np.array(table["convergence_step"].to_pylist(), dtype=float)


@pytest.mark.parametrize("factor", [1.0, 1.1, 1.5])
@pytest.mark.parametrize("smoothing", [1.0, 0.5])
def test_it_is_as_if_the_runs_had_been_made_for_that_goal(stored, factor, smoothing):
    goal = replace(PROBLEM.goal, threshold=factor * PROBLEM.goal.threshold, smoothing=smoothing)
    judged = rejudge(stored, SETTINGS, goal)
    made = run(replace(PROBLEM, goal=goal), RUNS)
    for name in ("lr", "momentum", "seed", "status"):
        assert judged[name].to_pylist() == made[name].to_pylist()
    assert np.isfinite(times(made)).sum() >= 4
    assert "diverged" in made["status"].to_pylist()
    # Stored metrics are in single precision.
    np.testing.assert_allclose(times(judged), times(made), rtol=1e-4)
    np.testing.assert_allclose(judged["threshold"], made["threshold"])


def test_many_runs_are_judged_part_by_part(stored, monkeypatch):
    goal = replace(PROBLEM.goal, threshold=1.2 * PROBLEM.goal.threshold)
    whole = rejudge(stored, SETTINGS, goal)
    monkeypatch.setattr("flatfast.lab.rejudge.AT_ONCE", 3)
    assert rejudge(stored, SETTINGS, goal).equals(whole)


def test_compared_methods_are_left_out(stored):
    law = stored.set_column(0, "method", [["law"] * len(stored)])
    assert len(rejudge(law, SETTINGS, PROBLEM.goal)) == 0


def test_what_the_runs_cannot_answer_is_refused(stored):
    stricter = replace(PROBLEM.goal, threshold=PROBLEM.goal.threshold / 2)
    with pytest.raises(ValueError, match=f"at least {PROBLEM.goal.threshold:g}, where these runs"):
        rejudge(stored, SETTINGS, stricter)
    with pytest.raises(ValueError, match="cannot be judged by loss"):
        rejudge(stored, SETTINGS, replace(PROBLEM.goal, metric="loss"))
