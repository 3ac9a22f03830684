"""Others that write the momentum, or mean something else by it."""

import pytest
import torch
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple
from tests.torch.bowl import LAW, by_hand, loss_of, sgd, train, weight



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
