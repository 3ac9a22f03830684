"""Ordinary training in the regime map: on made-up images, from its runs to figure and quotes."""

import dataclasses
import math
import sys

import pytest

from flatfast.lab.goal import Goal
from studies.drawing import light_and_dark
from studies.regimes import analysis as regime_analysis
from studies.regimes import fashion as regime_fashion
from studies.regimes import run as regime_map
from studies.regimes import tables as quotes
from studies.regimes.batches import batches, has_batches
from studies.regimes.cases import CASES
from studies.regimes.fashion import FASHION_CASES
from studies.regimes.run import STUDY
from studies.runner import Order, collect, compute
from tests.made_up import image_folder


def test_batches_of_ordinary_training_lie_on_the_axis_of_the_noise():
    """``lr^(1/2) / B`` comes twice wherever a learning rate is 16 times another."""
    strengths = {
        (case.batch_size, lr): regime_analysis.strength(case) ** 2 * math.sqrt(lr)
        for case in FASHION_CASES
        for lr in case.lr
    }
    for (size, lr), value in strengths.items():
        if size and 4 * size <= 256 and lr < 0.0041:
            assert strengths[4 * size, lr * 16] == pytest.approx(value)
        assert (value == 0) == (size == 0)
    assert regime_analysis.strength(CASES[0]) == CASES[0].noise


def test_images_that_are_missing_are_told(monkeypatch, tmp_path):
    held = tmp_path / "held"
    (held / "fashion_mnist").mkdir(parents=True)
    (held / "fashion_mnist" / "train.parquet").touch()
    monkeypatch.delenv("FLATFAST_DATA", raising=False)
    needs = {part.name: part.needs for part in STUDY.parts(tmp_path, False)}
    for name, need in needs.items():
        assert ("FLATFAST_DATA" in need) == name.startswith("fashion")
    for wrong, told in ((str(tmp_path), "no Parquet files"), ("elsewhere", "got elsewhere")):
        monkeypatch.setenv("FLATFAST_DATA", wrong)
        monkeypatch.setitem(sys.modules, "datasets", None)
        for part in STUDY.parts(tmp_path, False):
            assert (told in part.needs) == part.name.startswith("fashion")
    monkeypatch.setenv("FLATFAST_DATA", str(held))
    assert not any(part.needs for part in STUDY.parts(tmp_path, False))


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Sixty images that are none, and the sweeps of a second or two on them."""
    monkeypatch.setenv("FLATFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FLATFAST_DATA", str(tmp_path))
    image_folder(tmp_path / "fashion_mnist", "image", (28, 28), 60, 30)
    monkeypatch.setattr(
        regime_fashion, "SETTINGS", {**regime_fashion.SETTINGS, "examples": 40, "test_examples": 20}
    )
    monkeypatch.setattr(regime_fashion, "TO_A_TENTH", Goal("loss", 0.5))
    tiny = {"lr": (0.1, 0.05, 0.025), "least": 20, "duration": (2.0,), "records": 20, "seeds": 2}
    made = tuple(
        dataclasses.replace(case, **tiny, per_decade=6)
        for case in FASHION_CASES
        if case.batch_size in (16, 0)
    )
    for name, few in (("CASES", ()), ("QUICK_CASES", ()), ("FASHION_CASES", made)):
        monkeypatch.setattr(regime_map, name, few)
    monkeypatch.setattr(regime_map, "STEPS", 100)
    return made


def test_ordinary_training_from_runs_to_quotes(images, tmp_path, monkeypatch):
    order = Order("regimes", tmp_path / "runs", tmp_path / "out", only=["fashion*"])
    whole = regime_map.swept
    monkeypatch.setattr(regime_map, "swept", _stopped)
    assert set(compute(STUDY, order).failed) == {case.name for case in images}
    monkeypatch.setattr(regime_map, "swept", whole)
    assert compute(STUDY, order).computed == [case.name for case in images]
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    assert (tmp_path / "out/regimes.svg").exists()
    assert [case["batch_size"] for case in result["cases"]] == [16, 0]
    assert all(len(case["bound"]) == 3 for case in result["cases"])
    told = quotes.fashion(result)
    assert told.index("| all images | 2 |") < told.index("| 16 | 2 |")
    assert quotes.fashion({"cases": []}) == "not measured yet"


def _stopped(*_, **__):
    raise RuntimeError("stopped")


def drawn(name, batch_size, c, bounds=(None, None)):
    """A case as the figure and the tables of batches read it."""
    ends = [one and {"estimate": one, "low": 0.9 * one, "high": 1.1 * one} for one in c]
    return {
        "name": name,
        "part": "fashion",
        "batch_size": batch_size,
        "seeds": 3,
        "lr": [0.001, 0.016],
        "best_c": ends,
        "bound": list(bounds),
        "scaled_time": [100.0 * one if one else None for one in c],
        "local": [None],
        "exponent": None,
    }


def test_batches_drawn_and_told(tmp_path):
    beyond = {"side": "at least", "c": 4.0}
    cases = [
        drawn("fashion-batch-16", 16, (0.9, None), (None, beyond)),
        drawn("fashion-batch-all", 0, (0.2, 0.2)),
        drawn("batch-12-loss", 12, (1.0, 2.0)),
    ]
    ratio = {"estimate": 0.8, "low": 0.5, "high": 1.25}
    pair = {"strength": 0.002, "noise": [1 / 8, 1 / 4], "lr": [0.016, 0.001], "ratio": ratio}
    result = {"cases": cases, "pooled": {"fashion": {"pairs": [pair]}}}
    assert has_batches(result)
    assert not has_batches({"cases": cases[:2]})
    light_and_dark(batches, "both")(result, tmp_path)
    assert (tmp_path / "both-dark.svg").exists()
    assert "| 16 | 3 | 0.001 to 0.016 | 0.9, ≥ 4 | 2,846; – | – |" in quotes.fashion(result)
    # The smaller batch over the larger, whichever came first.
    assert "| 16 at 0.001 | 64 at 0.016 | 1.25 (0.8 to 2) |" in quotes.fashion_axis(result)
    assert quotes.fashion_axis({"pooled": {}}) == "not measured yet"
