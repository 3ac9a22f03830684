"""A prefactor that is measured while training goes on."""

import math

import pytest
import torch
from torch import nn

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, auto_momentum
from flatfast.torch.auto import MOST
from tests.made_up import made_up_calibration

LR = 0.1
NINE = 0.1 * LR ** (-2 / 3)


class Told:
    """Gives the prefactors it was told to, one after the other, and counts."""

    def __init__(self, *prefactors):
        self.prefactors, self.asked = list(prefactors), []

    def __call__(self, lr):
        self.asked.append(lr)
        told = self.prefactors[min(len(self.asked), len(self.prefactors)) - 1]
        if isinstance(told, str):
            return made_up_calibration(C=9.0, lr=lr, doubt=told)
        return made_up_calibration(C=told, lr=lr)


def plain(model):
    return torch.optim.SGD(model.parameters(), lr=LR, momentum=0.5)


def train(model, optimizer, steps):
    used = []
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).square().sum().backward()
        optimizer.step()
        used.append(optimizer.param_groups[0]["momentum"])
    return used


def fresh():
    torch.manual_seed(0)
    return nn.Linear(2, 1)


def test_the_first_measurement_is_taken_over_before_the_first_step():
    model, told = fresh(), Told(0.8)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told)
    assert auto.prefactor == pytest.approx(NINE)
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


def test_without_a_law_momentum_stays():
    model, told = fresh(), Told("no lasting noise")
    optimizer = plain(model)
    auto_momentum(optimizer, told, share=0.5)
    assert train(model, optimizer, 300) == pytest.approx([0.9] * 300)
    assert len(told.asked) == 2
    # The first law that is found is taken over whole.
    model, told = fresh(), Told("not near the manifold of minimizers", 0.3)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.5)
    train(model, optimizer, 300)
    assert auto.prefactor == pytest.approx(0.3)


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


@pytest.mark.parametrize("ours", [False, True])
def test_a_resumed_training_is_the_unbroken_one(ours):
    def make(model, told):
        if ours:
            return flatfast.torch.SGD(model.parameters(), lr=LR, C="auto", measure=told)
        optimizer = plain(model)
        auto_momentum(optimizer, told)
        return optimizer

    model = fresh()
    optimizer = make(model, Told(0.8, 0.4))
    train(model, optimizer, 1500)
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    kept = {name: {**state} for name, state in kept.items()}
    kept["model"] = {name: value.clone() for name, value in kept["model"].items()}
    told = Told(0.2)
    rest = train(model, optimizer, 1200)
    again = fresh()
    resumed = make(again, told)
    again.load_state_dict(kept["model"])
    resumed.load_state_dict(kept["optimizer"])
    assert resumed.param_groups[0]["auto"]["steps"] == 1500
    assert not told.asked
    assert train(again, resumed, 600) == rest[:600]


def test_it_ends_cleanly():
    model = fresh()
    optimizer = plain(model)
    auto = auto_momentum(optimizer, Told(0.8))
    with pytest.raises(MomentumConflictError):
        auto_momentum(optimizer, Told(0.8))
    train(model, optimizer, 2)
    auto.remove()
    assert "auto" not in optimizer.param_groups[0]
    assert train(model, optimizer, 2) == [0.5, 0.5]
    own = flatfast.torch.SGD(model.parameters(), lr=LR, C="auto", measure=Told(0.8))
    train(model, own, 2)
    own.auto.remove()
    assert train(model, own, 2) == [MomentumLaw(0.8)(LR)] * 2


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"C": "auto"}, "go together"),
        ({"C": 0.5, "measure": Told(0.8)}, "go together"),
        ({"measure": Told(0.8)}, "give either C"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        flatfast.torch.SGD(fresh().parameters(), lr=LR, **arguments)


def test_wrong_shares():
    for share in (0.0, 1.0, -1):
        with pytest.raises(ValueError, match="share must be in"):
            auto_momentum(plain(fresh()), Told(0.8), share=share)
    with pytest.raises(ValueError, match="lr must be positive at the start"):
        auto_momentum(torch.optim.SGD(fresh().parameters(), lr=0.0), Told(0.8))


def test_a_schedule_that_warms_up_from_zero():
    model, told = fresh(), Told(0.8)
    optimizer = plain(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(step / 2, 1.0))
    auto = auto_momentum(optimizer, told)
    assert auto.prefactor == pytest.approx(NINE)
    used = []
    for _ in range(3):
        used += train(model, optimizer, 1)
        schedule.step()
    assert told.asked == [LR / 2]  # not at 0, where there is nothing to be had
    assert used[1:] == [MomentumLaw(0.8)(LR / 2), MomentumLaw(0.8)(LR)]
