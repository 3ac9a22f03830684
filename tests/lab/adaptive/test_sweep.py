"""An adaptive sweep into a store: stopped anywhere, it goes on to the same points."""

import numpy as np
import pytest

from flatfast.lab.adaptive.plan import Plan
from flatfast.lab.adaptive.sweep import sweep_adaptively
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.goal import Goal
from flatfast.lab.judge import judge
from flatfast.lab.store import Store
from flatfast.lab.sweep import InterruptedSweepError
from flatfast.lab.trajectories import Trajectories

SETTINGS = {"problem": {"name": "valley", "version": 1, "settings": {}}, "records": 32}
PLAN = Plan((0.01, 0.02, 0.04, 0.08), (0.02, 1.0), 100.0, width=0.2)
GOAL = Goal("error", 0.2, smoothing=0.0)


class Valley:
    """Runs whose metric falls exponentially, fastest at a momentum that follows the law."""

    workers = 1

    def __init__(self, width=7, stop_after=None):
        self.width, self.stop_after, self.chunks = width, stop_after, 0

    def run(self, chunks):
        for chunk in chunks:
            if self.chunks == self.stop_after:
                raise KeyboardInterrupt
            self.chunks += 1
            yield judge(self.paths(chunk), chunk, GOAL)

    def paths(self, chunk):
        scale = chunk.lr ** (2 / 3)
        x = (1 - chunk.momentum) / (0.15 * scale)
        noise = np.array(
            [
                np.random.default_rng([seed, round(1e6 * m)]).normal()
                for seed, m in zip(chunk.seed, chunk.momentum, strict=True)
            ]
        )
        time = 10 / scale * (2 / (3 * x) + x**2 / 3) * np.exp(0.05 * noise)
        marks = np.unique(np.linspace(0, chunk.steps[0], 33).round().astype(np.int64))
        error = np.exp(np.log(0.2) * marks / time[:, None])
        count = np.full(len(chunk), len(marks))
        return Trajectories(marks, {"error": error}, count, np.full(len(chunk), -1))


class Told:
    def __init__(self):
        self.rounds, self.ended = [], []

    def begin_round(self, why):
        self.rounds.append(why)

    def end_rounds(self, why):
        self.ended.append(why)


def test_it_tells_its_rounds_and_why_it_ended(tmp_path):
    told = Told()
    with Store(tmp_path / "s", SETTINGS) as store:
        rows = sweep_adaptively(PLAN, store, Valley(), rounds=told)
        assert len(store.done()) == len(rows)
    assert told.rounds[0] == "pilot at lr 0.08"
    assert told.ended[0].startswith("the interval of the exponent is 0.")
    assert GRID in rows["method"].to_pylist()


@pytest.mark.parametrize("stop_after", [0, 1, 4, 9])
def test_a_broken_sweep_goes_on_to_the_same_points(tmp_path, stop_after):
    with Store(tmp_path / "whole", SETTINGS) as store:
        whole = sweep_adaptively(PLAN, store, Valley())
    with Store(tmp_path / "broken", SETTINGS) as store, pytest.raises(InterruptedSweepError):
        sweep_adaptively(PLAN, store, Valley(stop_after=stop_after))
    with Store(tmp_path / "broken", SETTINGS) as store:
        engine = Valley(width=5)
        again = sweep_adaptively(PLAN, store, engine)
    order = [(name, "ascending") for name in ("method", "lr", "momentum", "seed", "steps")]
    assert again.sort_by(order).equals(whole.sort_by(order))


def test_a_sweep_that_is_done_runs_nothing(tmp_path):
    with Store(tmp_path / "s", SETTINGS) as store:
        sweep_adaptively(PLAN, store, Valley())
        idle = Valley()
        sweep_adaptively(PLAN, store, idle)
    assert idle.chunks == 0
