"""The optimizers: one step of SGD, AdamW and Muon, with settings that are arrays.

A setting is traced, so that one compiled program trains runs of every setting at once. Muon is that
of ``torch.optim.Muon`` with Nesterov's gradient and steps as long as AdamW's
(``match_rms_adamw``); vectors, embeddings and the last layer are AdamW's, with the same learning
rate and decay of gradients, as is usual.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from studies.transfer.networks import Weights

Optimizer = Literal["SGD", "AdamW", "Muon"]
OPTIMIZERS: tuple[Optimizer, ...] = ("SGD", "AdamW", "Muon")


class Hyper(NamedTuple):
    """The settings of a run, or arrays of them.

    Attributes:
        lr: Learning rate.
        first: Decay of gradients: momentum, or Adam's first beta.
        second: Decay of squared gradients; SGD has none.
        eps: What is added to their root.
        weight_decay: Of AdamW, decoupled.
    """

    lr: Any
    first: Any
    second: Any = 0.999
    eps: Any = 1e-8
    weight_decay: Any = 0.0


class State(NamedTuple):
    """Averages of gradients and of their squares, and the number of steps."""

    first: Weights
    second: Weights
    steps: Array


Step = Callable[[Weights, State, Weights, Hyper, Array], tuple[Weights, State]]
"""Weights and state after a step, of weights, state, gradient, setting and schedule's factor."""


def fresh(weights: Weights) -> State:
    """The state before the first step."""
    zeros = jax.tree.map(jnp.zeros_like, weights)
    return State(zeros, zeros, jnp.zeros((), jnp.int32))


def step_of(optimizer: Optimizer) -> Step:
    """The step of an optimizer."""
    return {"SGD": _sgd, "AdamW": _adamw, "Muon": _muon}[optimizer]


def _sgd(
    weights: Weights, state: State, gradient: Weights, hyper: Hyper, factor: Array
) -> tuple[Weights, State]:
    velocity = jax.tree.map(lambda p, g: hyper.first * p + g, state.first, gradient)
    new = jax.tree.map(lambda w, p: w - hyper.lr * factor * p, weights, velocity)
    return new, State(velocity, state.second, state.steps + 1)


def _adamw(
    weights: Weights, state: State, gradient: Weights, hyper: Hyper, factor: Array
) -> tuple[Weights, State]:
    lr, steps = hyper.lr * factor, state.steps + 1
    first, second = _averages(state, gradient, hyper)
    own, squares = 1 - hyper.first**steps, 1 - hyper.second**steps

    def moved(w: Array, m: Array, v: Array) -> Array:
        by = m / own / (jnp.sqrt(v / squares) + hyper.eps)
        new: Array = w - lr * (by + hyper.weight_decay * w)
        return new

    return jax.tree.map(moved, weights, first, second), State(first, second, steps)


def _averages(state: State, gradient: Weights, hyper: Hyper) -> tuple[Weights, Weights]:
    first = jax.tree.map(
        lambda m, g: hyper.first * m + (1 - hyper.first) * g, state.first, gradient
    )
    second = jax.tree.map(
        lambda v, g: hyper.second * v + (1 - hyper.second) * g * g, state.second, gradient
    )
    return first, second


def _muon(
    weights: Weights, state: State, gradient: Weights, hyper: Hyper, factor: Array
) -> tuple[Weights, State]:
    by_adam, new = _adamw(weights, state, gradient, hyper, factor)
    lr = hyper.lr * factor

    def moved(path: Any, w: Array, adam: Array, m: Array, g: Array) -> Array:
        if not is_hidden_matrix(path, w):
            return adam
        ahead = hyper.first * m + (1 - hyper.first) * g
        length = 0.2 * max(w.shape) ** 0.5
        new: Array = w - lr * (length * orthogonal(ahead) + hyper.weight_decay * w)
        return new

    return jax.tree_util.tree_map_with_path(moved, weights, by_adam, new.first, gradient), new


def is_hidden_matrix(path: Any, weight: Array) -> bool:
    """Whether Muon trains a weight: a matrix that is neither an embedding nor the last layer."""
    outer = str(path[0].key)
    return weight.ndim == 2 and min(weight.shape) > 2 and outer not in AT_THE_ENDS


AT_THE_ENDS = ("out", "characters", "places")


def orthogonal(matrix: Array) -> Array:
    """The matrix with all its singular values about 1: five steps of Newton and Schulz."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (jnp.sqrt(jnp.sum(x * x)) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
