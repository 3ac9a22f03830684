"""Runs of many settings trained at once, on the same examples in the same order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from studies.transfer.networks import Weights
from studies.transfer.optimizers import Hyper, Optimizer, State, fresh, step_of
from studies.transfer.tasks import BLOCKS, FIRST_BLOCK, Schedule, Task


@dataclass(frozen=True)
class Trained:
    """What runs of one seed did.

    Attributes:
        losses: Test loss after blocks :data:`FIRST_BLOCK` to :data:`BLOCKS`, (runs, evaluations);
            infinite where it is no number.
        accuracies: Share of right answers, of the same shape.
    """

    losses: NDArray[np.float64]
    accuracies: NDArray[np.float64]


def train(
    task: Task,
    optimizer: Optimizer,
    schedule: Schedule,
    batch: int,
    settings: Sequence[Hyper],
    seed: int,
) -> Trained:
    """Train a run of each setting.

    The seed gives the initial weights and the stream of examples; a batch is so many of them in
    their order, so that runs of any batch see the same. Every run sees ``task.samples`` of them.

    Raises:
        ValueError: If the batch does not divide the examples between two evaluations.
    """
    block = task.samples // BLOCKS
    if block % batch:
        raise ValueError(f"batch must divide the {block} examples of a block, got {batch}")
    stream = task.stream(seed)
    ordered = [
        jnp.asarray(each.reshape(BLOCKS, block // batch, batch, *each.shape[1:])) for each in stream
    ]
    hyper = Hyper(*(jnp.asarray(column, jnp.float32) for column in zip(*settings, strict=True)))
    weights = task.network.start(jax.random.key(seed))
    test = [jnp.asarray(each) for each in task.test()]
    program = _program(task, optimizer, schedule)
    losses, accuracies = (
        np.asarray(found, float) for found in program(hyper, weights, *ordered, *test)
    )
    return Trained(np.where(np.isfinite(losses), losses, np.inf), accuracies)


@lru_cache(maxsize=4)
def _program(task: Task, optimizer: Optimizer, schedule: Schedule) -> Any:
    return jax.jit(partial(_run, task, optimizer, schedule))


def _run(
    task: Task,
    optimizer: Optimizer,
    schedule: Schedule,
    hyper: Hyper,
    weights: Weights,
    inputs: Array,
    targets: Array,
    test_inputs: Array,
    test_targets: Array,
) -> tuple[Array, Array]:
    step = jax.vmap(step_of(optimizer), in_axes=(0, 0, 0, 0, None))
    steps = inputs.shape[0] * inputs.shape[1]

    def loss(own: Weights, x: Array, y: Array) -> Array:
        return _loss(task.network.outputs(own, x), y)

    gradient = jax.vmap(jax.grad(loss), in_axes=(0, None, None))

    def one(carry: tuple[Weights, State], batch: tuple[Array, Array, Array]) -> Any:
        own, state = carry
        x, y, number = batch
        slope = gradient(own, x, y)
        return step(own, state, slope, hyper, _factor(schedule, number / steps)), None

    def block(carry: tuple[Weights, State], batches: Any) -> Any:
        number, x, y = batches
        numbers = number * x.shape[0] + jnp.arange(x.shape[0])
        carry, _ = jax.lax.scan(one, carry, (x, y, numbers))
        return carry, None

    def measured(carry: tuple[Weights, State], batches: Any) -> Any:
        carry, _ = block(carry, batches)
        return carry, jax.vmap(_measures, in_axes=(None, 0, None, None))(
            task, carry[0], test_inputs, test_targets
        )

    runs = len(hyper.lr)
    many = jax.tree.map(lambda w: jnp.broadcast_to(w, (runs, *w.shape)), weights)
    carry = (many, jax.vmap(fresh)(many))
    before = FIRST_BLOCK - 1
    numbers = jnp.arange(BLOCKS)
    carry, _ = jax.lax.scan(block, carry, (numbers[:before], inputs[:before], targets[:before]))
    rest = (numbers[before:], inputs[before:], targets[before:])
    _, (losses, accuracies) = jax.lax.scan(measured, carry, rest)
    return losses.T, accuracies.T


def _factor(schedule: Schedule, share: Array) -> Array:
    """Of the learning rate, when this share of the examples is seen."""
    return 0.5 * (1 + jnp.cos(jnp.pi * share)) if schedule == "cosine" else jnp.ones(())


def _loss(logits: Array, classes: Array) -> Array:
    """Mean cross-entropy of logits (..., classes)."""
    right = jnp.take_along_axis(logits, classes[..., None], -1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - right)


def _measures(task: Task, weights: Weights, x: Array, y: Array) -> tuple[Array, Array]:
    logits = task.network.outputs(weights, x)
    return _loss(logits, y), jnp.mean(jnp.argmax(logits, -1) == y)
