"""Models and data that are calibrated."""

import torch
from torch import nn


class Pairs(nn.Module):
    """Outputs ``a x_i y_i``, one for each example: see tests/calibration/plain.py."""

    def __init__(self, examples=40, scale=1.0):
        super().__init__()
        self.x = nn.Parameter(torch.linspace(0.5, 2.0, examples))
        self.y = nn.Parameter(torch.zeros(examples))
        self.scale = scale

    def forward(self, index):
        return self.scale * self.x[index] * self.y[index]


def half_square(noise):
    return lambda outputs, targets: (outputs - noise(targets)).square().sum() / (2 * len(outputs))


INDEX, ZEROS = torch.arange(40), torch.zeros(40)


def network(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), *layers, nn.Tanh(), nn.Linear(16, 4))


def classes(count=60):
    torch.manual_seed(1)
    return torch.randn(count, 6), torch.randint(4, (count,))


def trained(model, loss, data, steps=400):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(data[0]), data[1]).backward()
        optimizer.step()
    return model, optimizer
