"""CIFAR-10 with ResNet-18's shape, an experiment of the paper.

arXiv 2210.16400, section 4: squared error on one-hot targets with Gaussian label noise; or
cross-entropy on labels that flip (Damian, Ma and Lee, NeurIPS 2021). Group norm in place of batch
norm, so that the loss is a function of the weights. The defaults are a size for two cores, with
images averaged down to 16 x 16; ``channels=64 blocks=2 side=32`` is ResNet-18 itself, for a GPU.
"""

from functools import partial

import jax
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.images import CIFAR10
from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems._classifier import (
    averaged_down,
    image_data,
    on_test_images,
    probed_trace,
)
from flatfast.lab.problems._settings import Classifier, takes
from flatfast.lab.training import resnet
from flatfast.lab.training.convolution import convolved, operands
from flatfast.lab.training.curvature import TraceEstimate, hutchinson_trace, jacobian_trace
from flatfast.lab.training.mlp import activation as activation_named
from flatfast.lab.training.supervised import flip_probability_of, like, supervised

PROBES = 16
"""Random probes of the trace, the same at every point."""

FLIPS = ("another", "uniform")
"""What becomes of a label that flips."""


@takes(Classifier, activation="gelu")
def cifar_resnet(
    network: Classifier,
    *,
    data: str = "",
    examples: int = 100,
    test_examples: int = 500,
    side: int = 16,
    channels: int = 4,
    blocks: int = 1,
    precision: str = "float32",
    flips: str = "another",
) -> Problem:
    """The CIFAR-10 problem.

    Args:
        network: The shared settings. The activation is GELU where ResNet-18 has ReLU, because the
            theory differentiates the loss three times.
        data: A folder with the hub's Parquet layout, or a hub id; empty for ``FLATFAST_DATA``, and
            the hub where that is not set.
        examples: Training images, drawn from the 50,000, as many of each class.
        test_examples: Test images, drawn from the 10,000, as many of each class.
        side: Pixels along an image's side, 32, or fewer: the means of squares of pixels.
        channels: Channels of the first of the four stages.
        blocks: Blocks of a stage.
        precision: Of the convolutions' operands: ``float32``, the runs' own, or ``bfloat16``.
        flips: With cross-entropy, a label becomes ``another`` class with ``flip_probability``, or
            with that probability a ``uniform`` one, which can be its own (the other problems').

    Returns:
        A problem with metrics ``loss``, ``test_error`` (fraction misclassified), ``accuracy``,
        ``test_loss``, and ``trace``, by random probes with ``trace_error``, its standard error: for
        squared error ``(1/P)|J|^2``, the Hessian's on the manifold; for cross-entropy the
        Hessian's. The goal is the cooled trace, to 5% of its start: the first falls of it are as
        fast at momenta beyond any that keep up, and tell none from another.

    Raises:
        ValueError: If a setting is out of range or the data are not image and label.
        FileNotFoundError: If the data can be had neither locally nor from the hub.
        ImportError: If the ``data`` extra is not installed.
    """
    for name, value in (("channels", channels), ("blocks", blocks)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if flips not in FLIPS:
        raise ValueError(f"flips must be one of {', '.join(FLIPS)}, got {flips!r}")
    activate, rounded = activation_named(network.activation), operands(precision)
    images, checked = image_data(CIFAR10, data, examples, test_examples, network.data_seed)
    images = averaged_down(images, CIFAR10.shape, side)
    classes, squared, noise = CIFAR10.classes, network.squared, network.noise
    if flips == "another":
        noise["flip_probability"] = flip_probability_of(noise["flip_probability"], classes)

    def outputs(params: Params, batch: jax.Array) -> jax.Array:
        maps = batch.reshape(-1, side, side, CIFAR10.shape[2])
        return resnet.predict(params, maps, activate, partial(convolved, rounded=rounded))

    def trace(params: Params) -> TraceEstimate:
        # The same probes at every point: their noise cancels in the fall of the trace.
        key = jax.random.key(0)
        if not squared:
            return hutchinson_trace(problem.loss, params, key, PROBES)
        train = like(params, images.train)
        return jacobian_trace(lambda params: outputs(params, train), params, key, PROBES)

    problem = supervised(
        "cifar-resnet",
        outputs,
        resnet.kaiming(
            channels,
            blocks,
            CIFAR10.shape[2],
            classes,
            activation=network.activation,
            seed=network.init_seed,
        ),
        images.train,
        np.eye(classes)[images.train_classes] if squared else images.train_classes,
        goal=Goal("cooled:trace", 0.05),
        noise_std=noise["noise_std"],
        flip_probability=noise["flip_probability"],
        batch_size=network.batch_size,
        loss=network.loss,
        metrics={**on_test_images(outputs, images, squared=squared), **probed_trace(trace)},
        start=network.start,
        descent=Descent(lr=0.02, momentum=0.9, steps=20_000),
        interpolated_at=1e-4 if squared else 3e-4 if network.flip_probability else 1e-2,
        cooling=Descent(lr=0.04, momentum=0.9, steps=60),
        settings={
            "data": checked,
            "examples": examples,
            "test_examples": test_examples,
            "side": side,
            "channels": channels,
            "blocks": blocks,
            "precision": precision,
            "flips": flips,
            **network.settings(),
        },
    )
    return problem


PROBLEMS = {"cifar-resnet": cifar_resnet}
