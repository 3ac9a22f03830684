"""The two bounds of ordinary training, where both are known."""

import json
import math

import numpy as np
import pytest

from flatfast.calibration import Calibration, CalibrationError, calibrate
from flatfast.calibration.noise import Noise
from flatfast.calibration.window import (
    DAMPED,
    FLAT,
    MATTERS,
    SETTLED,
    Window,
    slowest,
    window_of,
)
from studies.study import RESULTS
from tests.calibration.plain import Bowl as Model
from tests.calibration.plain import X

CURVATURE = np.geomspace(1e-3, 10, 40)


class Bowl:
    """A quadratic loss at a point: ``G`` diagonal, the gradient ``G w``, noise about it."""

    batch_size, examples = 8, 1000
    batches_per_step = 1
    product_batches = 1

    def __init__(self, left, noise=0.0):
        """``left`` of the loss in each mode."""
        self.gradient = np.sqrt(2 * CURVATURE * left)
        self.noise, self.rng = noise, np.random.default_rng(0)

    def gradients(self):
        drawn = self.gradient + self.noise * self.rng.standard_normal(len(CURVATURE))
        return drawn, drawn

    def product(self, v):
        return CURVATURE * v


def seen(bowl, looks=8):
    noise = Noise()
    for _ in range(looks):
        noise.add(bowl)
    return noise


@pytest.mark.parametrize("place", [12, 20, 30])
def test_the_slowest_mode_that_matters(place):
    left = np.full(len(CURVATURE), MATTERS / len(CURVATURE) / 4)  # together a fortieth
    left[place] = 1.0
    bowl = Bowl(left)
    found, products = slowest(bowl, seen(bowl), CURVATURE.sum(), 40)
    assert found == pytest.approx(CURVATURE[place], rel=0.02)
    assert products <= 40
    few, _ = slowest(bowl, seen(bowl), CURVATURE.sum(), 4)
    assert few >= 0.99 * found  # from above


def test_modes_flatter_than_are_looked_at_do_not_count():
    left = np.zeros(len(CURVATURE))
    left[0] = left[-1] = 1.0
    bowl = Bowl(left)
    sharpness = CURVATURE[0] / FLAT * 10
    found, _ = slowest(bowl, seen(bowl), sharpness, 40)
    assert found == pytest.approx(CURVATURE[-1])


def test_a_gradient_below_its_noise_tells_nothing():
    bowl = Bowl(np.full(len(CURVATURE), 1e-6), noise=1.0)
    assert math.isnan(slowest(bowl, seen(bowl), CURVATURE.sum(), 40)[0])


def test_both_bounds_scale_with_the_learning_rate():
    bowl, trace = Bowl(np.ones(len(CURVATURE))), float(CURVATURE.sum())
    one, _ = window_of(bowl, seen(bowl), trace, 0.01, 40)
    other, _ = window_of(bowl, seen(bowl), trace, 0.04, 40)
    assert one.settles == pytest.approx(0.01 * trace / 16)
    assert other.settles == pytest.approx(4 * one.settles)
    assert other.damps == pytest.approx(2 * one.damps)
    bowl.examples = 8
    assert window_of(bowl, seen(bowl), trace, 0.01, 40)[0].settles == 0


def test_the_best_lie_beside_the_bounds_as_in_the_committed_sweeps():
    kept = json.loads((RESULTS / "ordinary" / "ordinary.json").read_text())["inside"]
    assert SETTLED[0] <= kept["settles"] < SETTLED[0] + 0.1
    assert DAMPED[0] <= kept["damps"] + 0.005 < DAMPED[0] + 0.01
    for most, measured in zip((SETTLED[1], DAMPED[1]), kept["most"], strict=True):
        assert most - 0.1 < measured <= most


def test_the_best_follow_the_bound_that_is_tighter():
    assert Window(0.01, 1e-5).best == pytest.approx((0.019, 0.082))
    assert Window(0.0, 0.1).best == pytest.approx((0.058, 0.12))
    assert Window(0.01, math.nan).best == pytest.approx((0.019, 0.082))
    window = Window(0.01, 0.02)
    low, high = window.best
    assert [window.place(mu) for mu in (0.9 * low, low, high, 1.1 * high)] == [
        "below",
        "within",
        "within",
        "above",
    ]


class Ordinary(Model):
    """A model whose gradient differs between batches, and not between two looks at one."""

    def gradients(self):
        one, _ = super().gradients()
        return one, one


def ordinary(lr=0.01, **options):
    model = Ordinary(X, 0.05, noise_std=0.0, batch_noise=0.001)
    model.batch_size = 4
    return calibrate(model, lr, **options)


def test_a_refusal_for_want_of_noise_tells_what_bounds_momentum():
    found = ordinary()
    assert not found.ok
    assert found.window is not None
    assert found.evaluations <= 62
    told = str(found)
    assert "best in sweeps" in told
    assert "o the usual one, 0.9" in told
    assert "promises nothing" in told.replace("\n  ", " ")
    again = Calibration.from_json(found.to_json())
    assert (again.settles, str(again)) == (found.settles, told)


@pytest.mark.parametrize(
    ("momentum", "where"), [(0.99999, "swings, or batches"), (0.0, "it creeps")]
)
def test_a_momentum_in_use_is_placed(momentum, where):
    found = ordinary(momentum=momentum)
    told = str(found)
    assert f"yours, {momentum:.4g}" in told
    assert where in told.replace("\n  ", " ")
    drawn = next(line for line in told.splitlines() if "swings -" in line or "swings o" in line)
    assert (drawn.index("o") < drawn.index("[")) == (momentum > 0.9)


def test_batches_too_small_for_any_momentum():
    found = ordinary(lr=10.0)
    assert "with any momentum" in str(found).replace("\n  ", " ")
    assert "best in sweeps" not in str(found)


def test_a_law_has_no_window():
    found = calibrate(Model(X), 0.01, budget=600)
    assert found.ok
    assert found.window is None
    assert "best in sweeps" not in str(found)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 2.0])
def test_a_momentum_out_of_range(momentum):
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got"):
        calibrate(Model(X), 0.01, momentum=momentum)


def test_the_window_is_drawn(tmp_path):
    ordinary(momentum=0.5).figure(tmp_path / "window.svg")
    drawn = (tmp_path / "window.svg").read_text()
    assert "what bounds momentum instead" in drawn
    with pytest.raises(CalibrationError):
        calibrate(Model(X, noise_std=0.0)).figure()
