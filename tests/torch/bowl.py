"""Heavy-ball SGD on a parabola, by PyTorch and by hand."""

import torch
from torch import nn

from flatfast import MomentumLaw

LAW = MomentumLaw(C=0.5)


def own(law):
    """The same as a function of one's own, which optimizers follow of which there is no law."""
    return lambda lr: law(lr)


CURVATURE, START = 0.7, 1.3


def by_hand(lrs, momenta):
    """The path of heavy-ball SGD on ``CURVATURE * w^2 / 2``, in Python's own floats."""
    weight, velocity, path = START, 0.0, []
    for lr, momentum in zip(lrs, momenta, strict=True):
        velocity = momentum * velocity + CURVATURE * weight
        weight -= lr * velocity
        path.append(weight)
    return path


def weight():
    return nn.Parameter(torch.tensor(START, dtype=torch.float64))


def loss_of(w):
    return CURVATURE * w.square() / 2


def sgd(w, lr=0.1, momentum=0.9, **options):
    return torch.optim.SGD([w], lr=lr, momentum=momentum, **options)


def train(w, optimizer, steps, after=lambda step: None):
    """Rates and weights of a plain loop."""
    rates, path = [], []
    for step in range(steps):
        optimizer.zero_grad()
        loss_of(w).backward()
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        path.append(w.item())
        after(step)
    return rates, path
