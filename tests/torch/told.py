"""Optimizers whose prefactor is measured, by a calibration that says what it was told to."""

import torch
from torch import nn

import flatfast.torch
from flatfast.torch import auto_momentum
from flatfast.torch.auto import SHARE
from tests.made_up import made_up_calibration

LR = 0.1


class Told:
    """Gives the prefactors it was told to, one after the other, and counts."""

    def __init__(self, *prefactors):
        self.prefactors, self.asked = list(prefactors), []

    def __call__(self, lr):
        self.asked.append(lr)
        told = self.prefactors[min(len(self.asked), len(self.prefactors)) - 1]
        if isinstance(told, str):
            return made_up_calibration(C=9.0, lr=lr, doubt=told)
        return made_up_calibration(C=told, lr=lr)


def fresh():
    torch.manual_seed(0)
    return nn.Linear(2, 1)


def plain(model):
    return torch.optim.SGD(model.parameters(), lr=LR, momentum=0.5)


def made(model, told, ours, share=SHARE):
    """Either kind of optimizer, measured."""
    if not ours:
        optimizer = plain(model)
        auto_momentum(optimizer, told, share=share)
        return optimizer
    optimizer = flatfast.torch.SGD(model.parameters(), lr=LR, C="auto", measure=told)
    optimizer.auto.share = share
    return optimizer


def train(model, optimizer, steps):
    used = []
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).square().sum().backward()
        optimizer.step()
        used.append(optimizer.param_groups[0]["momentum"])
    return used


def train_any(model, optimizer):
    optimizer.zero_grad()
    model(torch.ones(3, 2)).square().sum().backward()
    optimizer.step()
