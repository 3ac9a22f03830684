"""The law in Optax: SGD, and a trace whose decay follows the learning rate's schedule.

Momentum is an array computed inside the jitted update from the learning rate of that step, so a
schedule needs no compilation beyond the first.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from flatfast.law import GAMMA, MAX_MOMENTUM, MomentumLaw

Schedule = Callable[[ArrayLike], ArrayLike]
"""Count of updates to a number."""


class CountedTraceState(NamedTuple):
    """State of :func:`trace`.

    Attributes:
        updates: How many there have been, a scalar.
        trace: Velocity, like the parameters.
    """

    updates: jax.Array
    trace: Any


def momentum_at(
    lr: ArrayLike,
    C: ArrayLike,
    gamma: ArrayLike = GAMMA,
    min_momentum: ArrayLike = 0.0,
    max_momentum: ArrayLike = MAX_MOMENTUM,
) -> jax.Array:
    """``1 - C * lr**gamma`` between its clamps, for arrays that may be traced.

    Args:
        lr: Learning rate, at least 0. The result is NaN where it is negative.
        C: Prefactor.
        gamma: Exponent.
        min_momentum: Floor.
        max_momentum: Ceiling.

    Returns:
        Momentum, in the shape of ``lr``.
    """
    return jnp.clip(1 - C * jnp.asarray(lr) ** gamma, min_momentum, max_momentum)


def momentum_schedule(learning_rate: ArrayLike | Schedule, law: MomentumLaw) -> Schedule:
    """The momentum that belongs to a learning rate's schedule: for logs, or other transformations.

    Args:
        learning_rate: A schedule, or one learning rate.
        law: The law.

    Returns:
        Count of updates to momentum.
    """

    def schedule(count: ArrayLike) -> jax.Array:
        lr = learning_rate(count) if callable(learning_rate) else learning_rate
        return momentum_at(lr, law.C, law.gamma, law.min_momentum, law.max_momentum)

    return schedule


def trace(
    decay: ArrayLike | Schedule,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike | None = None,
) -> optax.GradientTransformation:
    """``optax.trace`` whose decay may be a schedule; equal to it for a constant one.

    The velocity is left as it is when the decay changes.

    Args:
        decay: Momentum, or a schedule of it.
        nesterov: Nesterov momentum.
        accumulator_dtype: Type of the velocity; by default that of the parameters.

    Returns:
        The transformation; its state counts the updates.
    """
    inner_dtype = None if accumulator_dtype is None else jnp.dtype(accumulator_dtype)

    def init(params: optax.Params) -> CountedTraceState:
        velocity = optax.tree.zeros_like(params, dtype=inner_dtype)
        return CountedTraceState(jnp.zeros([], jnp.int32), velocity)

    def update(
        updates: optax.Updates, state: CountedTraceState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, CountedTraceState]:
        momentum = decay(state.updates) if callable(decay) else decay

        def follow(g: jax.Array, p: jax.Array) -> jax.Array:
            # In the velocity's own type: a float32 momentum would promote a bfloat16 velocity.
            return g + jnp.asarray(momentum).astype(p.dtype) * p

        velocity = jax.tree.map(
            lambda g, p: None if g is None else follow(g, p),
            updates,
            state.trace,
            is_leaf=lambda g: g is None,
        )
        moved = jax.tree.map(follow, updates, velocity) if nesterov else velocity
        kept = optax.tree.cast(velocity, inner_dtype)
        return moved, CountedTraceState(optax.safe_increment(state.updates), kept)

    return optax.GradientTransformation(init, update)


def sgd(
    learning_rate: ArrayLike | Schedule,
    C: ArrayLike | None = None,
    *,
    law: MomentumLaw | None = None,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike | None = None,
) -> optax.GradientTransformation:
    """SGD with the momentum of the law at the learning rate of each update.

    ::

        optimizer = flatfast.optax.sgd(optax.cosine_decay_schedule(0.1, 10_000), C=0.46)

    Composes with ``optax.chain``, ``masked``, ``MultiSteps`` (the schedule then counts the updates
    that are made) and ``inject_hyperparams``, under which ``learning_rate`` and ``C`` may be
    changed in the state at any time (a ``law`` must then be named in ``static_args``, since Optax
    takes callables for schedules).

    Args:
        learning_rate: A schedule, or one learning rate.
        C: Prefactor of the 2/3 law.
        law: Another law of this form.
        nesterov: Nesterov momentum.
        accumulator_dtype: Type of the velocity; by default that of the parameters.

    Returns:
        The transformation.

    Raises:
        ValueError: If both or neither of ``C`` and ``law`` are given, or ``C`` is a number that is
            not positive and finite.
    """
    if (C is None) == (law is None):
        raise ValueError("give either C, the law's prefactor, or law")
    if isinstance(C, int | float) and not (math.isfinite(C) and C > 0):
        raise ValueError(f"C must be positive and finite, got {C}")

    def momentum(count: ArrayLike) -> ArrayLike:
        if law is not None:
            return momentum_schedule(learning_rate, law)(count)
        assert C is not None
        return momentum_at(learning_rate(count) if callable(learning_rate) else learning_rate, C)

    return optax.chain(
        trace(momentum, nesterov, accumulator_dtype),
        optax.scale_by_learning_rate(learning_rate),
    )
