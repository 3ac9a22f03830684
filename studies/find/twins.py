"""The networks once more, as functions of their weights in JAX: a sweep is many runs at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from studies.transfer.networks import patches

Weights = dict[str, Array]
"""Weights by the names that the PyTorch module gives them."""

Outputs = Callable[[Weights, Array], Array]
"""Logits (B, classes), or (B, length, characters)."""


def perceptron(w: Weights, x: Array) -> Array:
    """As :func:`studies.find.networks.perceptron`."""
    h = x.reshape(len(x), -1)
    for name in ("1", "3"):
        h = jax.nn.relu(_linear(w, name, h))
    return _linear(w, "5", h)


def convolutional(w: Weights, x: Array) -> Array:
    """As :func:`studies.find.networks.convolutional`."""
    h = x
    for name in ("1", "3"):
        kernel = w[f"{name}.weight"]  # (filters, channels, 3, 3)
        matrix = kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])
        h = jax.nn.relu(patches(h, 2) @ matrix + w[f"{name}.bias"])
    return _linear(w, "7", h.reshape(len(h), -1))


def transformer(heads: int) -> Outputs:
    """As :class:`studies.find.networks.Transformer`, but characters last."""

    def outputs(w: Weights, x: Array) -> Array:
        length, names = x.shape[1], w["characters.weight"]
        shown = jax.nn.one_hot(x, len(names))  # a product has a faster gradient than a look-up
        h = shown @ names + w["places.weight"][:length]
        h = h + _attended(w, _normal(w, "first", h), heads)
        wide = jax.nn.relu(_linear(w, "widen", _normal(w, "second", h)))
        h = h + _linear(w, "narrow", wide)
        return _linear(w, "out", _normal(w, "last", h))

    return outputs


def _attended(w: Weights, x: Array, heads: int) -> Array:
    batch, length, width = x.shape
    parts = _linear(w, "attend", x).reshape(batch, length, 3, heads, width // heads)
    q, k, v = (parts[:, :, n].swapaxes(1, 2) for n in range(3))
    past = jnp.tril(jnp.ones((length, length), bool))
    scores = q @ k.swapaxes(2, 3) / jnp.sqrt(width // heads)
    shares = jax.nn.softmax(jnp.where(past, scores, -1e9))
    return _linear(w, "mix", (shares @ v).swapaxes(1, 2).reshape(x.shape))


def _linear(w: Weights, name: str, x: Array) -> Array:
    found: Array = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    return found


def _normal(w: Weights, name: str, x: Array) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    found: Array = scaled * w[f"{name}.weight"] + w[f"{name}.bias"]
    return found
