"""A prefactor that is measured while training goes on: when, and what becomes of it."""

import math

import pytest
import torch
from torch import nn

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import auto_momentum
from flatfast.torch.auto import MOST
from tests.made_up import made_up_calibration
from tests.torch.told import LR, Told, fresh, made, plain, train


def test_the_first_measurement_is_taken_over_before_the_first_step():
    model, told = fresh(), Told(0.8)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told)
    assert auto.law is None
    assert auto.prefactor == pytest.approx(0.5 / LR ** (2 / 3))
    assert not told.asked
    assert train(model, optimizer, 3) == [MomentumLaw(0.8)(LR)] * 3
    assert told.asked == [LR]
    assert auto.last.C == 0.8


def test_measurements_keep_to_their_share():
    model, told = fresh(), Told(0.8)
    optimizer = plain(model)
    auto_momentum(optimizer, told, share=0.5)  # of 120 evaluations each
    train(model, optimizer, 1000)
    assert len(told.asked) == 1 + (1000 - 1) // 240
    state = optimizer.param_groups[0]["auto"]
    assert state["spent"] == 120 * len(told.asked)
    assert state["steps"] == 1000


def test_later_moves_are_half_the_way_and_bounded():
    model, told = fresh(), Told(0.8, 0.4, 8000.0, 1e-6)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.99)
    seen = []
    for _ in range(4):
        train(model, optimizer, 1)
        seen.append(auto.prefactor)
        while len(told.asked) == len(seen) and len(seen) < 4:
            train(model, optimizer, 1)
            if len(told.asked) > len(seen):
                seen.append(auto.prefactor)
    half = math.sqrt(0.8 * 0.4)
    assert seen[:4] == pytest.approx([0.8, half, half * MOST, half])


@pytest.mark.filterwarnings("ignore:momentum stays")
@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "warm-up"])
def test_without_a_law_momentum_stays_whatever_the_schedule(ours, schedule):
    model, told = fresh(), Told("no lasting noise")
    optimizer = made(model, told, ours, share=0.5)
    factors = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: (1 + math.cos(math.pi * step / 300)) / 2,
        "warm-up": lambda step: step / 100,
    }
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors[schedule])
    used = []
    for _ in range(300):
        used += train(model, optimizer, 1)
        scheduler.step()
    assert used == [0.9 if ours else 0.5] * 300
    assert len(told.asked) == 2
    assert all(lr > 0 for lr in told.asked)


@pytest.mark.filterwarnings("ignore:momentum stays")
def test_the_first_law_that_is_found_is_taken_over_whole():
    model, told = fresh(), Told("not near the manifold of minimizers", 0.3)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.5)
    train(model, optimizer, 300)
    assert auto.prefactor == pytest.approx(0.3)


def test_steps_that_fail_do_not_count():
    def closure():
        raise RuntimeError("theirs")

    model, told = fresh(), Told(0.8)
    optimizer = plain(model)
    auto_momentum(optimizer, told)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="theirs"):
            optimizer.step(closure)
    assert optimizer.param_groups[0]["auto"]["steps"] == 0
    assert told.asked == [LR]


def test_where_the_drift_is_over_nothing_moves():
    slopes = iter([3.0, 0.31, 0.29, 0.0])
    prefactors = iter([0.8, 0.4, 0.1, 0.05])

    def measure(lr):
        return made_up_calibration(C=next(prefactors), lr=lr, along=next(slopes))

    model = fresh()
    optimizer = plain(model)
    auto = auto_momentum(optimizer, measure, share=0.5)
    train(model, optimizer, 800)
    assert optimizer.param_groups[0]["auto"]["found"] == 2
    assert auto.prefactor == pytest.approx(math.sqrt(0.8 * 0.4))


def test_momentum_follows_the_learning_rate_all_along():
    model = fresh()
    optimizer = plain(model)
    auto_momentum(optimizer, Told(0.8))
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for _ in range(4):
        lr = optimizer.param_groups[0]["lr"]
        assert train(model, optimizer, 1) == [MomentumLaw(0.8)(lr)]
        schedule.step()


def test_a_schedule_that_warms_up_from_zero():
    model, told = fresh(), Told(0.8)
    optimizer = plain(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 2, 1.0))
    auto = auto_momentum(optimizer, told)
    assert auto.law is None
    assert auto.prefactor == math.inf  # at learning rate 0
    used = []
    for _ in range(3):
        used += train(model, optimizer, 1)
        schedule.step()
    assert told.asked == [LR / 2]  # not at 0, where there is nothing to be had
    assert used[1:] == [MomentumLaw(0.8)(LR / 2), MomentumLaw(0.8)(LR)]


def test_a_real_measurement():
    torch.manual_seed(0)
    noise = flatfast.torch.LabelNoise(0.3)

    class Pairs(nn.Module):
        def __init__(self):
            super().__init__()
            self.x = nn.Parameter(torch.linspace(0.5, 2.0, 40))
            self.y = nn.Parameter(torch.zeros(40))

        def forward(self, index):
            return self.x[index] * self.y[index]

    model, data = Pairs(), (torch.arange(40), torch.zeros(40))
    loss = lambda f, y: (f - noise(y)).square().mean() / 2  # noqa: E731
    optimizer = flatfast.torch.SGD(
        model.parameters(),
        lr=0.01,
        C="auto",
        measure=lambda lr: flatfast.torch.calibrate(model, loss, data, lr),
    )
    start = float(model.x.detach().square().sum())
    for _ in range(1500):
        optimizer.zero_grad()
        loss(model(data[0]), data[1]).backward()
        optimizer.step()
    assert optimizer.param_groups[0]["auto"]["found"] == 2
    # kappa is the same everywhere on this landscape.
    kappa = 0.3**2 * 2 / 40 / (4 * 40)
    expected = (4 * kappa) ** (1 / 3) / 2**0.5
    assert abs(math.log(optimizer.auto.prefactor / expected)) < 0.15
    assert float(model.x.detach().square().sum()) < start
