"""The lab's networks in PyTorch, as functions of the same parameters, and their products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from flatfast.lab.training.resnet import STRIDES, groups

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),  # JAX's
}


@dataclass(frozen=True)
class Dense:
    """A product with an (inputs, outputs) matrix."""

    inputs: int
    outputs: int

    def flops(self, examples: int) -> float:
        """Of the forward pass."""
        return 2.0 * examples * self.inputs * self.outputs


@dataclass(frozen=True)
class Convolution:
    """A convolution with a square kernel.

    Attributes:
        side: Of the maps it reads.
        size: Of the kernel.
        stride: Between places.
        inputs: Channels in.
        outputs: Channels out.
    """

    side: int
    size: int
    stride: int
    inputs: int
    outputs: int

    @property
    def places(self) -> int:
        """Where the kernel is laid, in a map."""
        return (-(-self.side // self.stride)) ** 2

    def flops(self, examples: int) -> float:
        """Of the forward pass; places beyond the edge count as if they were there."""
        return 2.0 * examples * self.places * self.size**2 * self.inputs * self.outputs


Product = Dense | Convolution


def perceptron(activation: str) -> Callable[[Any, Tensor], Tensor]:
    """``(params, inputs (P, D)) -> outputs (P, K)`` of the lab's perceptron."""
    activate = ACTIVATIONS[activation]

    def predict(params: Any, inputs: Tensor) -> Tensor:
        for layer in params[:-1]:
            inputs = activate(torch.addmm(layer["bias"], inputs, layer["weight"]))
        return torch.addmm(params[-1]["bias"], inputs, params[-1]["weight"])

    return predict


def perceptron_products(params: Any, side: int) -> tuple[Product, ...]:
    """Layer by layer."""
    return tuple(Dense(*layer["weight"].shape) for layer in params)


def resnet(activation: str) -> Callable[[Any, Tensor], Tensor]:
    """``(params, images (P, C, S, S)) -> outputs (P, K)`` of the lab's residual network."""
    activate = ACTIVATIONS[activation]

    def normed(maps: Tensor, layer: Any, stride: int) -> Tensor:
        kernel = layer["kernel"]
        found = F.conv2d(maps, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        return F.group_norm(found, groups(len(kernel)), layer["scale"], layer["shift"])

    def predict(params: Any, images: Tensor) -> Tensor:
        maps = activate(normed(images, params["stem"], 1))
        for stage, row in zip(STRIDES, params["stages"], strict=True):
            for index, block in enumerate(row):
                stride = stage if index == 0 else 1
                inner = normed(activate(normed(maps, block["first"], stride)), block["second"], 1)
                past = normed(maps, block["past"], stride) if "past" in block else maps
                maps = activate(inner + past)
        found: Tensor = maps.mean((2, 3)) @ params["head"]["weight"] + params["head"]["bias"]
        return found

    return predict


def resnet_products(params: Any, side: int) -> tuple[Product, ...]:
    """Convolution by convolution, and the last layer."""

    def convolution(layer: Any, side: int, stride: int) -> Convolution:
        outputs, inputs, size, _ = layer["kernel"].shape
        return Convolution(side, size, stride, inputs, outputs)

    found: list[Product] = [convolution(params["stem"], side, 1)]
    for stage, row in zip(STRIDES, params["stages"], strict=True):
        for index, block in enumerate(row):
            stride = stage if index == 0 else 1
            if "past" in block:
                found.append(convolution(block["past"], side, stride))
            found.append(convolution(block["first"], side, stride))
            side = -(-side // stride)
            found.append(convolution(block["second"], side, 1))
    return (*found, Dense(*params["head"]["weight"].shape))
