"""The rows of the table of optimizers, schedules and ways of making a step.

A new optimizer is a new row of ``OPTIMIZERS``; ``test_table.py`` makes the cells.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import lr_scheduler as schedulers

import flatfast.torch
from flatfast.torch import couple
from tests.torch.bowl import LAW, own
from tests.torch.ways import (
    LR,
    Accumulated,
    Closure,
    Compiled,
    CoupledLast,
    Groups,
    Resumed,
    Scaled,
    Way,
    Wrapped,
)

STEPS = 6


# --- Optimizers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """An optimizer, coupled or left alone.

    Attributes:
        make: The class.
        options: What it is given besides parameters; tensors are made for each optimizer anew.
        ours: Whether it follows by itself; left alone, it is then ``torch.optim.SGD``.
        lawless: Whether there is no law of it; it then follows a function of one's own.
        rounded: Relative error of its own checkpoints.
    """

    make: Callable[..., torch.optim.Optimizer]
    options: dict[str, Any] = field(default_factory=dict)
    ours: bool = False
    lawless: bool = False
    rounded: float = 0.0

    def given(self) -> dict[str, Any]:
        options = {"lr": LR, **self.options}
        return {name: value() if callable(value) else value for name, value in options.items()}

    def coupled(self, parameters):
        if self.ours:
            return self.make(parameters, law=LAW, **self.given())
        optimizer = self.make(parameters, **self.given())
        couple(optimizer, own(LAW) if self.lawless else LAW)
        return optimizer

    def alone(self, parameters):
        make = torch.optim.SGD if self.ours else self.make
        return make(parameters, **self.given())


def double(number):
    return lambda: torch.tensor(number, dtype=torch.float64)


BETAS = {"betas": (0.8, 0.97)}
IN_TENSORS = {"lr": double(LR), "foreach": False}

OPTIMIZERS = {
    "SGD": Kind(torch.optim.SGD, {"momentum": 0.9}),
    "SGD without": Kind(torch.optim.SGD),
    "SGD nesterov": Kind(
        torch.optim.SGD, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.01}
    ),
    "SGD dampened": Kind(torch.optim.SGD, {"momentum": 0.8, "dampening": 0.8}),
    "SGD foreach": Kind(torch.optim.SGD, {"foreach": True}),
    "SGD fused": Kind(torch.optim.SGD, {"fused": True}),
    "SGD tensor": Kind(torch.optim.SGD, IN_TENSORS),
    "ours": Kind(flatfast.torch.SGD, ours=True),
    "ours fused": Kind(flatfast.torch.SGD, {"fused": True}, ours=True),
    "ours tensor": Kind(flatfast.torch.SGD, IN_TENSORS, ours=True),
    "RMSprop": Kind(torch.optim.RMSprop, {"momentum": 0.9}),
    "RMSprop without": Kind(torch.optim.RMSprop),
    "Adam": Kind(torch.optim.Adam, BETAS, lawless=True),
    "Adam fused": Kind(torch.optim.Adam, {**BETAS, "fused": True}, lawless=True),
    "Adam tensor": Kind(
        torch.optim.Adam,
        {**IN_TENSORS, "betas": lambda: (torch.tensor(0.8), torch.tensor(0.97))},
        lawless=True,
    ),
    "AdamW": Kind(torch.optim.AdamW, {**BETAS, "amsgrad": True}, lawless=True),
    "NAdam": Kind(torch.optim.NAdam, BETAS, lawless=True, rounded=1e-6),
    "RAdam": Kind(torch.optim.RAdam, BETAS, lawless=True),
    "Adamax": Kind(torch.optim.Adamax, BETAS, lawless=True),
}
if hasattr(torch.optim, "Muon"):
    OPTIMIZERS["Muon"] = Kind(torch.optim.Muon, lawless=True)


# --- Schedules -----------------------------------------------------------------------------------


class ByHand:
    """Writes the learning rate in the groups, or fills the tensor that is there."""

    rates = (LR, 0.3, 0.3, 0.02, 0.5, LR, LR)

    def __init__(self, optimizer):
        self.optimizer, self.count = optimizer, 0

    def step(self):
        self.count += 1
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(self.rates[self.count])
            else:
                group["lr"] = self.rates[self.count]

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Plateau(schedulers.ReduceLROnPlateau):
    """Of a loss that does not fall."""

    def step(self):
        super().step(1.0)


def chained(optimizer):
    parts = [
        schedulers.LinearLR(optimizer, 0.5, total_iters=4),
        schedulers.ExponentialLR(optimizer, 0.8),
    ]
    return schedulers.ChainedScheduler(parts)


def sequential(optimizer):
    parts = [
        schedulers.LinearLR(optimizer, 0.01, total_iters=3),
        schedulers.ExponentialLR(optimizer, 0.7),
    ]
    return schedulers.SequentialLR(optimizer, parts, milestones=[3])


SCHEDULES = {
    "constant": lambda o: schedulers.ConstantLR(o, 1.0),
    "by hand": ByHand,
    "from 0": lambda o: schedulers.LambdaLR(o, lambda step: step / 4),
    "cosine to 0": lambda o: schedulers.CosineAnnealingLR(o, T_max=STEPS - 1),
    "restarts": lambda o: schedulers.CosineAnnealingWarmRestarts(o, T_0=2, T_mult=2),
    "one cycle": lambda o: schedulers.OneCycleLR(
        o, max_lr=0.4, total_steps=STEPS + 1, cycle_momentum=False
    ),
    "sequential": sequential,
    "chained": chained,
    "plateau": lambda o: Plateau(o, factor=0.5, patience=1),
}


# --- Cells ------------------------------------------------------------------------------------

WAYS = {
    "plain": Way(),
    "groups": Groups(),
    "coupled last": CoupledLast(),
    "closure": Closure(),
    "accumulated": Accumulated(),
    "scaled": Scaled(),
    "resumed": Resumed(),
    "wrapped": Wrapped(),
    "compiled": Compiled(),
}

COMPILED = {("ours", "by hand"), ("ours", "cosine to 0"), ("ours tensor", "cosine to 0")}
"""Cells of the way that takes longest; more of it is in the tests of compiled steps."""


def is_cell(optimizer, schedule, way):
    """Any two of the three meet; all three do for SGD, coupled and ours."""
    if way == "compiled":
        return (optimizer, schedule) in COMPILED
    if way == "coupled last" and OPTIMIZERS[optimizer].ours:
        return False
    return way == "plain" or schedule == "by hand" or optimizer in ("SGD", "ours")


CELLS = [cell for cell in itertools.product(OPTIMIZERS, SCHEDULES, WAYS) if is_cell(*cell)]
