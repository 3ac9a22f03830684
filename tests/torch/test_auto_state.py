"""Checkpoints, copies, groups and the end of an optimizer whose prefactor is measured."""

import copy

import pytest
import torch
from torch import nn

import flatfast.torch
from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, auto_momentum
from tests.torch.assertions import assert_used
from tests.torch.told import LR, Told, fresh, made, plain, train


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
    train(model, optimizer, 240)
    assert_used(optimizer, MomentumLaw(0.3))


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
    train(model, optimizer, 240)
    assert_used(optimizer, MomentumLaw(0.8))
    assert len(told.asked) == 2
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


@pytest.mark.parametrize("ours", [False, True])
def test_a_resumed_training_is_the_unbroken_one(ours):
    model = fresh()
    optimizer = made(model, Told(0.8, 0.4), ours, share=0.5)
    train(model, optimizer, 300)  # with two measurements
    kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    kept = {name: {**state} for name, state in kept.items()}
    kept["model"] = {name: value.clone() for name, value in kept["model"].items()}
    told = Told(0.2)
    rest = train(model, optimizer, 150)
    again = fresh()
    resumed = made(again, told, ours, share=0.5)
    again.load_state_dict(kept["model"])
    resumed.load_state_dict(kept["optimizer"])
    assert resumed.param_groups[0]["auto"]["steps"] == 300
    assert not told.asked
    assert train(again, resumed, 150) == rest
    assert not told.asked


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
