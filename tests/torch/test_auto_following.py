"""A prefactor that follows the sharpness in PyTorch: what is asked, what is kept, what is told."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from flatfast import MomentumLaw
from flatfast.calibration.fall import PROBES, READING
from flatfast.calibration.following import AHEAD, no_swing
from flatfast.calibration.result import Ahead
from flatfast.calibration.spending import OF_GAUGES
from flatfast.estimate import Estimate
from flatfast.torch import LabelNoise, auto_momentum, calibrate, couple
from flatfast.torch.calibrator import Calibrator, Gauging
from tests.made_up import made_up_calibration
from tests.torch.calibrated import INDEX, ZEROS, Pairs, half_square
from tests.torch.told import LR, fresh, made, plain, train

COST = PROBES * READING
EVERY = math.ceil(COST / (0.5 * OF_GAUGES))


class Falling:
    """A sharpness and a C that fall reading by reading, by hand."""

    reading_cost = COST

    def __init__(self, shares, prefactors, exponent=None, doubt=None):
        self.shares, self.prefactors = list(shares), list(prefactors)
        self.exponent, self.doubt, self.asked = exponent, doubt, []

    def _found(self):
        C = self.prefactors.pop(0)
        if isinstance(C, str):
            return made_up_calibration(doubt=C)
        return replace(made_up_calibration(C), C=Estimate(C, 0.0))

    def __call__(self, lr):
        self.asked.append("calibration")
        return self._found()

    def ahead(self, lr):
        self.asked.append("ahead")
        found = self._found()
        if self.exponent is None or not found.ok:
            return found
        told = Ahead(0.5, float(found.C), 0.1, 0.5, self.exponent, 0.0)
        return replace(found, ahead=told)

    def sharpness(self):
        self.asked.append("sharpness")
        return 80 * (self.shares.pop(0) if len(self.shares) > 1 else self.shares[0])


def test_it_is_something_that_can_be_gauged():
    assert isinstance(Falling([1], [1]), Gauging)
    assert isinstance(Calibrator(fresh(), None, []), Gauging)
    assert not isinstance(lambda lr: None, Gauging)


@pytest.mark.parametrize("ours", [False, True])
def test_a_calibration_is_made_again_when_the_sharpness_has_fallen_and_not_by_the_clock(ours):
    model = fresh()
    measure = Falling([1, *[0.9] * 5, 0.5], [0.8, 0.6])
    optimizer = made(model, measure, ours, share=0.5)
    used = train(model, optimizer, 40)  # of which 30% are gradients for readings, two each
    assert measure.asked == ["ahead", *["sharpness"] * 6]
    assert set(used) == {MomentumLaw(0.8)(LR)}
    used = train(model, optimizer, 1)
    assert measure.asked[-2:] == ["sharpness", "calibration"]
    exponent = math.log(0.75) / math.log(0.5)
    C = 0.8 * max((0.5 * AHEAD) ** exponent, no_swing(1 - 0.5 * AHEAD))
    assert used == [pytest.approx(MomentumLaw(C)(LR))]


def test_a_look_ahead_is_followed_from_the_first_step():
    model, measure = fresh(), Falling([1, 0.9, 0.8], [0.8], exponent=0.5)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, measure, share=0.5)
    train(model, optimizer, 1)
    assert auto.prefactor == pytest.approx(0.8 * AHEAD**0.5)
    train(model, optimizer, 3 * EVERY)
    assert auto.prefactor == pytest.approx(0.8 * (0.8 * AHEAD) ** 0.5)
    assert repr(auto).endswith(
        f"measured 1x, sharpness at 80% of the first, cost {120 + 3 * COST} gradients in "
        f"{3 * EVERY + 1} steps)"
    )


def test_a_refusal_is_told_and_tried_again_once_paid_for():
    model, measure = fresh(), Falling([1], ["no lasting noise", 0.8])
    optimizer = plain(model)
    auto = auto_momentum(optimizer, measure, share=0.5)
    with pytest.warns(UserWarning, match="momentum stays as it was") as seen:
        assert set(train(model, optimizer, 240)) == {0.5}
    assert len(seen) == 1
    train(model, optimizer, 1)
    assert auto.law == MomentumLaw(0.8)
    assert measure.asked == ["ahead", "ahead", "sharpness"]


def test_a_later_refusal_waits_for_the_sharpness():
    model, measure = fresh(), Falling([1, 0.5], [0.8, "signal below its error"])
    optimizer = plain(model)
    auto = auto_momentum(optimizer, measure, share=0.5)
    with pytest.warns(UserWarning, match="waits for the sharpness to fall further"):
        train(model, optimizer, 10 * EVERY)
    assert measure.asked.count("calibration") == 1
    assert auto.law == MomentumLaw(0.8)


@pytest.mark.parametrize("ours", [False, True])
def test_a_resumed_training_is_the_unbroken_one(ours):
    shares = [1, 0.9, 0.7, 0.55, 0.5, 0.45, 0.3]
    model = fresh()
    optimizer = made(model, Falling(shares, [0.8, 0.6, 0.5]), ours, share=0.5)
    half = 3 * EVERY + 2
    train(model, optimizer, half)
    kept = copy.deepcopy(optimizer.state_dict())
    weights = copy.deepcopy(model.state_dict())
    assert {type(value) for value in kept["param_groups"][0]["auto"].values()} <= {int, float}
    rest = train(model, optimizer, 3 * EVERY)
    again = fresh()
    resumed = made(again, Falling(shares[4:], [0.5]), ours, share=0.5)
    again.load_state_dict(weights)
    resumed.load_state_dict(kept)
    assert train(again, resumed, 3 * EVERY) == rest


def test_readings_change_nothing_and_fall_with_the_sharpness():
    torch.manual_seed(0)
    model, noise = Pairs(), LabelNoise(0.3)
    measure = Calibrator(model, half_square(noise), (INDEX, ZEROS))
    before, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    first = measure.sharpness()
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    # tr G = |x|^2 / P on y = 0, whatever the signs.
    assert first == pytest.approx(float(model.x.detach().square().mean()), rel=1e-5)
    with torch.no_grad():
        model.x.mul_(0.8)
    assert measure.sharpness() / first == pytest.approx(0.64, rel=1e-5)


def test_a_look_ahead_leaves_the_weights_bit_for_bit():
    torch.manual_seed(0)
    model, noise = Pairs(), LabelNoise(0.3)
    before = copy.deepcopy(model.state_dict())
    found = calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01, fall=0.5)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert found.ahead.share < 0.75
    kappa = 0.3**2 * 2 / 40 / (4 * 40)
    assert abs(math.log(found.C / ((4 * kappa) ** (1 / 3) / 2**0.5))) < 0.15
    with pytest.raises(ValueError, match=r"fall must be in \(0, 1\)"):
        calibrate(model, half_square(noise), (INDEX, ZEROS), 0.01, fall=1.5)


@pytest.mark.parametrize(
    ("fall", "error", "told"),
    [
        (1.0, ValueError, r"fall must be in \(0, 1\), got 1"),
        (float("nan"), ValueError, r"fall must be in \(0, 1\), got nan"),
        ("0.5", TypeError, r"fall must be a share in \(0, 1\), got '0.5'"),
    ],
)
def test_a_calibrator_s_fall_is_refused_before_anything_is_measured(fall, error, told):
    model = Pairs()
    with pytest.raises(error, match=told):
        Calibrator(model, half_square(LabelNoise(0.3)), (INDEX, ZEROS), fall=fall)


def test_a_calibrator_in_the_place_of_a_law():
    torch.manual_seed(0)
    model, noise = Pairs(), LabelNoise(0.3)
    loss = half_square(noise)
    measure = Calibrator(model, loss, (INDEX, ZEROS), fall=None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    with pytest.raises(ValueError, match="total_steps must be left out with a Calibrator"):
        couple(optimizer, measure, total_steps=100)
    with pytest.raises(TypeError, match="one law for all groups: give it as it is, got it in a li"):
        couple(optimizer, [measure])
    auto = couple(optimizer, measure)
    assert auto.law is None
    loss(model(INDEX), ZEROS).backward()
    optimizer.step()
    assert auto.law is not None
    assert optimizer.param_groups[0]["momentum"] == auto.law(0.01)
    auto.remove()
    assert optimizer.param_groups[0]["momentum"] == 0.9
