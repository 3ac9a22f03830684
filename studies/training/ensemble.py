"""Runs of one kind trained together: one batched product for all of them where a loop has one each.

The arithmetic is that of :func:`studies.training.train.train`, run by run; learning rates and
momenta of the steps are read off the very optimizer, scheduler and coupling that a loop would use.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from flatfast.torch import LabelNoise
from studies.training.methods import Method
from studies.training.tasks import TASKS, Examples, Kind
from studies.training.train import CLASSES, Run, start

Layers = list[tuple[Tensor, Tensor]]
"""Weights (runs, in, out) and biases (runs, 1, out)."""


def train_together(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Train runs of one task and kind.

    Returns:
        For each run what :func:`studies.training.train.train` returns.

    Raises:
        ValueError: If the runs differ in task or kind.
    """
    if len({(run.task, run.kind) for run in runs}) != 1:
        raise ValueError("runs that are trained together must be of one task and one kind")
    torch.set_num_threads(1)
    task, kind = TASKS[runs[0].task], runs[0].kind
    parts = [task.split(kind.examples, run.seed) for run in runs]
    data, validation, test = (_stack(same) for same in zip(*parts, strict=True))
    layers = _layers([start(run.task, kind, run.seed) for run in runs])
    leaves = [leaf for layer in layers for leaf in layer]
    velocities = [torch.zeros_like(leaf) for leaf in leaves]
    lr, momentum = (
        torch.tensor(np.array(values).T[:, :, None, None], dtype=torch.float32)
        for values in zip(*(settings(run.method, kind.steps) for run in runs), strict=True)
    )
    batches = _Batches(kind, [run.seed for run in runs], data)
    finite = torch.ones(len(runs), dtype=torch.bool)
    lengths = torch.ones(len(runs), dtype=torch.int64)
    right = [[_right(layers, examples) for examples in (validation, test)]]
    for step in range(1, kind.steps + 1):
        inputs, targets = batches.draw()
        losses = _losses(_outputs(layers, inputs), targets)
        slopes = torch.autograd.grad(losses.sum(), leaves)
        with torch.no_grad():
            for leaf, velocity, slope in zip(leaves, velocities, slopes, strict=True):
                velocity.mul_(momentum[step - 1]).add_(slope)
                leaf.addcmul_(velocity, lr[step - 1], value=-1)
        if step % kind.every == 0:
            right.append([_right(layers, examples) for examples in (validation, test)])
            lengths += finite
            finite &= losses.detach().isfinite()
            if not finite.any():
                break
    counts = np.array(right)
    return [
        {
            **run.settings(),
            "finite": bool(finite[k]),
            "validation": counts[: lengths[k], 0, k].tolist(),
            "test": counts[: lengths[k], 1, k].tolist(),
        }
        for k, run in enumerate(runs)
    ]


@lru_cache(maxsize=64)
def settings(method: Method, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Learning rate and momentum of every step, (steps,) each."""
    layer = nn.Linear(1, 1)
    optimizer, scheduler = method.optimizer(layer, steps)
    used = np.empty((2, steps))
    for step in range(steps):
        optimizer.zero_grad()
        layer(torch.ones(1)).backward()  # a step without a new gradient is not one of training
        optimizer.step()
        group = optimizer.param_groups[0]
        used[:, step] = group["lr"], group["momentum"]
        scheduler.step()
    return used[0], used[1]


class _Batches:
    """Inputs and targets of each step; runs of one seed share theirs."""

    def __init__(self, kind: Kind, seeds: list[int], data: Examples) -> None:
        self._size, self._data = kind.batch_size, data
        distinct = sorted(set(seeds))
        self._mine = torch.tensor([distinct.index(seed) for seed in seeds])
        self._run = torch.arange(len(seeds))[:, None]
        self._generators = [torch.Generator().manual_seed(seed) for seed in distinct]
        self._noises = (
            [LabelNoise(kind.noise_std, classes=CLASSES, seed=seed) for seed in distinct]
            if kind.noise_std
            else []
        )
        self._first = [seeds.index(seed) for seed in distinct]

    def draw(self) -> tuple[Tensor, Tensor]:
        """Inputs (runs, batch, in); targets (runs, batch, out) with label noise, else classes."""
        inputs, classes = self._data
        if self._size:
            length = classes.shape[1]
            drawn = [
                torch.randint(length, (self._size,), generator=generator)
                for generator in self._generators
            ]
            chosen = torch.stack(drawn)[self._mine]
            inputs, classes = inputs[self._run, chosen], classes[self._run, chosen]
        if not self._noises:
            return inputs, classes
        targets = [
            noise(classes[first]) for noise, first in zip(self._noises, self._first, strict=True)
        ]
        return inputs, torch.stack(targets)[self._mine]


def _stack(parts: Sequence[Examples]) -> Examples:
    return Examples(*(torch.stack(same) for same in zip(*parts, strict=True)))


def _layers(networks: list[nn.Module]) -> Layers:
    linear = [[m for m in network.modules() if isinstance(m, nn.Linear)] for network in networks]
    return [
        (
            torch.stack([layer.weight.detach().T for layer in same]).contiguous().requires_grad_(),
            torch.stack([layer.bias.detach()[None] for layer in same]).requires_grad_(),
        )
        for same in zip(*linear, strict=True)
    ]


def _outputs(layers: Layers, inputs: Tensor) -> Tensor:
    hidden = inputs
    for number, (weight, bias) in enumerate(layers):
        hidden = torch.baddbmm(bias, hidden if number == 0 else hidden.relu(), weight)
    return hidden


def _losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Losses (runs,): cross-entropy of classes, half the mean squared error of targets."""
    if targets.is_floating_point():
        return ((outputs - targets) ** 2).sum((1, 2)) / (2 * outputs.shape[1])
    every = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return every.view(targets.shape).mean(1)


@torch.no_grad()
def _right(layers: Layers, examples: Examples) -> list[int]:
    found = _outputs(layers, examples.inputs).argmax(2) == examples.classes
    right: list[int] = found.sum(1).tolist()
    return right
