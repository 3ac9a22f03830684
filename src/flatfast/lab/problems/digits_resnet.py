"""A small residual network on real images: scikit-learn's 8 x 8 digits, with no download.

A convolution, residual blocks of two convolutions each, and a linear layer on the last map; squared
error on one-hot targets with Gaussian label noise. In small, what arXiv 2210.16400 (section 4) does
with ResNet-18 on CIFAR-10. There is no batch norm, which would couple the examples of a batch.
"""

import jax
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems._classifier import digits, on_test_images, probed_trace
from flatfast.lab.problems._settings import Training, takes
from flatfast.lab.training.convolution import shifted
from flatfast.lab.training.curvature import TraceEstimate, jacobian_trace
from flatfast.lab.training.mlp import activation as activation_named
from flatfast.lab.training.supervised import like, supervised

SIDE, CLASSES = 8, 10
PROBES = 32
"""Random probes of the Jacobian's norm, the same at every point."""


@takes(Training)
def digits_resnet(
    training: Training,
    *,
    examples: int = 200,
    channels: int = 12,
    blocks: int = 2,
    activation: str = "gelu",
) -> Problem:
    """The residual network.

    Args:
        training: The shared settings.
        examples: Training images; the rest of the 1,797 are the test set.
        channels: Channels of every map.
        blocks: Residual blocks.
        activation: ``tanh``, ``relu`` or ``gelu``.

    Returns:
        A problem with metrics ``loss``, ``test_error`` (fraction misclassified), ``accuracy``,
        ``test_loss``, and ``trace``, the Hessian's on the manifold by random probes, with
        ``trace_error``, its standard error; the goal is the cooled trace, to 40% of its start.

    Raises:
        ValueError: If a setting is out of range.
    """
    for name, value in (("channels", channels), ("blocks", blocks)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    activate = activation_named(activation)
    images = digits(examples, training.data_seed)
    one_hot = np.eye(CLASSES)[images.train_classes]

    def outputs(params: Params, batch: jax.Array) -> jax.Array:
        maps = batch.reshape(-1, SIDE, SIDE, 1)
        maps = _convolved(maps, params["stem"])
        for block in params["blocks"]:
            inner = _convolved(activate(maps), block["first"])
            maps = maps + _convolved(activate(inner), block["second"])
        last = activate(maps).reshape(len(batch), -1)
        found: jax.Array = last @ params["head"]["weight"] + params["head"]["bias"]
        return found

    def trace(params: Params) -> TraceEstimate:
        # The same probes at every point: their noise cancels in the fall of the trace.
        return jacobian_trace(
            lambda params: outputs(params, like(params, images.train)),
            params,
            jax.random.key(0),
            PROBES,
        )

    return supervised(
        "digits-resnet",
        outputs,
        _initial(channels, blocks, training.init_seed),
        images.train,
        one_hot,
        goal=Goal("cooled:trace", 0.4),
        noise_std=training.noise_std,
        batch_size=training.batch_size,
        metrics={**on_test_images(outputs, images), **probed_trace(trace)},
        start=training.start,
        descent=Descent(lr=0.02, momentum=0.9, steps=20_000),
        interpolated_at=1e-4,
        cooling=Descent(lr=0.02, momentum=0.9, steps=300),
        settings={
            "examples": examples,
            "channels": channels,
            "blocks": blocks,
            "activation": activation,
            **training.settings(),
        },
    )


def _convolved(maps: jax.Array, layer: Params) -> jax.Array:
    """A 3 x 3 convolution that keeps the size, (B, S, S, I) to (B, S, S, O)."""
    channels = maps.shape[-1]
    found: jax.Array = shifted(maps, layer["weight"].reshape(3, 3, channels, -1)) + layer["bias"]
    return found


def _initial(channels: int, blocks: int, seed: int) -> Params:
    """Kaiming-normal weights (He et al., 2015), branches scaled so that their sum keeps size."""
    rng = np.random.default_rng(seed)

    def layer(rows: int, columns: int, gain: float) -> dict[str, NDArray[np.float64]]:
        weight = gain / np.sqrt(rows) * rng.standard_normal((rows, columns))
        return {"weight": weight, "bias": np.zeros(columns)}

    gain, branch = 2**0.5, (2 / blocks) ** 0.5
    return {
        "stem": layer(9, channels, 1.0),
        "blocks": [
            {
                "first": layer(9 * channels, channels, gain),
                "second": layer(9 * channels, channels, branch),
            }
            for _ in range(blocks)
        ],
        "head": layer(SIDE * SIDE * channels, CLASSES, 1.0),
    }


PROBLEMS = {"digits-resnet": digits_resnet}
