"""What is trained: data, network and the three kinds of run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flatfast.lab.images import FASHION_MNIST, load_images
from studies.data import fashion_needs


class Examples(NamedTuple):
    """Inputs (P, D) and classes (P,)."""

    inputs: Tensor
    classes: Tensor


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        name: What it is called.
        examples: Training images.
        batch_size: Examples in a step; 0 for all of them.
        noise_std: Standard deviation of the noise on one-hot targets, with ½MSE; 0 for plain labels
            with cross-entropy.
        interpolating: Whether it starts after noise-free descent, and not from Kaiming's weights.
        steps: Length of a run.
        every: Steps between evaluations.
    """

    name: str
    examples: int
    batch_size: int
    noise_std: float
    interpolating: bool
    steps: int
    every: int


@dataclass(frozen=True)
class Task:
    """A data set and a network.

    Attributes:
        name: What it is called.
        images: All images: pixels in [0, 1], (P, D), and classes (P,).
        width: Width of the hidden layers of the 6-layer perceptron.
        validation: Images by which learning rates are chosen.
        test: Images on which results are reported.
        lrs: Learning rates.
        kinds: Kinds of run.
        needs: What is missing to load the images; empty if nothing is.
    """

    name: str
    images: Callable[[], tuple[NDArray[np.float64], NDArray[np.int64]]]
    width: int
    validation: int
    test: int
    lrs: tuple[float, ...]
    kinds: tuple[Kind, ...]
    needs: Callable[[], str] = lambda: ""

    def split(self, examples: int, seed: int) -> tuple[Examples, Examples, Examples]:
        """Images for training, validation and test, drawn by the seed."""
        pixels, classes = self.images()
        order = np.random.default_rng(seed).permutation(len(pixels))
        bounds = np.cumsum([examples, self.validation, self.test])
        parts = np.split(order, bounds)[:3]
        mean, deviation = pixels[parts[0]].mean(), pixels[parts[0]].std()
        train, validation, test = (
            Examples(
                torch.tensor((pixels[part] - mean) / deviation, dtype=torch.float32),
                torch.tensor(classes[part]),
            )
            for part in parts
        )
        return train, validation, test


def perceptron(inputs: int, width: int, classes: int, seed: int, depth: int = 6) -> nn.Sequential:
    """A ReLU perceptron with Kaiming's initial weights."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for fan_in in (inputs, *[width] * (depth - 2)):
        layer = nn.Linear(fan_in, width)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        layers += [layer, nn.ReLU()]
    last = nn.Linear(width, classes)
    nn.init.kaiming_normal_(last.weight, nonlinearity="linear")
    network = nn.Sequential(*layers, last)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return network


@cache
def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    from sklearn.datasets import load_digits  # here, because it is slow to import

    pixels, classes = load_digits(return_X_y=True)
    return pixels / 16, classes.astype(np.int64)


@cache
def _fashion() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found = load_images(FASHION_MNIST, "", "train", FASHION_IMAGES)
    return found.flat, found.labels


FASHION_IMAGES = 10_000
"""Of which training, validation and test images are drawn."""


def kind_of(row: dict[str, Any]) -> Kind:
    """The kind of a run that was trained."""
    return Kind(**row["kind"])


def _kinds(few: int, many: int, steps: int) -> tuple[Kind, ...]:
    return (
        Kind("label noise, interpolating start", few, 0, 0.5, True, steps, 30),
        Kind("label noise, Kaiming start", few, 0, 0.5, False, steps, 30),
        Kind("minibatch SGD, Kaiming start", many, 20, 0.0, False, steps // 2, 15),
    )


LRS = tuple(0.004 * 2**power for power in range(-2, 6))

TASKS = {
    task.name: task
    for task in (
        Task("digits", _digits, 64, 300, 997, LRS, _kinds(100, 500, 6000)),
        Task("fashion", _fashion, 100, 1000, 4000, LRS, _kinds(500, 5000, 6000), fashion_needs),
    )
}
