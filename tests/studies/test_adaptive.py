"""The study of adaptive sweeps: what is read off known numbers, and rivals at equal steps."""

import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from studies.adaptive import analysis, rivals, tables
from studies.adaptive.cases import DESIGNS
from studies.adaptive.run import COVERAGE, RIVALS, STUDY
from studies.adaptive.sweeps import dense_sweep
from studies.adaptive.synthetic import dense, plan_of, steps_of, synthetic
from studies.runner import Order, collect, compute
from studies.study import write_json

QUIET = DESIGNS[0]


def row(error, width, cost=0.2, shape="kink", design="d"):
    count = len(error)
    return {
        "design": design,
        "shape": shape,
        "sets": count,
        "error": error,
        "width": width,
        "cost": [cost] * count,
        "dense_width": [0.1] * count,
        "longer": [0] * count,
        "ended": ["width"] * count,
    }


def value(estimate, half):
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half}


def test_a_run_is_the_same_whoever_asks():
    runs = synthetic("kink", QUIET, 3)
    few, many = dense(runs, 2), dense(runs, 4)
    assert few["convergence_step"].to_pylist()[:2] == many["convergence_step"].to_pylist()[:2]
    assert len(dense(runs, 1, per_decade=4)) < 0.5 * len(dense(runs, 1))


def test_the_best_momentum_of_synthetic_runs_is_the_one_put_in():
    silent = synthetic("two-branch", DESIGNS[1], 0)
    rates = np.sort(plan_of(silent, 0.1).rates)
    slope = np.polyfit(np.log(rates), silent.log_best(rates), 1)[0]
    assert slope == pytest.approx(DESIGNS[1].gamma)
    found = rivals.fitted(dense(synthetic("two-branch", QUIET, 0), 4))
    known = synthetic("two-branch", QUIET, 0).log_best(rates)
    assert np.abs(found - known).max() < 0.1


def test_coverage_of_known_intervals():
    found = analysis.summary(row([0.01, -0.01, 0.2, None], [0.1, 0.1, 0.1, None]))
    assert found["coverage"]["estimate"] == pytest.approx(2 / 3)
    assert found["coverage"]["low"] == pytest.approx(0.094, abs=1e-3)  # Clopper and Pearson's
    assert found["coverage"]["high"] == pytest.approx(0.992, abs=1e-3)
    assert found["failed"] == 1
    assert found["bias"] == pytest.approx(0.2 / 3)


def test_shapes_are_pooled_and_judged():
    quiet, loud = row([0.01] * 9, [0.1] * 9), row([-0.01, 0.3], [0.1] * 2, cost=0.3)
    (pooled,) = analysis.by_shape([quiet, loud, row([0.9], [0.1], shape="cliff")])
    assert pooled["sets"] == 11
    assert pooled["coverage"]["estimate"] == pytest.approx(10 / 11)
    assert pooled["success"] == {"coverage": True, "bias": False, "cost": False}


@pytest.mark.parametrize(
    ("away", "overlapping", "near"),
    [(0.02, True, True), (0.045, True, False), (0.07, False, False)],
)
def test_agreement_of_intervals(away, overlapping, near):
    one, other = value(0.7, 0.03), value(0.7 + away, 0.03)
    assert analysis.overlap(one, other) is overlapping
    assert analysis.close(one, other) is near


def test_the_error_of_a_root_mean_square():
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((2000, 40)) ** 2
    found = [analysis.root_mean_square(list(own)) for own in draws]
    assert np.mean([own["estimate"] for own in found]) == pytest.approx(1, abs=0.02)
    spread = np.std([own["estimate"] for own in found])
    assert np.mean([own["error"] for own in found]) == pytest.approx(spread, rel=0.1)
    assert analysis.root_mean_square([None])["known"] == 0


def test_a_cut_grid_takes_no_more_steps_than_ours():
    own = rivals.ours(DESIGNS[1], "flat bottom", 0)
    for lengths in (None, own.lengths):
        rows = rivals.cut_grid(own, lengths)
        assert steps_of(rows) <= own.steps
        assert max(rows["seed"].to_pylist()) >= rivals.LEAST_SEEDS - 1


class Lowest:
    """Stands for the library: asks for the cells in turn, and keeps the least that it was told."""

    def __init__(self):
        self.asked, self.told = 0, []

    def ask(self):
        self.asked += 1
        return SimpleNamespace(suggest_int=lambda name, low, high: self._cell(low, high))

    def _cell(self, low, high):
        self.cell = low + self.asked % (high - low + 1)
        return self.cell

    def tell(self, trial, told):
        self.told.append((told, self.cell))

    @property
    def best_params(self):
        return {"cell": min(self.told)[1]}


def test_a_library_is_asked_run_by_run_up_to_our_steps(monkeypatch):
    studies = []
    fake = SimpleNamespace(
        logging=SimpleNamespace(set_verbosity=lambda level: None, WARNING=30),
        create_study=lambda sampler: studies.append(Lowest()) or studies[-1],
    )
    monkeypatch.setitem(sys.modules, "optuna", fake)
    own = rivals.ours(QUIET, "two-branch", 0)
    rows, best = rivals.library(own, lambda library, seed: None)
    spent = steps_of(rows)
    assert own.steps <= spent <= own.steps + sum(own.lengths.values())
    seen = Counter(zip(rows["lr"].to_pylist(), rows["momentum"].to_pylist(), strict=True))
    assert max(rows["seed"].to_pylist()) == max(seen.values()) - 1  # a cell's seeds are its own
    assert all(told <= np.log(max(own.lengths.values())) for s in studies for told, _ in s.told)
    assert np.abs(best - own.runs.log_best(np.sort(own.plan.rates))).max() < 0.5


def test_what_a_sampler_needs_is_told(monkeypatch):
    monkeypatch.setattr(rivals, "LIBRARY", "no_such_library")
    assert rivals.lacks("TPE") == "no_such_library"


def test_committed_sweeps_are_read():
    found = dense_sweep("digits-mlp")
    assert found["runs"] == sum(pair[2] for pair in found["pairs"])
    assert found["steps"] == sum(pair[3] for pair in found["pairs"])


def test_from_parts_to_a_result(tmp_path):
    order = Order("adaptive", tmp_path / "runs", tmp_path / "out", quick=True, only=["*kink"])
    assert len(compute(STUDY, order).computed) == 4
    result = collect(STUDY, order)
    assert [entry["shape"] for entry in result["coverage"]] == ["kink"] * 4
    assert tables.coverage(result).count("| kink |") == 5  # the designs, and all but few
    pooled = analysis.by_shape(result["coverage"])
    assert [row["sets"] for row in pooled] == [sum(row["sets"] for row in result["coverage"][:3])]
    write_json(tmp_path / "committed/adaptive.json", result)
    elsewhere = Order("adaptive", tmp_path / "empty", tmp_path / "committed", quick=True)
    assert collect(STUDY, elsewhere) == result


def test_parts_have_names_of_their_own(tmp_path):
    names = [part.name for part in STUDY.parts(tmp_path, False)]
    assert len(set(names)) == len(names) == len(COVERAGE) + len(RIVALS) + 3
