"""The committed experiments: each its command, its page, and its line in the index."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from flatfast.lab.recipes import DEPARTURES, RECIPES
from studies import catalogue, runner
from studies.experiments import cases, run
from studies.experiments.cases import EXPERIMENTS, Experiment
from studies.experiments.cycles import told
from studies.machines import measured
from studies.runner import Order
from studies.study import RESULTS

SUMMARY = {"problem": {"goal": {"metric": "trace"}}, "exponent": None, "best_C": None}


@pytest.fixture
def said(monkeypatch, tmp_path):
    """What the command line was told; it makes a page with figures wherever it is sent."""
    heard = []

    def flatfast(words):
        heard.append([word for word in words if "/" not in word])
        out = Path(words[words.index("--out") + 1])
        (out / "figures").mkdir(parents=True, exist_ok=True)
        (out / "summary.json").write_text(json.dumps(SUMMARY))

    monkeypatch.setattr(run, "flatfast", flatfast)
    monkeypatch.setattr(run, "needs", lambda images: "images")
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    return heard


def test_runs_then_other_goals_and_pages_where_they_belong(said, tmp_path, monkeypatch):
    held = cases._held_to("matrix-sensing", "smoothing", "0")
    own = Experiment("matrix-sensing", ("reproduce", "matrix-sensing", "--full"))
    monkeypatch.setattr(run, "EXPERIMENTS", (held, own))
    order = Order("experiments", tmp_path / "runs", tmp_path / "out")
    assert runner.compute(run.STUDY, order).computed == ["matrix-sensing", held.name]
    assert said == [
        ["reproduce", "matrix-sensing", "--full", "--out"],
        ["report", "--out"],
        ["report", "--out", "--smoothing", "0"],
        ["report", "--out", "--smoothing", "0"],
    ]
    assert (tmp_path / "results/matrix-sensing/figures").is_dir()
    departure = tmp_path / "results/departures/matrix-sensing-smoothing-0"
    assert [path.name for path in departure.iterdir()] == ["summary.json"]

    before = {"experiments": {"scalar-product": {"exponent": 1}}}
    index = run.collect(order.folder, before)["experiments"]
    assert set(index) == {"matrix-sensing", held.name, "scalar-product"}
    assert index["scalar-product"] == {"exponent": 1}
    assert runner.compute(run.STUDY, order).computed == []


def test_a_command_that_fails(tmp_path, capfd):
    with pytest.raises(RuntimeError, match="flatfast reproduce nothing ended with 2"):
        run.flatfast(["reproduce", "nothing"])
    assert "no experiment 'nothing'" in capfd.readouterr().err


def test_every_committed_page_is_an_experiment_of_the_study():
    pages = {
        str(path.parent.relative_to(RESULTS))
        for pattern in ("*/summary.json", "departures/*/summary.json")
        for path in RESULTS.glob(pattern)
    }
    assert pages == {experiment.folder for experiment in EXPERIMENTS}
    index = catalogue.load("experiments").load(RESULTS / "experiments/experiments.json")
    assert set(index["experiments"]) == {experiment.name for experiment in EXPERIMENTS}
    # What is committed is not made again, and it is known where it was made.
    assert set(measured(index)) == set(index["experiments"])
    for experiment in EXPERIMENTS:
        summary = json.loads((RESULTS / experiment.folder / "summary.json").read_text())
        assert index["experiments"][experiment.name]["exponent"] == summary["exponent"]


def test_recipes_are_known():
    assert {name for e in EXPERIMENTS for name in e.command[1:2]} <= set(RECIPES)
    committed = {n for n in DEPARTURES if RECIPES[n]["full"].problem in cases.RECIPES}
    assert {*cases.DEPARTURES, *cases.WAITING} == committed


def test_what_cycles_say_is_by_peak_and_seed():
    rows = pa.table(
        {
            "lr": [0.1] * 4 + [0.2] * 2,
            "seed": [0, 0, 1, 1, 0, 1],
            "steps": [10, 20, 10, 20, 30, 30],
            "status": [
                *["converged"] * 2,
                "not_converged",
                "converged",
                "diverged",
                "not_converged",
            ],
        }
    )
    first, second = told(rows)
    assert first == {"lr": 0.1, "cycles": 4, "longest": 20, "shortest": [10, 20]}
    assert second == {"lr": 0.2, "cycles": 2, "longest": 30, "shortest": [None, None]}
