"""One run: train, and count the right answers on the way."""

import copy
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flatfast.torch import LabelNoise
from studies.training.methods import Method
from studies.training.tasks import TASKS, Examples, Kind, perceptron

CLASSES = 10


@dataclass(frozen=True)
class Run:
    """What makes a run what it is.

    Attributes:
        task: Name of a task.
        kind: Kind of run.
        method: Way to train.
        seed: Seed of split, weights, batches and label noise.
    """

    task: str
    kind: Kind
    method: Method
    seed: int

    def settings(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def train(run: Run) -> dict[str, Any]:
    """Train.

    Returns:
        The run's settings, the number of right answers on validation and test images at the start
        and after every ``kind.every`` steps, and whether the loss stayed finite.
    """
    torch.set_num_threads(1)
    task, kind = TASKS[run.task], run.kind
    examples, validation, test = task.split(kind.examples, run.seed)
    network = start(run.task, kind, run.seed)
    optimizer, scheduler = run.method.optimizer(network, kind.steps)
    noise = LabelNoise(kind.noise_std, classes=CLASSES, seed=run.seed)
    generator = torch.Generator().manual_seed(run.seed)
    right = [_right(network, validation, test)]
    finite = True
    for step in range(1, kind.steps + 1):
        batch = _batch(examples, kind.batch_size, generator)
        loss = _loss(network(batch.inputs), batch.classes, noise if kind.noise_std else None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % kind.every == 0:
            right.append(_right(network, validation, test))
            if not torch.isfinite(loss):
                finite = False
                break
    on_validation, on_test = zip(*right, strict=True)
    return {
        **run.settings(),
        "finite": finite,
        "validation": list(on_validation),
        "test": list(on_test),
    }


@lru_cache(maxsize=8)
def _interpolating(task: str, examples: int, seed: int) -> nn.Module:
    """A network after noise-free descent on ½MSE to a loss of 1e-4."""
    data = TASKS[task].split(examples, seed)[0]
    network = perceptron(data.inputs.shape[1], TASKS[task].width, CLASSES, seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    targets = F.one_hot(data.classes, CLASSES).float()
    for _ in range(30_000):
        loss = _half_mse(network(data.inputs), targets)
        if loss < 1e-4:
            return network
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise RuntimeError(f"no interpolating start for {task}, seed {seed}: loss {loss.item():.2g}")


def start(task: str, kind: Kind, seed: int) -> nn.Module:
    """The network before its first step."""
    if kind.interpolating:
        return copy.deepcopy(_interpolating(task, kind.examples, seed))
    pixels = TASKS[task].images()[0].shape[1]
    return perceptron(pixels, TASKS[task].width, CLASSES, seed)


def _batch(examples: Examples, size: int, generator: torch.Generator) -> Examples:
    if size == 0:
        return examples
    chosen = torch.randint(len(examples.classes), (size,), generator=generator)
    return Examples(examples.inputs[chosen], examples.classes[chosen])


def _loss(outputs: Tensor, classes: Tensor, noise: LabelNoise | None) -> Tensor:
    if noise is None:
        return F.cross_entropy(outputs, classes)
    return _half_mse(outputs, noise(classes))


def _half_mse(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(outputs, targets, reduction="sum") / (2 * len(outputs))


@torch.no_grad()
def _right(network: nn.Module, *sets: Examples) -> list[int]:
    return [int((network(s.inputs).argmax(1) == s.classes).sum()) for s in sets]
