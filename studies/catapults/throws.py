"""Heavy ball around and above its stability limit, many runs at once, with a safeguard or without.

The lab's simulator knows no safeguard, which changes a run's learning rate by what the loss does;
so the loop is here. It is the lab's otherwise: the same gradients, noise and cooling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.problem import Problem
from flatfast.lab.simulation.batch import read_metrics

FIRST = 24
"""The first reading is after this part of a run, the others in equal ratios from there."""


FAR_OFF = 1e4
"""Loss, in units of that of outputs of zero, at which a run below the limit counts as lost."""


@dataclass(frozen=True)
class Guard:
    """How a throw ends: after some steps, or as soon as it counts as lost.

    From then on a run goes on at a pair below the limit. Where the loss without noise is above
    ``bound``, or no number, the weights are first put back to those of the start, and the
    momentum's memory is emptied. Below the limit noise alone may raise the loss, and the safeguard
    acts at :data:`FAR_OFF` only.

    Attributes:
        bound: (N,) losses, in units of that of outputs of zero; infinite for no safeguard.
        until: (N,) steps of a throw.
        lr, momentum: The pair.
    """

    bound: NDArray[np.float64]
    until: NDArray[np.int64]
    lr: float
    momentum: float


@dataclass(frozen=True)
class Landed:
    """Where N runs are at R readings.

    Attributes:
        steps: (R + 1,) of the readings; the first is the start.
        values: Metric to (N, R + 1); not finite where a run is lost.
        lost: (N,) whether weights or loss were not finite at the end.
        saved: (N,) whether the safeguard has put the weights back.
    """

    steps: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    lost: NDArray[np.bool_]
    saved: NDArray[np.bool_]


def readings(steps: int, records: int) -> NDArray[np.int64]:
    """When runs are read; 0 among them."""
    later = np.geomspace(max(steps / FIRST, 1), steps, records) if records > 1 else [steps]
    return np.unique(np.concatenate([[0], later]).round().astype(np.int64))


def thrown(
    problem: Problem,
    lr: NDArray[np.float64],
    momentum: NDArray[np.float64],
    seed: NDArray[np.int64],
    marks: NDArray[np.int64],
    metrics: Sequence[str],
    guard: Guard | None = None,
) -> Landed:
    """Runs from the problem's start, in single precision.

    Args:
        problem: Whose start is on the manifold.
        lr: (N,).
        momentum: (N,).
        seed: (N,) of the noise.
        marks: (R + 1,) steps at which metrics are read, from 0.
        metrics: Their names, ``cooled:`` ones among them.
        guard: How the throw ends; None if it goes on for ever.
    """
    with jax.enable_x64(False):
        start = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
        empty = jax.tree.map(jnp.zeros_like, start)
        untaught = float(problem.loss(empty))

        def step(k: jax.Array, state: Any, own: tuple[jax.Array, ...]) -> Any:
            params, velocity, saved = state
            lr, momentum, seed, bound, until = own
            key = jax.random.key(seed)
            slope = problem.gradient(params, jax.random.fold_in(key, k))
            ended = saved
            if guard is not None:
                ended = saved | (k >= until)
                lr = jnp.where(ended, guard.lr, lr)
                momentum = jnp.where(ended, guard.momentum, momentum)
            velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, slope)
            params = jax.tree.map(lambda w, v: w - lr * v, params, velocity)
            if guard is None:
                return params, velocity, saved
            far = jnp.where(ended, FAR_OFF, bound) * untaught
            bad = ~(problem.loss(params) <= far) & jnp.isfinite(bound)
            kept = partial(jax.tree.map, lambda back, on: jnp.where(bad, back, on))
            return kept(start, params), kept(empty, velocity), saved | bad

        def to(state: Any, own: tuple[jax.Array, ...], begin: jax.Array, end: jax.Array) -> Any:
            return jax.lax.fori_loop(begin, end, partial(step, own=own), state)

        advance = jax.jit(jax.vmap(to, (0, 0, None, None)))
        read = jax.jit(jax.vmap(partial(read_metrics, problem, tuple(metrics))))
        count = len(lr)
        spread = partial(jax.tree.map, lambda leaf: jnp.broadcast_to(leaf, (count, *leaf.shape)))
        state = spread(start), spread(empty), jnp.zeros(count, bool)
        own = (
            jnp.asarray(lr, jnp.float32),
            jnp.asarray(momentum, jnp.float32),
            jnp.asarray(seed, jnp.int32),
            jnp.full(count, jnp.inf) if guard is None else jnp.asarray(guard.bound, jnp.float32),
            jnp.zeros(count, int) if guard is None else jnp.asarray(guard.until, jnp.int32),
        )
        values = [read(state[0])]
        for begin, end in pairwise(marks):
            state = advance(state, own, int(begin), int(end))
            values.append(read(state[0]))
        told = {
            name: np.stack([np.asarray(at[name], np.float64) for at in values], axis=1)
            for name in metrics
        }
        final = np.asarray(jax.vmap(problem.loss)(state[0]))
    return Landed(marks, told, ~np.isfinite(final), np.asarray(state[2]))
