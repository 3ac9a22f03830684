"""What is trained, the sweeps, and the changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from studies.find import twins
from studies.find.networks import Transformer, convolutional, perceptron
from studies.transfer.tasks import LENGTH, Task, tasks, text

State = Literal["scratch", "half-way"]

STATES: tuple[State, ...] = ("scratch", "half-way")

SEEDS = (0, 1, 2)

SHARE = 0.145
"""Of a training that a search may spend; the bar is 0.15."""

LEAST_BUDGET = 250
"""What a search may spend at least: in a quick look that is a larger share."""

MORE = (0.5, 1.0, 2.0)
"""Of a training, further searches from scratch: how much must be spent?"""

MEDIAN, WORST, COST = 1.02, 1.10, 0.15
"""What counts as good enough."""

MOMENTA = (0.0, 0.6, 0.8, 0.9, 0.95, 0.975)
"""Of sweeps."""

FEW_MOMENTA = (0.0, 0.6, 0.9, 0.975)
"""The same where a step is dear."""

AT_RATE = (0.0, 0.4, 0.6, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)
"""Of sweeps at a given learning rate."""

NINE = 0.9

RATE_FACTORS, BATCH_FACTOR = (0.25, 4.0), 2

LATER = 10_000
"""What is added to a seed for the examples of a training's second half and further."""

HEADS = 2

Batches = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class Training:
    """A network, its data, and how long it is trained.

    Attributes:
        name: What it is called.
        about: Data and network in words.
        task: Where its examples are from.
        make: Makes the network.
        outputs: Its twin in JAX.
        steps: Of a training.
        effective: Effective steps of the sweep.
        momenta: Momenta of the sweep.
        changed: Whether learning rate and batch are changed in it.
    """

    name: str
    about: str
    task: Task
    make: Callable[[], nn.Module]
    outputs: twins.Outputs
    steps: int
    effective: tuple[float, ...]
    momenta: tuple[float, ...] = MOMENTA
    changed: bool = False

    def sweep(self) -> list[tuple[float, float]]:
        """Learning rates and momenta of the sweep."""
        return [(step * (1 - m), m) for m in self.momenta for step in self.effective]

    def network(self, seed: int) -> nn.Module:
        """The network with the initial weights of a seed, PyTorch's own."""
        torch.manual_seed(seed)
        return self.make()

    def batches(self, seed: int, factor: int = 1) -> Batches:
        """Those of a training, in their order; of ``factor`` times the examples, so many fewer."""
        size, steps = self.task.batch * factor, self.steps // factor
        found: Batches = []
        later = 0
        while len(found) < steps:
            inputs, targets = map(_tensor, self.task.stream(seed + LATER * later))
            found += list(zip(inputs.split(size), targets.split(size), strict=True))
            later += 1
        return found[:steps]

    def budget(self, factor: int = 1) -> int:
        """Gradients that a search may spend, at a batch of ``factor`` times the examples."""
        return max(int(SHARE * self.steps / factor), LEAST_BUDGET)

    def test(self) -> tuple[Tensor, Tensor]:
        """The examples on which losses are read."""
        inputs, targets = map(_tensor, self.task.test())
        return inputs, targets


def _tensor(values: np.ndarray[Any, Any]) -> Tensor:
    whole = values.dtype.kind in "iu"
    return torch.tensor(values, dtype=torch.int64 if whole else torch.float32)


def _powers(first: float, count: int) -> tuple[float, ...]:
    return tuple(first * 2.0**n for n in range(count))


@cache
def trainings() -> dict[str, Training]:
    """The trainings by name, the cheapest first."""
    known = tasks()
    every = (
        Training(
            "digits",
            "perceptron of 64, 64, 64, 10; digits with fresh noise",
            known["digits"],
            partial(perceptron, 64, 64, 10),
            twins.perceptron,
            steps=4096,
            effective=_powers(0.02, 7),
            changed=True,
        ),
        Training(
            "fashion",
            "perceptron of 196, 100, 100, 10; FashionMNIST at 14 x 14",
            known["fashion"],
            partial(perceptron, 196, 100, 10),
            twins.perceptron,
            steps=4096,
            effective=_powers(0.02, 7),
            changed=True,
        ),
        Training(
            "convolutions",
            "two convolutions of 8 and 16 filters and a matrix; FashionMNIST at 14 x 14",
            known["convolutions"],
            partial(convolutional, 14, (8, 16), 10),
            twins.convolutional,
            steps=2048,
            effective=_powers(0.04, 7),
        ),
        Training(
            "text",
            "transformer of width 32; characters of the help of Python, 32 at once",
            replace(known["text"], batch=4),
            partial(Transformer, len(set(text())), LENGTH, 32, HEADS),
            twins.transformer(HEADS),
            steps=2048,
            effective=_powers(0.3, 5),
            momenta=FEW_MOMENTA,
        ),
    )
    return {training.name: training for training in every}


@cache
def quick() -> dict[str, Training]:
    """One of them, shortened."""
    own = trainings()["digits"]
    return {"digits": replace(own, steps=512, effective=(0.08, 0.32, 1.28), momenta=(0.0, 0.9))}


def needs(training: Training) -> str:
    """What is missing to train it here."""
    return training.task.needs()
