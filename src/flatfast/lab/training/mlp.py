"""A multilayer perceptron, and the exact trace of its Gauss-Newton matrix.

On the zero-loss manifold of a squared error the Hessian is ``(1/P) J^T J``. The squared Frobenius
norm of ``J`` needs no per-example gradients: for a layer with input ``a`` and output derivatives
``delta_k`` (one for each output ``k``) it is ``(|a|^2 + 1) sum_k |delta_k|^2``, summed over layers
and examples (the 1 is the bias).
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": jax.nn.gelu,
}

GAINS = {"tanh": 5 / 3, "relu": 2**0.5, "gelu": 2**0.5}


def activation(name: str) -> Callable[[jax.Array], jax.Array]:
    """The activation of that name.

    Raises:
        ValueError: If there is none.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]


def kaiming(sizes: Sequence[int], name: str, seed: int) -> list[dict[str, NDArray[np.float64]]]:
    """Kaiming-normal weights and zero biases (He et al., 2015).

    Args:
        sizes: Widths, inputs first, outputs last.
        name: The hidden layers' activation, which sets the gain; the last layer's gain is 1.
        seed: Seed of the weights.

    Returns:
        One ``{"weight": (inputs, outputs), "bias": (outputs,)}`` per layer.
    """
    rng = np.random.default_rng(seed)
    gains = [GAINS[name]] * (len(sizes) - 2) + [1.0]
    return [
        {
            "weight": gain / np.sqrt(rows) * rng.standard_normal((rows, columns)),
            "bias": np.zeros(columns),
        }
        for gain, rows, columns in zip(gains, sizes[:-1], sizes[1:], strict=True)
    ]


def predict(
    params: Any, inputs: jax.Array, activate: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Outputs (B, K) of the network for inputs (B, D)."""
    hidden = inputs
    for layer in params[:-1]:
        hidden = activate(hidden @ layer["weight"] + layer["bias"])
    outputs: jax.Array = hidden @ params[-1]["weight"] + params[-1]["bias"]
    return outputs


def jacobian_norm_squared(
    params: Any, inputs: jax.Array, activate: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """``|J|_F^2``, the squared derivatives of all outputs with respect to all parameters.

    Args:
        params: Layers as :func:`kaiming` gives them.
        inputs: (P, D) examples.
        activate: The hidden layers' activation, elementwise.

    Returns:
        A scalar; over ``P`` it is the Hessian's trace on the zero-loss manifold.
    """
    slope = jax.vmap(jax.vmap(jax.grad(lambda z: activate(z))))
    hidden, inputs_of_layers, slopes = inputs, [inputs], []
    for layer in params[:-1]:
        before = hidden @ layer["weight"] + layer["bias"]
        hidden = activate(before)
        slopes.append(slope(before))
        inputs_of_layers.append(hidden)

    outputs = params[-1]["weight"].shape[1]
    delta = jnp.broadcast_to(
        jnp.eye(outputs, dtype=inputs.dtype), (len(inputs), outputs, outputs)
    )  # (P, K, width): derivative of output k with respect to the layer's outputs
    total = jnp.zeros((), inputs.dtype)
    for index in reversed(range(len(params))):
        reach = jnp.sum(inputs_of_layers[index] ** 2, axis=1) + 1
        total += jnp.sum(reach * jnp.sum(delta**2, axis=(1, 2)))
        if index:
            delta = (delta @ params[index]["weight"].T) * slopes[index - 1][:, None, :]
    return total
