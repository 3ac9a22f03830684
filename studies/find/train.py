"""Runs of many pairs at once, from one state, on the same batches."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import Array
from torch import Tensor, nn
from torch.nn import functional as F

from studies.find.cases import Batches
from studies.find.twins import Outputs, Weights

Factor = Callable[[float], float]
"""Of the learning rate, at a share of the steps."""

Pair = tuple[float, float]
"""Learning rate and momentum."""


def cosine(share: float) -> float:
    """From 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * share))


def second_half(share: float) -> float:
    """What is left of a cosine half-way, over what it is there."""
    return 2 * cosine(0.5 + share / 2)


def final_losses(
    network: nn.Module,
    outputs: Outputs,
    pairs: Sequence[Pair],
    batches: Batches,
    test: tuple[Tensor, Tensor],
    factor: Factor,
) -> list[float]:
    """Test loss of a training from the network's weights with each pair; infinite if it diverged.

    The steps are those of ``torch.optim.SGD``, from a velocity of 0.

    Args:
        network: Where they begin; it is not changed.
        outputs: Its twin.
        pairs: Learning rates and momenta.
        batches: One a step.
        test: Inputs and targets.
        factor: Of the learning rate.
    """
    weights = {name: jnp.asarray(p.detach().numpy()) for name, p in network.named_parameters()}
    steps = len(batches)
    stacked = [jnp.asarray(torch.stack(column).numpy()) for column in zip(*batches, strict=True)]
    factors = jnp.asarray([factor(number / steps) for number in range(steps)], jnp.float32)
    lr, momentum = (jnp.asarray(column, jnp.float32) for column in zip(*pairs, strict=True))
    tested = [jnp.asarray(each.numpy()) for each in test]
    found = np.asarray(_program(outputs)(weights, lr, momentum, factors, *stacked, *tested), float)
    return [value if math.isfinite(value) else math.inf for value in found.tolist()]


@lru_cache(maxsize=8)
def _program(outputs: Outputs) -> Any:
    return jax.jit(partial(_losses, outputs))


def _losses(
    outputs: Outputs,
    start: Weights,
    lr: Array,
    momentum: Array,
    factors: Array,
    inputs: Array,
    targets: Array,
    test_inputs: Array,
    test_targets: Array,
) -> Array:
    def loss(w: Weights, x: Array, y: Array) -> Array:
        logits = outputs(w, x)
        right = jnp.take_along_axis(logits, y[..., None], -1)[..., 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - right)

    def wide(numbers: Array, w: Array) -> Array:
        return numbers.reshape(-1, *(1,) * (w.ndim - 1))

    slope = jax.vmap(jax.grad(loss), in_axes=(0, None, None))

    def step(carry: tuple[Weights, Weights], batch: tuple[Array, Array, Array]) -> Any:
        weights, velocities = carry
        x, y, factor = batch
        slopes = slope(weights, x, y)
        velocities = jax.tree.map(lambda v, g: wide(momentum, v) * v + g, velocities, slopes)
        weights = jax.tree.map(lambda w, v: w - wide(lr * factor, w) * v, weights, velocities)
        return (weights, velocities), None

    many = jax.tree.map(lambda w: jnp.broadcast_to(w, (len(lr), *w.shape)), start)
    carry = (many, jax.tree.map(jnp.zeros_like, many))
    (weights, _), _ = jax.lax.scan(step, carry, (inputs, targets, factors))
    found: Array = jax.lax.map(lambda w: loss(w, test_inputs, test_targets), weights)
    return found


def half_way(network: nn.Module, pair: Pair, batches: Batches) -> None:
    """Train a network for the first half of the batches of a training with a cosine."""
    lr, momentum = pair
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum)
    for number, (inputs, targets) in enumerate(batches[: len(batches) // 2]):
        optimizer.param_groups[0]["lr"] = lr * cosine(number / len(batches))
        optimizer.zero_grad()
        F.cross_entropy(network(inputs), targets).backward()
        optimizer.step()
