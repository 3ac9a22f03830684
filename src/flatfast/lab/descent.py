"""Noise-free descent: to an interpolating start, and back to the zero-loss manifold.

Heavy-ball gradient descent, full batch, no noise, in PyTorch's convention. Two uses: *phase 1* of
the paper's experiments (arXiv 2210.16400, section 4), which brings an initial point to zero loss
before the noise is switched on, and *cooling*, which switches the noise off at a snapshot and reads
its metrics on the manifold.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Descent:
    """Settings of a noise-free descent.

    Attributes:
        lr: Learning rate.
        momentum: Momentum, in [0, 1).
        steps: Number of steps; in phase 1, the most that are tried.

    Raises:
        ValueError: If a value is out of its range.
    """

    lr: float = 0.1
    momentum: float = 0.9
    steps: int = 300

    def __post_init__(self) -> None:
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr must be positive and finite, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")


class NotInterpolatingError(RuntimeError):
    """Phase 1 ended before it reached the loss that counts as interpolating."""


def descend(loss: Callable[[Any], jax.Array], params: Any, descent: Descent) -> Any:
    """Follow the noise-free gradient for a fixed number of steps.

    Args:
        loss: Scalar function of ``params``.
        params: Pytree of arrays.
        descent: Learning rate, momentum and number of steps.

    Returns:
        The parameters after ``descent.steps`` steps. Traceable: it may be vmapped and compiled.
    """
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = _descend(loss, (params, zeros), descent, descent.steps)
    return state[0]


def interpolate(
    loss: Callable[[Any], jax.Array], params: Any, descent: Descent, target: float
) -> Any:
    """Phase 1: descend without noise until the loss is at most ``target``.

    Args:
        loss: Scalar function of ``params``.
        params: Initial point, a pytree of arrays.
        descent: Learning rate, momentum and the most steps to try.
        target: Loss that counts as interpolating.

    Returns:
        The parameters at the first of a hundred regular checks at which ``loss <= target``.

    Raises:
        NotInterpolatingError: If the target is not reached in ``descent.steps`` steps, or the
            descent diverges; the message says how far it got.
    """
    stretch = max(1, descent.steps // 100)

    @jax.jit
    def advance(state: Any) -> tuple[Any, jax.Array]:
        state = _descend(loss, state, descent, stretch)
        return state, loss(state[0])

    state = (params, jax.tree.map(jnp.zeros_like, params))
    reached = math.inf
    for done in range(stretch, descent.steps + 1, stretch):
        state, value = advance(state)
        reached = float(value)
        if reached <= target:
            return state[0]
        if reached != reached:
            raise NotInterpolatingError(
                f"noise-free descent diverged within {done} steps at lr {descent.lr} and momentum "
                f"{descent.momentum}; take a smaller lr for phase 1"
            )
    raise NotInterpolatingError(
        f"noise-free descent reached a loss of {reached:.3g} in {descent.steps} steps, not the "
        f"{target:.3g} that counts as interpolating; allow more steps, a larger lr or a wider model"
    )


def _descend(
    loss: Callable[[Any], jax.Array],
    state: tuple[Any, Any],
    descent: Descent,
    steps: int,
) -> tuple[Any, Any]:
    gradient = jax.grad(loss)

    def step(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        params, velocity = state
        velocity = jax.tree.map(lambda v, g: descent.momentum * v + g, velocity, gradient(params))
        params = jax.tree.map(lambda w, v: w - descent.lr * v, params, velocity)
        return params, velocity

    end: tuple[Any, Any] = jax.lax.fori_loop(0, steps, step, state)
    return end
