"""The networks: initial weights and outputs, as plain functions of JAX.

Images are (B, side, side, channels) and become logits (B, classes); texts (B, length) of character
numbers become logits (B, length, characters). Convolutions are products with patches, which many
networks at once do as one batched product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Weights = dict[str, Any]
"""A network's weights by name, those of a block in a dictionary of its own."""


@dataclass(frozen=True)
class Network:
    """A network to be trained.

    Attributes:
        start: Initial weights from a random key.
        outputs: Logits of weights and inputs.
    """

    start: Callable[[Array], Weights]
    outputs: Callable[[Weights, Array], Array]


def _matrix(key: Array, fan_in: int, fan_out: int, gain: float = 2.0) -> Array:
    return jax.random.normal(key, (fan_in, fan_out)) * jnp.sqrt(gain / fan_in)


def perceptron(inputs: int, width: int, layers: int, classes: int) -> Network:
    """A ReLU perceptron of ``layers`` matrices, with Kaiming's initial weights."""
    sizes = [inputs, *[width] * (layers - 1), classes]

    def start(key: Array) -> Weights:
        keys = jax.random.split(key, layers)
        return {
            _name("layer", n, layers): {
                "matrix": _matrix(keys[n], sizes[n], sizes[n + 1], 2.0 if n < layers - 1 else 1.0),
                "shift": jnp.zeros(sizes[n + 1]),
            }
            for n in range(layers)
        }

    def outputs(weights: Weights, x: Array) -> Array:
        x = x.reshape(len(x), -1)
        for n in range(layers):
            layer = weights[_name("layer", n, layers)]
            x = (x if n == 0 else jax.nn.relu(x)) @ layer["matrix"] + layer["shift"]
        return x

    return Network(start, outputs)


def _name(kind: str, number: int, count: int) -> str:
    """The last layer is called ``out``: Muon leaves it to Adam."""
    return "out" if number == count - 1 else f"{kind}{number}"


def patches(x: Array, stride: int) -> Array:
    """The 3 x 3 patches of images, (B, h, w, 9 channels) from (B, side, side, channels)."""
    side = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = [
        padded[:, i : i + side : stride, j : j + side : stride, :]
        for i in range(3)
        for j in range(3)
    ]
    return jnp.concatenate(rows, axis=-1)


def _convolved(x: Array, layer: Weights, stride: int = 1) -> Array:
    found: Array = patches(x, stride) @ layer["matrix"] + layer["shift"]
    return found


def _kernel(key: Array, channels: int, filters: int) -> Weights:
    return {"matrix": _matrix(key, 9 * channels, filters), "shift": jnp.zeros(filters)}


def convolutional(side: int, channels: int, filters: tuple[int, int], classes: int) -> Network:
    """Two convolutions of stride 2 and a matrix."""
    last = -(-side // 4)

    def start(key: Array) -> Weights:
        first, second, third = jax.random.split(key, 3)
        flat = last * last * filters[1]
        return {
            "layer0": _kernel(first, channels, filters[0]),
            "layer1": _kernel(second, filters[0], filters[1]),
            "out": {"matrix": _matrix(third, flat, classes, 1.0), "shift": jnp.zeros(classes)},
        }

    def outputs(weights: Weights, x: Array) -> Array:
        x = jax.nn.relu(_convolved(x, weights["layer0"], 2))
        x = jax.nn.relu(_convolved(x, weights["layer1"], 2))
        return _last(x.reshape(len(x), -1), weights)

    return Network(start, outputs)


def _last(x: Array, weights: Weights) -> Array:
    found: Array = x @ weights["out"]["matrix"] + weights["out"]["shift"]
    return found


def residual(channels: int, width: int, classes: int) -> Network:
    """A stem of stride 2, a residual block, a convolution of stride 2, a residual block, a mean.

    Blocks begin as the identity (a factor 0 at their end) in place of normalization, which would
    tie the examples of a batch to each other.
    """

    def start(key: Array) -> Weights:
        keys = jax.random.split(key, 7)
        wide = 2 * width
        return {
            "stem": _kernel(keys[0], channels, width),
            "block0": _block(keys[1], keys[2], width),
            "down": _kernel(keys[3], width, wide),
            "block1": _block(keys[4], keys[5], wide),
            "out": {"matrix": _matrix(keys[6], wide, classes, 1.0), "shift": jnp.zeros(classes)},
        }

    def outputs(weights: Weights, x: Array) -> Array:
        x = _passed(jax.nn.relu(_convolved(x, weights["stem"], 2)), weights["block0"])
        x = _passed(jax.nn.relu(_convolved(x, weights["down"], 2)), weights["block1"])
        return _last(x.mean((1, 2)), weights)

    return Network(start, outputs)


def _block(first: Array, second: Array, width: int) -> Weights:
    return {
        "first": _kernel(first, width, width),
        "second": _kernel(second, width, width),
        "factor": jnp.zeros(()),
    }


def _passed(x: Array, block: Weights) -> Array:
    inner = jax.nn.relu(_convolved(x, block["first"]))
    return jax.nn.relu(x + block["factor"] * _convolved(inner, block["second"]))


def transformer(characters: int, length: int, width: int, heads: int, layers: int) -> Network:
    """A causal transformer: normalization before each half of a block, learned positions."""
    inner = 4 * width

    def start(key: Array) -> Weights:
        names, places, last, *keys = jax.random.split(key, 3 + layers)
        found: Weights = {
            "characters": 0.1 * jax.random.normal(names, (characters, width)),
            "places": 0.1 * jax.random.normal(places, (length, width)),
            "out": {"matrix": _matrix(last, width, characters, 1.0), "scale": jnp.ones(width)},
        }
        for n, own in enumerate(keys):
            a, b, c, d = jax.random.split(own, 4)
            found[f"block{n}"] = {
                "attend": _matrix(a, width, 3 * width, 1.0),
                "mix": _matrix(b, width, width, 1.0 / (2 * layers)),
                "widen": _matrix(c, width, inner, 2.0),
                "narrow": _matrix(d, inner, width, 1.0 / (2 * layers)),
                "scales": jnp.ones((2, width)),
            }
        return found

    future = jnp.where(jnp.tril(jnp.ones((length, length), bool)), 0.0, -1e9)

    def attended(x: Array, block: Weights) -> Array:
        parts = (x @ block["attend"]).reshape(*x.shape[:2], 3, heads, width // heads)
        q, k, v = (parts[:, :, n].swapaxes(1, 2) for n in range(3))
        shares = jax.nn.softmax(q @ k.swapaxes(2, 3) / jnp.sqrt(width // heads) + future)
        found: Array = (shares @ v).swapaxes(1, 2).reshape(x.shape) @ block["mix"]
        return found

    def outputs(weights: Weights, x: Array) -> Array:
        shown = jax.nn.one_hot(x, characters)  # a product has a faster gradient than a look-up
        h = shown @ weights["characters"] + weights["places"]
        for n in range(layers):
            block = weights[f"block{n}"]
            h = h + attended(_normal(h) * block["scales"][0], block)
            wide = jax.nn.relu(_normal(h) * block["scales"][1] @ block["widen"])
            h = h + wide @ block["narrow"]
        found: Array = (_normal(h) * weights["out"]["scale"]) @ weights["out"]["matrix"]
        return found

    return Network(start, outputs)


def _normal(x: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)
