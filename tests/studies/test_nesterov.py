"""Nesterov's momentum beside heavy ball: ratios of a known size, and the friction's two limits."""

import dataclasses
import json
import math

import numpy as np
import pytest

from studies.experiments import nesterov, run, tables
from studies.experiments.nesterov import compared, expected_mu
from tests.lab.estimation.conftest import make_sweep


def pair(rng, ratio, slope=0.0, seeds=(12, 8)):
    """Two sweeps whose best mu differ by ``ratio lr^slope``; the first has more seeds."""
    noise = {"noise": 0.1, "own": 0.5}
    heavy = make_sweep(rng, seeds=seeds[0], **noise)
    other = make_sweep(
        rng, seeds=seeds[1], gamma=2 / 3 + slope, log_c=-4 + math.log(ratio), **noise
    )
    return heavy, other


@pytest.mark.parametrize(("ratio", "slope"), [(1.0, 0.0), (0.4, 0.0), (0.4, -0.13)])
def test_ratio_and_exponent_are_covered(ratio, slope, monkeypatch):
    monkeypatch.setattr(nesterov, "N_BOOT", 100)
    rng = np.random.default_rng(7)
    found = [compared(*pair(rng, ratio, slope)) for _ in range(20)]
    assert all(one["seeds"] == 8 for one in found)

    def share(name, truth):
        return np.mean([one[name]["low"] <= truth <= one[name]["high"] for one in found])

    assert share("exponent_difference", slope) >= 0.85
    assert share("C_ratio", ratio) >= 0.85
    each = [
        entry["low"] <= ratio * lr**slope <= entry["high"]
        for one in found
        for lr, entry in zip(one["lr"], one["ratio"], strict=True)
    ]
    assert np.mean(each) >= 0.85
    if not slope:  # else a common ratio has that as its scatter
        assert all(one["C_ratio"]["high"] / one["C_ratio"]["low"] < 1.35 for one in found)


def test_other_learning_rates_or_too_few_optima():
    heavy, other = pair(np.random.default_rng(0), 1.0)
    with pytest.raises(ValueError, match="learning rates must be among"):
        compared(heavy, dataclasses.replace(other, lr=2 * other.lr))
    lost = dataclasses.replace(other, log_time=np.full_like(other.log_time, np.inf))
    with pytest.raises(ValueError, match=r"located at 3 learning rates or more: .*momenta"):
        compared(heavy, lost)


def test_fewer_learning_rates_are_compared_with_the_same_ones():
    heavy, other = pair(np.random.default_rng(0), 0.5)
    cut = {name: getattr(other, name)[2:] for name in ("lr", "log_time", "diverged", "limit")}
    found = compared(heavy, dataclasses.replace(other, **cut))
    np.testing.assert_allclose(found["lr"], heavy.lr[2:])
    assert found["C_ratio"]["low"] < 0.5 < found["C_ratio"]["high"]


def test_what_the_friction_lets_expect():
    heavy = np.array([1e-3, 2e-3])
    # Where lr times curvature is small there is no difference,
    np.testing.assert_allclose(expected_mu([0.1, 2.0], [1e-9, 1e-8], heavy), heavy, rtol=1e-4)
    # where it is large, mu^2 lr curvature = heavy^3, an exponent of 1/2 for a heavy of 2/3,
    lr = np.array([0.1, 1.0])
    far = expected_mu([1e5], lr, heavy)
    np.testing.assert_allclose(far**2 * lr * 1e5, heavy**3, rtol=1e-3)
    # and between, the balance itself, modes that weigh by their curvature.
    (mu,) = expected_mu([1.0, 3.0], [1e-3], [1e-3])
    share = (mu / (mu + 1e-3) + 3 * mu / (mu + 3e-3)) / 4
    assert mu**3 / share == pytest.approx(1e-9)


def test_the_study_compares_where_it_has_both(monkeypatch, tmp_path):
    """Runs of the folder beside the committed ones; what was compared before is kept."""
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    told = {"C_ratio": {"estimate": 0.4, "low": 0.3, "high": 0.5}}
    monkeypatch.setattr(run, "beside_heavy_ball", lambda problem, heavy, ours: told)
    before = {"nesterov": {"teacher-student": {"seeds": 8}}}
    assert run.collect(tmp_path, before)["nesterov"] == before["nesterov"]
    for path in (tmp_path / "results/matrix-sensing", tmp_path / "matrix-sensing-nesterov"):
        path.mkdir(parents=True)
        (path / run.RUNS).touch()
    both = run.collect(tmp_path, before)["nesterov"]
    assert both == {**before["nesterov"], "matrix-sensing": told}


def test_table():
    ends = {"estimate": 0.4, "low": 0.3, "high": 0.5}
    own = {
        "expected_exponent": 0.53,
        "C_ratio": ends,
        "seeds": 8,
        "ratio": [ends],
        "expected": [0.5],
    }
    experiments = {name: {"exponent": ends, "best_C": ends} for name in ("a", "a-nesterov")}
    told = tables.nesterov(
        json.loads(json.dumps({"experiments": experiments, "nesterov": {"a": own}}))
    )
    assert "| 0.53 |" in told
    assert "8 seeds" in told
    assert tables.nesterov({"experiments": {}}) == "not measured yet"
