"""The law with its first correction, on the host and where the learning rate is a tensor."""

import pytest
import torch

from flatfast import MomentumLaw
from flatfast.torch import couple
from flatfast.torch.laws import momentum_on_device
from tests.torch.assertions import assert_used

LAW = MomentumLaw(0.168, correction=1.24)


@pytest.mark.parametrize("lr", [0.002, 0.18])
def test_the_same_momentum_on_host_and_device(lr):
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=lr, momentum=0.9)
    couple(optimizer, LAW)
    weight.sum().backward()
    optimizer.step()
    assert_used(optimizer, LAW)
    found = momentum_on_device(LAW, torch.tensor(lr, dtype=torch.float64))
    assert found.item() == pytest.approx(LAW(lr), rel=1e-12)
