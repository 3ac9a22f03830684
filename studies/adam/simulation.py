"""Adam with label noise on problems of the lab: many runs of many settings at once.

The loop is that of ``torch.optim.Adam``; ``corrected`` says whether the average of gradients is
corrected for its start from zero, as there, or not, as in theory: the first steps are then those of
less momentum. That of their squares always is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.problem import Problem
from flatfast.lab.simulation.batch import read_metrics

Array = NDArray[np.float64]


class Settings(NamedTuple):
    """The settings of a run, or arrays of them, one for each.

    Attributes:
        lr: Learning rate.
        beta1: Decay of gradients.
        beta2: Decay of their squares.
        eps: Added to their root.
    """

    lr: Any
    beta1: Any
    beta2: Any
    eps: Any = 1e-12


@dataclass(frozen=True)
class Runs:
    """Runs, read at the same steps.

    Attributes:
        steps: (R,) of the readings, from 0.
        values: Metric to (N, R); not finite where a run is lost.
    """

    steps: NDArray[np.int64]
    values: dict[str, Array]


def marks(steps: int, readings: int, span: float = 300.0) -> NDArray[np.int64]:
    """When runs are read: at 0, then in equal ratios over the last factor ``span``."""
    later = np.geomspace(max(steps / span, 1), steps, readings)
    return np.unique(np.concatenate([[0], later]).round().astype(np.int64))


def simulate(
    problem: Problem,
    settings: Settings,
    seed: NDArray[np.int64],
    at: NDArray[np.int64],
    metrics: Sequence[str],
    *,
    corrected: bool = True,
) -> Runs:
    """Runs of Adam from the problem's start, in single precision.

    Args:
        problem: What is trained.
        settings: Arrays (N,).
        seed: (N,) of the noise.
        at: (R,) steps of the readings, from 0.
        metrics: What is read, ``cooled:`` metrics among them.
        corrected: Whether the average of gradients is corrected for its start from zero.
    """
    count = len(seed)
    with jax.enable_x64(False):
        start = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
        many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)), start)
        zeros = jax.tree.map(jnp.zeros_like, many)
        state = many, zeros, zeros
        own = Settings(*(jnp.broadcast_to(jnp.float32(each), (count,)) for each in settings))
        seeds = jnp.asarray(seed, jnp.int32)
        advance = jax.jit(jax.vmap(partial(_advance, problem, corrected), (0, 0, 0, None, None)))
        read = jax.jit(
            partial(jax.lax.map, partial(read_metrics, problem, tuple(metrics)), batch_size=64)
        )
        found = [read(state[0])]
        for begin, end in pairwise(at):
            state = advance(state, own, seeds, int(begin), int(end))
            found.append(read(state[0]))
    values = {
        name: np.stack([np.asarray(each[name], np.float64) for each in found], axis=1)
        for name in metrics
    }
    return Runs(at, values)


def _advance(
    problem: Problem,
    corrected: bool,
    state: Any,
    own: Settings,
    seed: jax.Array,
    begin: jax.Array,
    end: jax.Array,
) -> Any:
    key = jax.random.key(seed)
    lr, beta1, beta2, eps = own

    def step(k: jax.Array, state: Any) -> Any:
        params, first, second = state
        slope = problem.gradient(params, jax.random.fold_in(key, k))
        first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, first, slope)
        second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, second, slope)
        given1 = -jnp.expm1((k + 1) * jnp.log(beta1)) if corrected else jnp.ones(())
        given2 = -jnp.expm1((k + 1) * jnp.log(beta2))

        def moved(w: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
            new: jax.Array = w - lr * (m / given1) / (jnp.sqrt(v / given2) + eps)
            return new

        return jax.tree.map(moved, params, first, second), first, second

    return jax.lax.fori_loop(begin, end, step, state)
