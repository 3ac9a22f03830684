"""Every way of making a step, and which of them are steps of the training."""

import math

import pytest
import torch
from torch import nn

from flatfast import MomentumLaw
from flatfast.torch import couple
from tests.torch.bowl import CURVATURE, LAW, START, by_hand, loss_of, sgd, train, weight



def test_gradients_set_to_none_or_missing():
    used, unused = weight(), weight()
    optimizer = torch.optim.SGD([used, unused], lr=0.1)
    couple(optimizer, LAW)
    path = []
    for _ in range(4):
        optimizer.zero_grad(set_to_none=True)
        loss_of(used).backward()
        optimizer.step()
        path.append(used.item())
    assert path == pytest.approx(by_hand([0.1] * 4, [LAW(0.1)] * 4), rel=1e-9)
    assert unused.item() == START


def test_a_closure():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(w)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(4)]
    path = by_hand([0.1] * 4, [LAW(0.1)] * 4)
    assert losses == pytest.approx([CURVATURE * x**2 / 2 for x in [START, *path[:3]]])


def test_sparse_gradients():
    """An embedding with sparse gradients takes the steps of a dense one, every row in use."""
    tables = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(4, 3, sparse=sparse)
        optimizer = torch.optim.SGD(table.parameters(), lr=0.1)
        couple(optimizer, LAW)
        for step in range(6):
            optimizer.zero_grad()
            table(torch.tensor([0, 1, 2, 3, step % 4])).square().sum().backward()
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
            optimizer.step()
        tables.append(table.weight.detach())
    torch.testing.assert_close(*tables)


def test_a_grad_scaler_skips_the_step_and_the_momentum_alike():
    w = nn.Parameter(torch.tensor(START))
    optimizer = sgd(w)
    coupling = couple(optimizer, LAW, total_steps=100)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    path = []
    for step in range(4):
        optimizer.zero_grad()
        scaler.scale(loss_of(w) * (math.inf if step == 1 else 1)).backward()
        scaler.step(optimizer)
        scaler.update()
        path.append(w.item())
    expected = by_hand([0.1] * 3, [LAW(0.1)] * 3)
    assert path == pytest.approx([expected[0], expected[0], expected[1], expected[2]], rel=1e-5)
    assert optimizer.param_groups[0]["coupled_steps"] == 3
    assert coupling.groups()[0].momentum == LAW(0.1)


def test_accumulated_gradients():
    w = weight()
    optimizer = sgd(w)
    couple(optimizer, LAW)
    path = []
    for _ in range(4):
        optimizer.zero_grad()
        for _ in range(5):
            (loss_of(w) / 5).backward()
        optimizer.step()
        path.append(w.item())
    assert path == pytest.approx(by_hand([0.1] * 4, [LAW(0.1)] * 4), rel=1e-9)
