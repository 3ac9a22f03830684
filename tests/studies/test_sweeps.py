"""What studies share of sweeps: names, the best C, and what a stop does."""

from dataclasses import replace

import numpy as np
import pytest

from flatfast.lab.sweep import InterruptedSweepError
from studies.runner import Order, compute
from studies.study import Part, Study
from studies.sweeps import Subject, best_of
from tests.lab.estimation.conftest import make_sweep


def test_a_subject_has_a_name_in_results_and_one_in_parts(tmp_path):
    deep = Subject("digits-mlp", {"depth": 4, "noise_std": 0.1})
    assert deep.key == 'digits-mlp {"depth": 4, "noise_std": 0.1}'
    assert deep.name == "digits-mlp,depth=4,noise_std=0.1"
    assert Part(f"sweep.{deep.name}", list, bool).name
    assert Subject("scalar-product").load().name == "scalar-product"


def test_a_stop_within_a_part_stops_the_study(tmp_path):
    def stopped():
        raise InterruptedSweepError("stopped")

    def parts(folder, quick):
        return [Part("first", stopped, bool), Part("second", pytest.fail, bool)]

    study = Study(parts, lambda folder, before: {})
    with pytest.raises(KeyboardInterrupt):
        compute(study, Order("made-up", tmp_path, tmp_path))


def test_the_best_prefactor_of_one_learning_rate():
    grid = make_sweep(rates=1, decades=0.0, noise=0.1, seeds=12)
    found = best_of(grid)
    assert found["reason"] == ""
    best = found["swept"]
    assert best["low"] < best["estimate"] < best["high"]
    # The sweep's best 1 - momentum, at learning rate 1, is exp(-4).
    assert best["estimate"] == pytest.approx(np.exp(-4), rel=0.1)
    assert found["swept_time"] == pytest.approx(np.exp(6), rel=0.1)
    never = replace(grid, log_time=np.full_like(grid.log_time, np.inf))
    assert set(best_of(never)) == {"reason"}
