"""The search for the shortest cycle, against every length run by a plain loop."""

import math

import numpy as np
import pytest

from flatfast.lab.cycles import CYCLE, PER_OCTAVE, SHORTEST, SLOWER, cycle_peaks, sweep_cycles
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.estimation.comparison import compare
from flatfast.lab.estimation.methods import ONE_CYCLE, PEAK_MOMENTUM, one_cycle
from flatfast.lab.recipes.recipe import Recipe
from flatfast.lab.store import Store
from tests.lab.fake import SETTINGS
from tests.lab.test_simulator import quadratic

RECIPE = Recipe("quadratic", (0.1,), (0.1, 1.0), 4, 2, 100, comparison_seeds=2)


def arrives(peak, length):
    """Whether a cycle of that length takes ``x^2 / 2`` from 1 to where x^2 is 0.01."""
    each = np.ones(length, np.float32)
    steps = np.arange(length, dtype=np.uint32)
    rates, momenta = CYCLE(peak * each, PEAK_MOMENTUM * each, steps, np.full(length, length))
    x, velocity = 1.0, 0.0
    for lr, momentum in zip(np.asarray(rates), np.asarray(momenta), strict=True):
        velocity = momentum * velocity + x
        x -= lr * velocity
    return x**2 <= 0.01


def test_peaks_go_to_the_stability_limit_and_above_it():
    within, beyond = cycle_peaks(curvature=2.0)
    limit = 2 * (1 + PEAK_MOMENTUM) / 2.0
    assert max(within) == pytest.approx(0.95 * limit, rel=0.005)
    assert min(beyond) > limit


def test_the_shortest_cycle_is_found(tmp_path):
    peaks = [0.1, 0.2, 0.4]
    with Store(tmp_path, SETTINGS) as store:
        table, again = (
            sweep_cycles(RECIPE, quadratic(), store, peaks, 1.0, 2_000, LocalEngine)
            for _ in range(2)
        )
    assert again.num_rows == table.num_rows == len(store.done())
    comparison = compare(table, (one_cycle(),), reference=ONE_CYCLE)
    lengths = np.array(sorted(set(table["steps"].to_pylist())))
    assert (lengths[1:] / lengths[:-1] < 2 ** (1 / PER_OCTAVE) + 1 / SHORTEST).all()
    for time in comparison.at_lr:
        assert time.momentum == PEAK_MOMENTUM
        own = [length for length in lengths if arrives(time.lr, int(length))]
        if time.outcome == "measured":
            assert time.time.estimate == pytest.approx(own[0])
        else:
            assert time.limit >= SLOWER / 2 * comparison.best[0].time.estimate
    assert comparison.best[0].outcome == "measured"
    assert math.isfinite(comparison.best[0].time.high)
