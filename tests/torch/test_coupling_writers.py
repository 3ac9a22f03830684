"""Others that write the momentum, or mean something else by it."""

import gc
import warnings

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple
from tests.torch.bowl import LAW, own, sgd, train, weight


def cycling(name, optimizer):
    if name == "OneCycleLR":
        return schedulers.OneCycleLR(optimizer, max_lr=0.4, total_steps=40)
    return schedulers.CyclicLR(optimizer, base_lr=0.1, max_lr=0.4, step_size_up=10)


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_scheduler_that_cycles_momentum_is_named(name):
    optimizer = sgd(weight())
    scheduler = cycling(name, optimizer)
    with pytest.raises(MomentumConflictError, match=f"{name} writes the momentum"):
        couple(optimizer, LAW)
    assert scheduler.optimizer is optimizer


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_a_scheduler_that_comes_later_is_named_too(name):
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    train(w, optimizer, 2)
    scheduler = cycling(name, optimizer)
    with pytest.raises(MomentumConflictError, match=f"{name} writes the momentum"):
        train(w, optimizer, 3, after=lambda step: scheduler.step())


def test_a_hand_that_writes_momentum_is_reported():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    train(w, optimizer, 2)
    optimizer.param_groups[0]["momentum"] = 0.5
    with pytest.raises(MomentumConflictError, match=r"parameter group 0 was set to 0\.5"):
        train(w, optimizer, 1)


def test_coupling_twice_is_refused():
    optimizer = sgd(weight())
    couple(optimizer, LAW)
    with pytest.raises(MomentumConflictError, match="already"):
        couple(optimizer, LAW)


def test_a_hand_that_writes_before_the_first_step_is_reported_too():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    optimizer.param_groups[0]["momentum"] = 0.5
    with pytest.raises(MomentumConflictError, match=r"parameter group 0 was set to 0\.5"):
        train(w, optimizer, 1)


def test_coupling_many_optimizers_does_not_search_all_objects(monkeypatch):
    searches = []
    monkeypatch.setattr(gc, "get_objects", lambda: searches.append(1) or [])
    for _ in range(20):
        optimizer = sgd(weight())
        schedulers.ExponentialLR(optimizer, 0.9)
        couple(optimizer, LAW)
    assert not searches


# --- Hooks of others -----------------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False], ids=["hook first", "couple first"])
def test_a_hook_that_sets_the_learning_rate_is_followed_in_its_step(before):
    w = weight()
    optimizer = sgd(w)
    rates, used = iter([0.1, 0.2, 0.2, 0.4]), []
    turn = lambda o, *_: o.param_groups[0].update(lr=next(rates))  # noqa: E731
    if before:
        optimizer.register_step_pre_hook(turn)
    coupling = couple(optimizer, LAW)
    if not before:
        handle = optimizer.register_step_pre_hook(turn)
    for _ in range(4):
        w.grad = torch.ones_like(w)
        optimizer.step()
        used.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
    assert used == [(lr, LAW(lr)) for lr in (0.1, 0.2, 0.2, 0.4)]
    if not before:
        handle.remove()
        train(w, optimizer, 1)  # the rates are at an end
    coupling.remove()
    assert not optimizer._optimizer_step_post_hooks
    optimizer.register_step_pre_hook(lambda *_: None)


# --- Other momenta -------------------------------------------------------------------------------


class Interpolating(torch.optim.Optimizer):
    """As schedule-free SGD: the weights in use are computed from those in training by momentum."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.1, "momentum": 0.9})

    def train(self):
        pass

    def eval(self):
        pass


class Own(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {"lr": 0.1, "momentum": 0.9})


class OwnSGD(torch.optim.SGD):
    pass


def test_an_interpolation_is_refused():
    optimizer = Interpolating([weight()])
    with pytest.raises(ValueError, match="Interpolating cannot be coupled"):
        couple(optimizer, LAW)
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert not optimizer._optimizer_step_pre_hooks


def test_a_momentum_that_is_not_known_is_doubted():
    with pytest.warns(UserWarning, match="momentum of Own is taken for the factor of a velocity"):
        couple(Own([weight()]), LAW)
    with pytest.warns(UserWarning, match="Muon's momentum is the weight of an average"):
        couple(torch.optim.Muon([torch.nn.Parameter(torch.ones(2, 2))]), own(LAW))


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.RMSprop, OwnSGD])
def test_one_that_is_known_is_not(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        couple(kind([weight()], lr=0.1), LAW)


def test_a_scheduler_s_warm_up_hides_no_beta():
    """At learning rate 0 the warning's example is for where the warm-up leads."""
    optimizer = torch.optim.AdamW([weight()], lr=0.1)
    schedulers.LambdaLR(optimizer, lambda step: step / 10)
    with pytest.warns(UserWarning, match=r"at learning rate 0.1 from 0.9 to 0.8923"):
        couple(optimizer, own(LAW))


# --- Averages whose bias is corrected ------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.Adamax])
def test_steps_over_the_learning_rate_grow_when_it_falls(kind):
    """As the warning says: a full average, under a constant gradient, is divided anew.

    After n steps at beta it is 1 - beta^n, and k steps at another, 1 - beta^n other^k. PyTorch
    divides it by 1 - other^(n + k).
    """
    law, n = MomentumLaw.from_reference(0.1, 0.9), 100
    w = nn.Parameter(torch.tensor(0.0, dtype=torch.float64))
    options = {} if kind is torch.optim.Adamax else {"eps": 0.0}
    optimizer = kind([w], lr=0.1, weight_decay=0.0, **options)
    with pytest.warns(
        UserWarning, match=r"1 - beta1\^step.*grow against.*for a while after it falls"
    ):
        couple(optimizer, own(law))

    def moved():
        before = w.item()
        w.grad = torch.ones_like(w)
        optimizer.step()
        return (before - w.item()) / optimizer.param_groups[0]["lr"]

    assert [moved() for _ in range(n)][-1] == pytest.approx(1)
    optimizer.param_groups[0]["lr"] = 0.001
    beta, other = law(0.1), law(0.001)
    expected = [(1 - beta**n * other**k) / (1 - other ** (n + k)) for k in range(1, 401)]
    assert expected[0] == pytest.approx(2.67, abs=0.01)
    assert expected[-1] < 1.15
    assert [moved() for _ in expected] == pytest.approx(expected, rel=1e-6)


# --- Velocities of little precision --------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "lr", "said"),
    [
        (torch.bfloat16, 1e-4, True),
        (torch.bfloat16, 1e-2, False),
        (torch.float16, 1e-4, False),
        (torch.float16, 2e-5, True),
        (torch.float32, 1e-9, False),
    ],
    ids=str,
)
def test_a_velocity_that_cannot_decay_is_told_once(dtype, lr, said):
    """And exactly where it cannot: a velocity, left alone, is looked at after a step."""
    w = nn.Parameter(torch.ones(64, dtype=dtype))
    law = MomentumLaw(C=0.464, max_momentum=1 - 1e-5)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        optimizer = torch.optim.SGD([w], lr=lr)
        couple(optimizer, law)
        w.grad = torch.linspace(1, 2, 65)[:64].to(dtype)
        optimizer.step()
        velocity = optimizer.state[w]["momentum_buffer"].clone()
        w.grad.zero_()
        for _ in range(3):
            optimizer.param_groups[0]["lr"] = lr * (1 - 1e-9)
            optimizer.step()
    stuck = (optimizer.state[w]["momentum_buffer"] == velocity).any().item()
    assert [str(dtype).removeprefix("torch.") in str(w.message) for w in told] == [True] * said
    assert stuck == said
