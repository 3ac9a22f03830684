"""Checkpoints and copies of a coupled optimizer."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

from flatfast import MomentumLaw
from flatfast.torch import MomentumConflictError, couple
from flatfast.torch.groups import LEAST
from tests.torch.bowl import LAW, by_hand, loss_of, sgd, train, weight



def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))


def setting(total_steps=None):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, weight_decay=1e-3)
    coupling = couple(optimizer, LAW, total_steps=total_steps)
    return model, optimizer, schedulers.CosineAnnealingLR(optimizer, T_max=20), coupling


def steps_of(model, optimizer, scheduler, first, last):
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(7, 5, generator=generator)
        optimizer.zero_grad()
        (model(x) - x[:, :1]).square().mean().backward()
        optimizer.step()
        scheduler.step()


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("total_steps", [None, 20])
@pytest.mark.parametrize("broken_at", range(0, 20, 3))
def test_a_resumed_run_is_bitwise_the_unbroken_one(broken_at, total_steps):
    model, optimizer, scheduler, _ = setting(total_steps)
    steps_of(model, optimizer, scheduler, 0, 20)
    unbroken = weights(model)

    model, optimizer, scheduler, _ = setting(total_steps)
    steps_of(model, optimizer, scheduler, 0, broken_at)
    saved = copy.deepcopy([part.state_dict() for part in (model, optimizer, scheduler)])

    model, optimizer, scheduler, coupling = setting(total_steps)
    for part, state in zip((model, optimizer, scheduler), saved, strict=True):
        part.load_state_dict(state)
    steps_of(model, optimizer, scheduler, broken_at, 20)
    assert all(torch.equal(a, b) for a, b in zip(weights(model), unbroken, strict=True))
    written = optimizer.param_groups[0]["momentum"]  # LEAST for 0, at the last of total_steps
    assert max(coupling.groups()[0].momentum, LEAST) == written


def test_checkpoints_with_and_without_the_coupling_are_the_same():
    model, optimizer, scheduler, _ = setting()
    steps_of(model, optimizer, scheduler, 0, 4)
    plain_model = network()
    plain = torch.optim.SGD(plain_model.parameters(), lr=0.1)
    plain.load_state_dict(optimizer.state_dict())
    assert plain.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]

    # and back: a plain checkpoint, taken at another momentum, is no conflict
    plain.param_groups[0]["momentum"] = 0.123
    optimizer.load_state_dict(plain.state_dict())
    steps_of(model, optimizer, scheduler, 4, 5)
    assert optimizer.param_groups[0]["momentum"] != 0.123
