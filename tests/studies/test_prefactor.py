"""What the prefactor's study makes of sweeps whose C is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flatfast.theory import best_ratio
from studies.prefactor import run as prefactor_run
from studies.prefactor.cases import CASES, FAMILIES, FLOWS, Case
from studies.prefactor.noise import noise_laws
from studies.prefactor.run import STUDY
from studies.prefactor.slopes import exponents, varied
from studies.runner import Order, collect, compute


def case(problem, settings, *, noise, h, batch, fraction, off=1.0, lr=1e-3):
    """A case whose best C is the theory's, times a factor."""
    critical = (noise**2 * h / batch) ** (1 / 3)
    C = off * best_ratio(fraction).ratio * critical
    return {
        "problem": problem,
        "settings": settings,
        "lr": lr,
        "source": "swept here",
        "noise_std": noise,
        "batch": batch,
        "fraction": fraction,
        "swept": {"estimate": C, "low": 0.97 * C, "high": 1.03 * C},
        "predicted": {"flow": {"critical": critical, "C": C / off, "time": 1.0}},
    }


def test_the_theorys_exponents_come_back():
    noises = [
        case("digits-mlp", {"noise_std": noise}, noise=noise, h=50, batch=200, fraction=0.2)
        for noise in (0.1, 0.3, 1.0)
    ]
    # Other depths leave another F, which the scaled C does not see.
    depths = [
        case("digits-mlp", {"depth": k}, noise=0.5, h=10.0 * k, batch=200, fraction=0.1 + 0.01 * k)
        for k in (3, 4, 8)
    ]
    sizes = [
        case("matrix-sensing", {"examples": P}, noise=0.1, h=146, batch=P, fraction=0.08)
        for P in (60, 90, 120)
    ]
    found = {(one["name"], one["over"]): one["slope"] for one in exponents(noises + depths + sizes)}
    for key, theory in {
        ("digits-mlp", "noise_std"): 2 / 3,
        ("digits-mlp", "h"): 1 / 3,
        ("matrix-sensing, P", "batch"): -1 / 3,
    }.items():
        assert found[key]["estimate"] == pytest.approx(theory, abs=1e-3)
        assert found[key]["low"] < theory < found[key]["high"]


def test_scatter_widens_the_interval():
    off = np.exp(0.2 * np.array([1, -1, -1, 1]))
    rows = [
        case("digits-mlp", {"noise_std": noise}, noise=noise, h=50, batch=200, fraction=0.2, off=o)
        for noise, o in zip((0.1, 0.2, 0.5, 1.0), off, strict=True)
    ]
    (found,) = exponents(rows)
    assert found["slope"]["high"] - found["slope"]["low"] > 0.5


def test_cases_are_told_apart():
    for cases in (CASES, FLOWS):
        assert len({case.key for case in cases}) == len({case.name for case in cases}) == len(cases)


def test_families_know_what_a_cooling_takes():
    for problem in ("teacher-student", "matrix-sensing"):
        assert Case(problem).load().cooling.steps == FAMILIES[problem].cooling


def test_from_parts_to_a_result_that_keeps_what_others_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(prefactor_run, "QUICK_SEEDS", 3)
    monkeypatch.setattr(prefactor_run, "QUICK_RECORDS", 32)
    order = Order("prefactor", tmp_path / "runs", tmp_path, quick=True, only=["*0.25", "flow.*"])
    names = ["sweep.scalar-product,noise_std=0.25", "flow.scalar-product"]
    assert compute(STUDY, order).computed == names
    assert compute(STUDY, order).computed == []
    result = collect(STUDY, order)
    first = result["cases"][0]
    assert len(first["C"]) == 12
    assert "flow" in first["predicted"]
    assert list(result["geometry"]) == ["scalar-product {}"]
    assert (tmp_path / "prefactor-dark.svg").exists()

    # Another machine measures a part; the rest is known from the result alone.
    elsewhere, study = (
        replace(order, folder=tmp_path / "elsewhere"),
        replace(STUDY, draw=lambda result, folder: None),
    )
    assert collect(study, elsewhere) == result
    kept = tmp_path / "elsewhere/parts/sweep.scalar-product,noise_std=1.0.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({**prefactor_run.of_a_sweep(first), "settings": {"noise_std": 1.0}}))
    both = collect(study, elsewhere)
    assert [row["settings"]["noise_std"] for row in both["cases"][:2]] == [0.25, 1.0]
    assert both["cases"][0] == first
    assert both["geometry"] == result["geometry"]


def test_one_setting_changed_is_compared_with_the_base():
    base = case("digits-mlp", {}, noise=0.5, h=50, batch=200, fraction=0.2)
    wide = case("digits-mlp", {"width": 80}, noise=0.5, h=400, batch=200, fraction=0.2, off=1.5)
    loud = case("digits-mlp", {"noise_std": 1.0}, noise=1.0, h=50, batch=200, fraction=0.2)
    (found,) = varied([base, wide, loud])
    assert found["flow"] == pytest.approx(2)
    assert found["swept"]["estimate"] == pytest.approx(3)
    # Two intervals of 3% to either side.
    reach = found["swept"]["high"] / found["swept"]["estimate"]
    assert reach == pytest.approx(1.03**2**0.5, rel=1e-3)


@pytest.mark.parametrize("own", [0.0, 0.3])
def test_noise_and_learning_rate_come_back_as_one_axis(own):
    optima = [
        (
            "some problem",
            {"lr": lr, "noise_std": noise, "estimate": C, "low": 0.97 * C, "high": 1.03 * C},
        )
        for lr in (1e-4, 1e-3, 1e-2)
        for noise in (0.1, 0.3, 1.0)
        for C in [noise ** (2 / 3 + own) * (noise**4 * lr) ** 0.07]
    ]
    (found,) = noise_laws(optima)
    assert found["noise"]["estimate"] == pytest.approx(2 / 3 + 0.28 + own)
    assert found["lr"]["estimate"] == pytest.approx(0.07)
    # An exponent of the noise's own shows.
    assert (found["invariant"]["low"] < 2 / 3 < found["invariant"]["high"]) == (own == 0)
    assert (found["collapse"]["scatter"] < 1e-9) == (own == 0)
