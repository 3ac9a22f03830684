"""``flatfast predict``, and the forecast that ``reproduce`` draws."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flatfast.lab.forecast.record import read_forecast


def test_a_prediction(flatfast, tmp_path):
    answer = flatfast(
        "predict", "scalar-product", "--no-limit", "--lr", 0.01, "--lr", 0.2, "--out", "f.json"
    )
    assert answer.code == 0, answer.err
    found = json.loads((tmp_path / "f.json").read_text())
    assert f"C {found['flow_prefactor']:.3g} for scalar-product, from the flow" in answer.out
    assert "1 mode only" in answer.out
    momentum = 1 - found["flow_prefactor"] * 0.01 ** (2 / 3)
    assert f"{momentum:.6g}" in answer.out
    assert "near instability" not in answer.out
    assert "underdamped" in answer.out


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (None, "of their flow, whose best C"),
        (1, "of their mean path, whose best C"),
        (64, "medians"),
    ],
)
def test_few_of_many_modes_may_count(flatfast, monkeypatch, paths, told):
    stored = read_forecast(Path(__file__).parents[2] / "results/teacher-student/forecast.json")
    found = replace(stored, effective_modes=6.65, paths=paths)
    monkeypatch.setattr("flatfast.lab.forecast.forecast.forecast", lambda *_, **__: found)
    printed = " ".join(flatfast("predict", "scalar-product").out.split())
    assert "100 modes, with the weight of 6.7 equal ones only: convergence times scatter" in printed
    assert told in printed
    monkeypatch.setattr(
        "flatfast.lab.forecast.forecast.forecast",
        lambda *_, **__: replace(found, effective_modes=60.0),
    )
    assert "scatter" not in flatfast("predict", "scalar-product").out


def test_of_a_loose_goal_the_flow_names_no_prefactor(flatfast, monkeypatch):
    stored = read_forecast(Path(__file__).parents[2] / "results/teacher-student/forecast.json")
    alone = replace(stored, best_prefactor=None, best_time=None, fraction=0.5)
    monkeypatch.setattr("flatfast.lab.forecast.forecast.forecast", lambda *_, **__: alone)
    printed = " ".join(flatfast("predict", "scalar-product").out.split())
    assert printed.startswith("no C known for teacher-student: the goal leaves 50% of the excess")
    assert "momentum" not in printed
    tight = replace(alone, fraction=0.1)
    monkeypatch.setattr("flatfast.lab.forecast.forecast.forecast", lambda *_, **__: tight)
    assert f"C {tight.flow_prefactor:.3g} for" in flatfast("predict", "scalar-product").out


def test_regimes(flatfast):
    answer = flatfast("predict", "scalar-product", "--no-limit", "--lr", 0.4, "--lr", 0.7)
    assert "near instability" in answer.out
    assert "unstable" in answer.out


def test_minibatches_are_warned_of(flatfast):
    answer = flatfast("predict", "matrix-sensing", "--set", "batch_size=60", "--no-limit")
    assert answer.code == 0, answer.err
    assert "minibatches make the curvature random too" in answer.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scalar-prod"], "did you mean scalar-product?"),
        (["scalar-product", "--lr", "-1"], "lr must be positive and finite, got -1"),
        (["scalar-product", "--set", "noise_std=0"], "noise_std must be positive"),
        (["scalar-product", "--out", "gone/f.json"], "--out must lie in a folder that is there"),
        (["scalar-product", "--out", "."], "--out must be a file, and . is a folder"),
        (
            ["scalar-product", "--threshold", "9", "--absolute"],
            "threshold must be below the metric's start, 7.524, got 9",
        ),
    ],
)
def test_what_is_refused(flatfast, words, message):
    answer = flatfast("predict", *words, "--no-limit")
    assert answer.code == 2
    assert message in answer.err
