"""ResNet-18's shape for small images, with group norm.

A 3 x 3 stem, four stages of basic blocks (He et al., 2016), twice the channels and half the side at
each, the mean of the last maps and a linear layer. Group norm (Wu and He, 2018) stands in for batch
norm, which would make the loss depend on which examples share a batch: here it is a function of the
weights.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.problem import Params
from flatfast.lab.training.mlp import GAINS

STRIDES = (1, 2, 2, 2)
"""Of the four stages."""

MOST_GROUPS, LEAST_CHANNELS = 32, 4
"""Groups of a norm: 32, as Wu and He have it, fewer where a group had fewer than 4 channels."""

Convolve = Callable[[jax.Array, jax.Array, int], jax.Array]
"""``(maps (B, S, S, I), kernel (k, k, I, O), stride) -> (B, S / stride, S / stride, O)``."""


def kaiming(
    channels: int, blocks: int, inputs: int, classes: int, activation: str, seed: int
) -> Params:
    """Kaiming-normal kernels (He et al., 2015), norms that scale by 1, a last layer of gain 1.

    Args:
        channels: Channels of the first stage; 64 in ResNet-18.
        blocks: Blocks of a stage; 2 in ResNet-18.
        inputs: Channels of an image.
        classes: Outputs.
        activation: Its name, which sets the gain.
        seed: Seed of the weights.

    Returns:
        ``stem``, ``stages`` (lists of blocks) and ``head``.
    """
    rng = np.random.default_rng(seed)

    def layer(size: int, ins: int, outs: int) -> dict[str, NDArray[np.float64]]:
        spread = GAINS[activation] / (size * ins**0.5)
        return {
            "kernel": spread * rng.standard_normal((size, size, ins, outs)),
            "scale": np.ones(outs),
            "shift": np.zeros(outs),
        }

    stem = layer(3, inputs, channels)
    stages, ins = [], channels
    for stage, stride in enumerate(STRIDES):
        outs, row = channels * 2**stage, []
        for index in range(blocks):
            block = {"first": layer(3, ins, outs), "second": layer(3, outs, outs)}
            if index == 0 and (stride > 1 or ins != outs):
                block["past"] = layer(1, ins, outs)
            row.append(block)
            ins = outs
        stages.append(row)
    weight = rng.standard_normal((ins, classes)) / ins**0.5
    return {"stem": stem, "stages": stages, "head": {"weight": weight, "bias": np.zeros(classes)}}


def predict(
    params: Params,
    images: jax.Array,
    activate: Callable[[jax.Array], jax.Array],
    convolve: Convolve,
) -> jax.Array:
    """Outputs (B, K) for images (B, S, S, I).

    Args:
        params: As :func:`kaiming` gives them.
        images: The images.
        activate: The activation, elementwise.
        convolve: How a convolution is computed.
    """

    def normed(maps: jax.Array, layer: Any, stride: int) -> jax.Array:
        return group_norm(convolve(maps, layer["kernel"], stride), layer["scale"], layer["shift"])

    maps = activate(normed(images, params["stem"], 1))
    for stage, row in zip(STRIDES, params["stages"], strict=True):
        for index, block in enumerate(row):
            stride = stage if index == 0 else 1
            inner = normed(activate(normed(maps, block["first"], stride)), block["second"], 1)
            past = normed(maps, block["past"], stride) if "past" in block else maps
            maps = activate(inner + past)
    last = jnp.mean(maps, axis=(1, 2))
    found: jax.Array = last @ params["head"]["weight"] + params["head"]["bias"]
    return found


def group_norm(maps: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """Each image's groups of channels to mean 0 and variance 1, then scaled and shifted.

    Args:
        maps: (B, S, S, C).
        scale: (C,).
        shift: (C,).
    """
    batch, channels = len(maps), maps.shape[-1]
    grouped = maps.reshape(batch, -1, groups(channels), channels // groups(channels))
    centred = grouped - jnp.mean(grouped, axis=(1, 3), keepdims=True)
    variance = jnp.mean(centred**2, axis=(1, 3), keepdims=True)
    normed = (centred * jax.lax.rsqrt(variance + 1e-5)).reshape(maps.shape)
    return normed * scale + shift


def groups(channels: int) -> int:
    """Groups of a norm of so many channels, all of one size."""
    most = max(1, min(MOST_GROUPS, channels // LEAST_CHANNELS))
    return max(count for count in range(1, most + 1) if channels % count == 0)
