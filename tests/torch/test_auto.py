"""A prefactor that is measured while training goes on."""

import copy
import math

import pytest
import torch
from torch import nn

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.calibration import Verdict
from flatfast.torch import MomentumConflictError, auto_momentum
from flatfast.torch.auto import MOST, SHARE
from tests.made_up import made_up_calibration

LR = 0.1


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


def train_any(model, optimizer):
    optimizer.zero_grad()
    model(torch.ones(3, 2)).square().sum().backward()
    optimizer.step()


def made(model, told, ours, share=SHARE):
    """Either kind of optimizer, measured."""
    if not ours:
        optimizer = plain(model)
        auto_momentum(optimizer, told, share=share)
        return optimizer
    optimizer = flatfast.torch.SGD(model.parameters(), lr=LR, C="auto", measure=told)
    optimizer.auto.share = share
    return optimizer


def fresh():
    torch.manual_seed(0)
    return nn.Linear(2, 1)


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


def test_every_refusal_is_told_once_with_its_reason():
    first, second = "no lasting noise", "not near the manifold of minimizers"
    model, told = fresh(), Told(first, first, second, first, 0.3, second)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.5)
    with pytest.warns(UserWarning, match="momentum stays") as seen:
        train(model, optimizer, 1300)
    assert len(told.asked) == 6
    texts = [str(warning.message) for warning in seen]
    assert len(texts) == 2
    assert "stays as it was (0.5) at step 0" in texts[0]
    assert f"because {first}: as made up" in texts[0]
    assert "next calibration is due in 240 steps" in texts[0]
    assert second in texts[1]
    assert auto.prefactor == pytest.approx(0.3)


def test_too_few_gradients_are_told_as_such():
    model = fresh()
    optimizer = plain(model)
    auto_momentum(optimizer, Told("signal below its error"), share=0.5)
    said = r"as it was \(0\.5\) at step 0\. Nothing is known yet"
    with pytest.warns(UserWarning, match=said) as seen:
        train(model, optimizer, 1)
    assert "does not apply" not in str(seen[0].message)


def test_representations_say_what_is_in_use():
    model, told = fresh(), Told("no lasting noise", 0.3)
    optimizer = plain(model)
    auto = auto_momentum(optimizer, told, share=0.5)
    assert repr(auto) == (
        "AutoMomentum(SGD: momentum 0.5 as it was, not measured yet: nothing has been tried)"
    )
    with pytest.warns(UserWarning, match="momentum stays"):
        train(model, optimizer, 1)
    assert "momentum 0.5 as it was, not measured yet: no lasting noise" in repr(auto)
    assert "momentum 0.5, nothing being measured yet" in repr(auto.coupling)
    train(model, optimizer, 300)
    assert f"momentum {MomentumLaw(0.3)(LR):.4g} by C=0.3, measured 1x" in repr(auto)
    auto.remove()
    assert repr(auto) == "AutoMomentum(SGD, removed)"


@pytest.mark.filterwarnings("ignore:momentum stays")
@pytest.mark.parametrize("ours", [False, True])
def test_a_group_that_is_added_is_treated_like_the_others(ours):
    model, told = fresh(), Told("no lasting noise", 0.3)
    optimizer = made(model, told, ours, share=0.5)
    train(model, optimizer, 2)
    other = nn.Parameter(torch.ones(2))
    extra = {"params": [other], "lr": LR / 2, **({} if ours else {"momentum": 0.7})}
    optimizer.add_param_group(extra)
    train(model, optimizer, 2)
    assert optimizer.param_groups[1]["momentum"] == (0.9 if ours else 0.7)
    train(model, optimizer, 2400)
    assert optimizer.param_groups[1]["momentum"] == MomentumLaw(0.3)(LR / 2)


@pytest.mark.filterwarnings("ignore:momentum stays")
@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("found", [False, True])
def test_measuring_goes_on_after_a_load(ours, found):
    model, told = fresh(), Told(0.8) if found else Told("no lasting noise", 0.8)
    optimizer = made(model, told, ours, share=0.5)
    auto = optimizer.auto if ours else None
    train(model, optimizer, 3)
    state = copy.deepcopy(optimizer.state_dict())
    optimizer.load_state_dict(state)
    if ours:
        assert optimizer.auto is auto
        assert (auto.law is not None) == found
    train(model, optimizer, 3000)
    assert optimizer.param_groups[0]["momentum"] == MomentumLaw(0.8)(LR)
    # One that has measured nothing may be brought back to.
    optimizer.load_state_dict(state)
    assert train(model, optimizer, 1) == [MomentumLaw(0.8)(LR) if found else (0.9 if ours else 0.5)]


@pytest.mark.parametrize("ours", [False, True])
def test_a_checkpoint_of_a_plain_optimizer(ours):
    model, told = fresh(), Told(0.8)
    other = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.7)
    optimizer = made(model, told, ours)
    optimizer.load_state_dict(other.state_dict())
    assert optimizer.param_groups[0]["momentum"] == 0.7
    assert train(model, optimizer, 1) == [MomentumLaw(0.8)(LR)]


def test_a_copy_keeps_the_law_and_measures_nothing():
    model, told = fresh(), Told(0.8)
    optimizer = made(model, told, True)
    train(model, optimizer, 1)
    other = copy.deepcopy(optimizer)
    assert other.auto is None
    assert other.coupling.law(0) == MomentumLaw(0.8)


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


def test_weight_decay_and_other_optimizers_are_spoken_of():
    model = fresh()
    told = Told(0.8, 0.8)
    decayed = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.5, weight_decay=0.5)
    auto_momentum(decayed, told, share=0.5)
    with pytest.warns(UserWarning, match=r"weight decay of 0\.5 moves the weights") as seen:
        train(model, decayed, 500)
    assert len(seen) == 1
    adam = torch.optim.Adam(model.parameters(), lr=LR)
    auto_momentum(adam, Told(0.8))
    with pytest.warns(UserWarning, match="beta1"):
        train_any(model, adam)


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


def test_a_checkpoint_has_plain_numbers_alone():
    model = fresh()
    optimizer = plain(model)
    auto_momentum(optimizer, Told(0.8, 0.4))
    train(model, optimizer, 200)
    kept = optimizer.state_dict()["param_groups"][0]["auto"]
    assert kept["found"] > 0
    assert {type(value) for value in kept.values()} <= {int, float}


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
        ({"C": "auto"}, "C='auto' needs measure=, a function from learning rate to calibration"),
        ({"C": 0.5, "measure": Told(0.8)}, "measure= is for C='auto', which it measures"),
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


def test_a_refusal_points_at_the_step_and_says_where_the_budget_goes():
    model = fresh()
    for ours in (True, False):
        optimizer = made(model, Told(Verdict.UNRESOLVED.value), ours)
        with pytest.warns(UserWarning, match=r"inside measure: calibrate\(\.\.\., budget=") as told:
            train(model, optimizer, 1)
        assert [warning.filename for warning in told] == [__file__]
    with pytest.warns(UserWarning, match="momentum stays") as told:
        train(model, made(model, Told(Verdict.NO_SLOPE.value), False), 1)
    assert "budget" not in str(told[0].message)
