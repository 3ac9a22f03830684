"""A gauge where learning rate and weights are on a GPU: nothing waits for it until it is read."""

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import flatfast.torch
from flatfast.torch import Gauge, LargestCurvature
from tests.torch.bowl import LAW

pytestmark = pytest.mark.gpu


def test_a_learning_rate_on_the_device_is_read_when_it_is_asked_for(tmp_path):
    w = nn.Parameter(torch.ones(3, device="cuda"))
    lr = torch.tensor(0.1, device="cuda", dtype=torch.float64)
    optimizer = flatfast.torch.SGD([w], lr=lr, law=LAW)
    gauge = Gauge(optimizer)
    gauge.page(tmp_path / "run.html", every=1000)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(4):
            lr.fill_(0.1 * (number + 1))
            w.grad = torch.ones_like(w)
            optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found = gauge.readings()
    assert found["lr"] == pytest.approx(0.4)
    assert found["momentum"] == pytest.approx(LAW(0.4))
    told = [point.groups[0].lr for point in gauge._history.points()]
    assert told == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.4])


def test_curvature_is_that_of_the_host():
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 1)).to(device)
        x = torch.linspace(-1, 1, 60).reshape(12, 5).to(device)
        found.append(LargestCurvature(model, mse_loss, (x, x[:, :1]))().value)
    assert found[0] == pytest.approx(found[1], rel=0.02)
