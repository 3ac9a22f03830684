"""A small network and its training, in one precision or another."""

import math

import torch
from torch import nn

from flatfast import MomentumLaw

LAW = MomentumLaw(C=0.5)


def network(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def train(model, step, optimizer, steps, lr=None):
    """Weights after some steps on random data, with a learning rate for each."""
    dtype = next(model.parameters()).dtype
    for number in range(steps):
        x = torch.randn(5, 6, generator=torch.Generator().manual_seed(number)).to(dtype)
        optimizer.zero_grad()
        sign = -1 if optimizer.defaults["maximize"] else 1  # downhill either way
        (sign * (model(x) - x[:, :2]).square().mean()).backward()
        if lr is not None:
            optimizer.param_groups[0]["lr"] = lr(number)
        step()
    return [p.detach().clone() for p in model.parameters()]


def cosine(step):
    return 0.05 * (1 + math.cos(step / 20))
