"""The networks, as PyTorch modules with PyTorch's own initial weights."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def perceptron(inputs: int, width: int, classes: int) -> nn.Module:
    """A ReLU perceptron with two hidden layers, of images (B, ...)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, classes),
    )


class _Turned(nn.Module):
    """Channels first, or last."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.order)


def convolutional(side: int, filters: tuple[int, int], classes: int) -> nn.Module:
    """Two convolutions of stride 2 and a matrix, of images (B, side, side, 1)."""
    last = -(-side // 4)
    return nn.Sequential(
        _Turned(0, 3, 1, 2),
        nn.Conv2d(1, filters[0], 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(filters[0], filters[1], 3, stride=2, padding=1),
        nn.ReLU(),
        _Turned(0, 2, 3, 1),
        nn.Flatten(),
        nn.Linear(last * last * filters[1], classes),
    )


class Transformer(nn.Module):
    """A causal transformer of one block, of texts (B, length) of character numbers.

    Its output is (B, characters, length), as the cross-entropy of PyTorch takes it.
    """

    future: Tensor

    def __init__(self, characters: int, length: int, width: int, heads: int) -> None:
        """Make the layers."""
        super().__init__()
        self.heads = heads
        self.characters, self.places = nn.Embedding(characters, width), nn.Embedding(length, width)
        self.first, self.second, self.last = (nn.LayerNorm(width) for _ in range(3))
        self.attend, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.out = nn.Linear(width, characters)
        self.register_buffer("future", torch.ones(length, length).triu(1).bool())

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the characters that follow."""
        h = self.characters(x) + self.places.weight[: x.shape[1]]
        h = h + self._attended(self.first(h))
        h = h + self.narrow(F.relu(self.widen(self.second(h))))
        logits: Tensor = self.out(self.last(h)).transpose(1, 2)
        return logits

    def _attended(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.attend(x).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = (parts[:, :, n].transpose(1, 2) for n in range(3))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(self.future[:length, :length], -torch.inf)
        found: Tensor = self.mix((scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape))
        return found
