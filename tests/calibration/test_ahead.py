"""One C for a fall that is known: on landscapes in closed form, whose C is the same everywhere."""

import math

import numpy as np
import pytest

from flatfast.calibration import calibrate
from flatfast.calibration.ahead import FARTHEST, Movable
from flatfast.calibration.following import no_swing
from tests.calibration.plain import Bowl, X

LR = 1e-3


class Valley(Bowl):
    """The bowl, which can be moved: outputs ``a x_i^power y_i`` on ``y = 0``.

    ``tr G = a^2 sum x_i^(2 power) / P``: kappa is the same everywhere at power 1, a parabola, and
    falls with the sharpness at larger ones.
    """

    def __init__(self, x, power=1, seed=0):
        super().__init__(x, seed=seed)
        self.power, self.seed = power, seed

    def moved(self, by, *, anew=False):
        found = Valley(self.x, self.power, self.seed)
        found.rng = np.random.default_rng(self.seed) if anew else self.rng
        step = np.zeros(2 * len(self.x)) if isinstance(by, float) else by
        along, across = np.split(step, 2)
        found.x, found.y = self.x + along, self.y + across
        return found

    def reading(self, number):
        return float(np.sum(self.x ** (2 * self.power)) / self.examples)

    def probe(self):
        weight = 1 / self.examples
        slope = 2 * self.power * self.x ** (2 * self.power - 1)
        return self.reading(0), weight * np.concatenate([slope, 0 * self.y])

    def _pull(self, residuals):
        return np.concatenate([0 * self.x, self.x**self.power * residuals / self.examples])

    def product(self, v):
        _, across = np.split(v, 2)
        return self._pull(self.x**self.power * across)

    @property
    def exact(self):
        """``C* / sqrt 2`` here."""
        trace, slope = self.probe()
        kappa = self.noise_std**2 / self.examples / 4 * float(slope @ slope) / (2 * trace)
        return (4 * kappa) ** (1 / 3) / 2**0.5


def test_the_landscape_can_be_moved():
    assert isinstance(Valley(X), Movable)
    assert not isinstance(Bowl(X), Movable)


def test_on_a_parabola_c_is_that_of_the_start():
    start = Valley(X)
    found = calibrate(start, LR, fall=0.6, budget=240)
    assert found.ahead.share == pytest.approx(1 - FARTHEST, abs=0.1)
    assert abs(math.log(found.C / start.exact)) < 0.1
    assert found.ahead.exponent == 0  # a difference within its error is none


def test_where_kappa_falls_c_is_that_of_the_end_on_the_safe_side():
    start = Valley(X, power=3)
    found = calibrate(start, LR, fall=0.6, budget=480)
    # Along the flow to 40% of the sharpness.
    x = X.copy()
    while np.sum(x**6) > 0.4 * np.sum(X**6):
        x -= 1e-3 * x**5
    end = Valley(x, power=3)
    assert end.exact < 0.8 * start.exact
    assert end.exact * 0.95 < found.C < 0.97 * start.exact
    assert found.ahead.there < found.ahead.start
    assert no_swing(0.6) * found.ahead.start <= found.C


def test_the_landscape_is_left_where_it_was_and_the_cost_is_told():
    start = Valley(X)
    point = calibrate(Valley(X), LR)
    found = calibrate(start, LR, fall=0.3)
    assert np.array_equal(start.x, X)
    assert 2 * point.evaluations < found.evaluations < 8 * point.evaluations
    assert "Ahead: C is for a sharpness that falls by 30%" in str(found)
    assert type(found).from_json(found.to_json()).ahead == found.ahead
    assert point.ahead is None


def test_where_there_is_no_law_nothing_is_looked_for():
    refused = calibrate(Silent(X), LR, fall=0.5)
    assert not refused.ok
    assert refused.ahead is None


class Silent(Valley):
    """Without noise."""

    def gradients(self):
        return self._pull(0 * self.x), self._pull(0 * self.x)

    def moved(self, by, *, anew=False):
        return Silent(self.x, self.power, self.seed)


@pytest.mark.parametrize("fall", [0.0, 1.0, -0.5])
def test_a_fall_is_a_share(fall):
    with pytest.raises(ValueError, match=r"fall must be in \(0, 1\)"):
        calibrate(Valley(X), LR, fall=fall)


def test_a_landscape_that_stays_is_told():
    with pytest.raises(TypeError, match="needs a landscape that can be moved, got Bowl"):
        calibrate(Bowl(X), LR, fall=0.5)
