"""Problems whose throughput is measured: the lab's, and the same in PyTorch.

The same start, the same label noise and the same step; matrix sensing in PyTorch starts at the
identity, which costs the same. Images are made up: what a step costs does
not depend on what they show.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from benchmarks.networks import (
    Convolution,
    Dense,
    Product,
    perceptron,
    perceptron_products,
    resnet,
    resnet_products,
)
from flatfast.lab.images import CIFAR10, FASHION_MNIST, ImageSet
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import defaults, load
from flatfast.lab.problems._classifier import Images, averaged_down, image_data

Tree = Any
"""Parameters: nested lists and dictionaries of tensors."""

Predict = Callable[[Tree, Tensor], Tensor]

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A problem in both libraries.

    Attributes:
        name: The problem's.
        problem: The lab's.
        start: Where runs begin: PyTorch's parameters.
        predict: ``(params, inputs) -> outputs``.
        inputs: (P, ...).
        targets: (P,) or (P, K).
        noise_std: Of the label noise.
        products: Of a step's forward pass, the first of them that of the inputs.
    """

    name: str
    problem: Problem
    start: Tree
    predict: Predict
    inputs: Tensor
    targets: Tensor
    noise_std: float
    products: tuple[Product, ...] = field(default=())

    @property
    def flops(self) -> float:
        """Of the products of one step of one run: forward, and back to weights and inputs.

        The first layer's inputs need no gradient.
        """
        examples = len(self.inputs)
        return sum(p.flops(examples) * (2 if k == 0 else 3) for k, p in enumerate(self.products))

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        """Those among the products."""
        return tuple(p for p in self.products if isinstance(p, Convolution))


def matrix_sensing(dimension: int = 20, examples: int = 120) -> Case:
    """Matrix sensing from the identity, measurements drawn anew: of full batch."""
    settings: dict[str, Scalar] = {"dimension": dimension, "examples": examples}
    rng = np.random.default_rng(0)
    raw = rng.standard_normal((examples, dimension, dimension))
    symmetric = ((raw + raw.transpose(0, 2, 1)) / np.sqrt(2)).reshape(examples, -1)
    factor = rng.standard_normal((dimension, 2)) / np.sqrt(dimension)

    def predict(factor: Tensor, rows: Tensor) -> Tensor:
        found: Tensor = rows @ (factor @ factor.T).flatten()
        return found

    return Case(
        "matrix-sensing",
        load("matrix-sensing", settings),
        torch.eye(dimension),
        predict,
        torch.tensor(symmetric, dtype=torch.float32),
        torch.tensor(symmetric @ (factor @ factor.T).ravel(), dtype=torch.float32),
        0.1,
        # Those with the factor, 14% of a step's operations at this size, are left out.
        (Dense(dimension**2, 1),),
    )


def fashion_mlp(settings: Mapping[str, Scalar] | None = None) -> Case:
    """The perceptron on images of FashionMNIST's shape."""
    problem, images = made_up("fashion-mlp", settings)
    predict = perceptron(str(problem.settings["activation"]))
    return _case(problem, predict, torch.tensor(images.train), images, perceptron_products)


def cifar_resnet(settings: Mapping[str, Scalar] | None = None) -> Case:
    """The residual network on images of CIFAR-10's shape."""
    problem, images = made_up("cifar-resnet", settings)
    side = int(problem.settings["side"])
    images = averaged_down(images, CIFAR10.shape, side)
    maps = torch.tensor(images.train).reshape(-1, side, side, CIFAR10.shape[2]).permute(0, 3, 1, 2)
    predict = resnet(str(problem.settings["activation"]))
    return _case(problem, predict, maps.contiguous(), images, resnet_products)


READS: dict[str, ImageSet] = {"fashion-mlp": FASHION_MNIST, "cifar-resnet": CIFAR10}
"""What images a problem is made for."""

CASES: dict[str, Callable[..., Case]] = {
    "matrix-sensing": matrix_sensing,
    "fashion-mlp": fashion_mlp,
    "cifar-resnet": cifar_resnet,
}


def made_up(name: str, settings: Mapping[str, Scalar] | None = None) -> tuple[Problem, Images]:
    """A problem of the lab on made-up images, without phase 1, and what it has read of them.

    Args:
        name: One of :data:`READS`.
        settings: Those that differ from its defaults.
    """
    images = READS[name]
    with tempfile.TemporaryDirectory() as folder:
        wanted = {**defaults(name), **(settings or {})}
        numbers = (int(wanted[n]) for n in ("examples", "test_examples"))
        image_folder(Path(folder), images, *numbers)
        problem = load(name, {"start": "init", "data": folder, **(settings or {})})
        known = problem.settings
        count, tested, seed = (int(known[n]) for n in ("examples", "test_examples", "data_seed"))
        return problem, image_data(images, folder, count, tested, seed)[0]


def _case(
    problem: Problem,
    predict: Predict,
    inputs: Tensor,
    images: Images,
    products: Callable[[Tree, int], tuple[Product, ...]],
) -> Case:
    start = jax.tree.map(_tensor, problem.start())
    one_hot = torch.nn.functional.one_hot(torch.tensor(images.train_classes), CLASSES).float()
    noise = float(problem.settings["noise_std"])
    counted = products(start, inputs.shape[-1])
    return Case(problem.name, problem, start, predict, inputs.float(), one_hot, noise, counted)


def _tensor(leaf: Any) -> Tensor:
    """A leaf of the lab's parameters; kernels as PyTorch has them, outputs and inputs first."""
    found = torch.tensor(np.asarray(leaf), dtype=torch.float32)
    return found.permute(3, 2, 0, 1).contiguous() if found.ndim == 4 else found


def image_folder(folder: Path, images: ImageSet, train: int, test: int) -> None:
    """Write images of noise in the hub's layout, as raw pixels; as many of each class, or more."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        count = -(-count // images.classes) * images.classes
        pixels = rng.integers(0, 256, (count, *images.shape), dtype=np.uint8)
        labels = np.arange(count) % images.classes
        table = pa.table({"image": [image.tobytes() for image in pixels], "label": labels})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
