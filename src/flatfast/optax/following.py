"""The law in Optax: SGD, and a trace whose decay follows the learning rate's schedule.

Momentum is an array computed inside the jitted update from the learning rate of that step, so a
schedule needs no compilation beyond the first, and training can be differentiated, mapped and
scanned over in the learning rate and in C.
"""

import math
import numbers
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from flatfast.law import GAMMA, MAX_MOMENTUM, ORDER, MomentumLaw

LARGEST = 80.0
"""Exponent of the correction at most: beyond it momentum is at its floor, and exp overflows."""

Schedule = Callable[[ArrayLike], ArrayLike]
"""Count of updates to a number."""


class CountedTraceState(NamedTuple):
    """State of :func:`trace`.

    Attributes:
        updates: How many there have been, a scalar.
        trace: Velocity, like the parameters, in single precision at least unless asked otherwise.
    """

    updates: jax.Array
    trace: Any


def momentum_at(
    lr: ArrayLike,
    C: ArrayLike,
    gamma: ArrayLike = GAMMA,
    min_momentum: ArrayLike = 0.0,
    max_momentum: ArrayLike = MAX_MOMENTUM,
    correction: ArrayLike = 0.0,
) -> jax.Array:
    """``1 - C * lr**gamma * exp(a * lr**(1/3))`` between its clamps, for arrays that may be traced.

    In single precision at least: in eight bits 0.999 is 1. Derivatives are finite everywhere, 0
    where a clamp holds.

    Args:
        lr: Learning rate. Traced values cannot be refused, so what is not positive (a schedule a
            step past its end, NaN) is taken for 0, where the ceiling holds.
        C: Prefactor.
        gamma: Exponent.
        min_momentum: Floor.
        max_momentum: Ceiling.
        correction: The law's first correction, a.

    Returns:
        Momentum, in the shape of ``lr``.
    """
    rate, constant = _precise(lr), _precise(C)
    moves = rate > 0
    # The power of what is not positive is kept out of both branches: its slope, infinite or NaN,
    # would pass through a `where` that covers the value alone.
    safe = jnp.where(moves, jnp.minimum(rate, jnp.finfo(rate.dtype).max), 1.0)
    corrected = safe**gamma * jnp.exp(jnp.minimum(correction * safe**ORDER, LARGEST))
    power = jnp.where(moves, corrected, 0.0)
    return jnp.clip(1 - constant * power, min_momentum, max_momentum)


def momentum_schedule(learning_rate: ArrayLike | Schedule, law: MomentumLaw) -> Schedule:
    """The momentum that belongs to a learning rate's schedule: for logs, or other transformations.

    That is for those that sum gradients. There is no law of Adam's ``b1`` (docs/adam.md).

    Args:
        learning_rate: A schedule, or one learning rate.
        law: The law, in the convention of the learning rates: "normalized" for ``optax.ema``.

    Returns:
        Count of updates to momentum.

    Raises:
        ValueError: If the one learning rate is negative, NaN or infinite.
        TypeError: If the learning rate is neither number, array nor schedule, or ``law`` no
            :class:`~flatfast.law.MomentumLaw`.
    """
    _check_law(law)
    _check_rate(learning_rate)

    def schedule(count: ArrayLike) -> jax.Array:
        lr = learning_rate(count) if callable(learning_rate) else learning_rate
        clamps = law.min_momentum, law.max_momentum
        return momentum_at(lr, law.factor, law.exponent, *clamps, law.correction)

    return schedule


def trace(
    decay: ArrayLike | Schedule,
    nesterov: bool = False,
    accumulator_dtype: DTypeLike | None = None,
) -> optax.GradientTransformation:
    """``optax.trace`` whose decay may be a schedule; equal to it for a constant one.

    The velocity is left as it is when the decay changes. It is kept, and returned, in single
    precision at least: in bfloat16, ``0.999 v`` rounds to ``v`` and nothing is ever forgotten.

    Args:
        decay: Momentum, or a schedule of it.
        nesterov: Nesterov momentum.
        accumulator_dtype: Type of the velocity; by default that of the parameters, or float32 where
            that has fewer bits.

    Returns:
        The transformation; its state counts the updates.

    Raises:
        TypeError: If ``decay`` is neither number, array nor schedule.
    """
    _check_kind("decay", decay)
    asked = None if accumulator_dtype is None else jnp.dtype(accumulator_dtype)

    def init(params: optax.Params) -> CountedTraceState:
        velocity = jax.tree.map(lambda p: _stored(jnp.zeros_like(p), asked), params)
        return CountedTraceState(jnp.zeros([], jnp.int32), velocity)

    def update(
        updates: optax.Updates, state: CountedTraceState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, CountedTraceState]:
        momentum = decay(state.updates) if callable(decay) else decay

        def follow(g: jax.Array, p: jax.Array) -> jax.Array:
            # In the velocity's own type, which a momentum in double precision would promote.
            return g + jnp.asarray(momentum).astype(p.dtype) * p

        velocity = jax.tree.map(
            lambda g, p: None if g is None else follow(g, _stored(p, asked)),
            updates,
            state.trace,
            is_leaf=lambda g: g is None,
        )
        moved = jax.tree.map(follow, updates, velocity) if nesterov else velocity
        kept = jax.tree.map(lambda p: _stored(p, asked), velocity)
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

    Composes with ``optax.chain``, ``masked``, ``multi_transform``, ``MultiSteps`` (the schedule
    then counts the updates that are made) and ``inject_hyperparams``, under which ``learning_rate``
    and ``C`` may be changed in the state at any time (a ``law`` must then be named in
    ``static_args``, since Optax takes callables for schedules).

    Args:
        learning_rate: A schedule, or one learning rate, at least 0. Where a schedule goes below,
            the step is ``optax.sgd``'s and momentum stays at its ceiling.
        C: Prefactor of the 2/3 law.
        law: Another law of this form; put into heavy ball's convention, which this is.
        nesterov: Nesterov momentum.
        accumulator_dtype: Type of the velocity; by default that of the parameters, or float32 where
            that has fewer bits. Updates come in the type of the parameters all the same, if
            ``update`` is given them.

    Returns:
        The transformation.

    Raises:
        ValueError: If both or neither of ``C`` and ``law`` are given, ``C`` is a number that is not
            positive and finite, or the learning rate one that is negative, NaN or infinite.
        TypeError: If the learning rate is neither number, array nor schedule, ``C`` neither number
            nor array, or ``law`` no :class:`~flatfast.law.MomentumLaw`.

    Warns:
        RuntimeWarning: If ``accumulator_dtype`` has too few bits for velocities to decay.
    """
    if (C is None) == (law is None):
        raise ValueError("give either C, the law's prefactor, or law")
    _check_prefactor(C)
    _check_law(law)
    law = law and law.in_convention("heavy-ball")
    _check_rate(learning_rate)
    _warn_of_few_bits(accumulator_dtype, _most_momentum(learning_rate, C, law))

    def momentum(count: ArrayLike) -> ArrayLike:
        if law is not None:
            return momentum_schedule(learning_rate, law)(count)
        assert C is not None
        return momentum_at(learning_rate(count) if callable(learning_rate) else learning_rate, C)

    steps = optax.chain(
        trace(momentum, nesterov, accumulator_dtype),
        optax.scale_by_learning_rate(learning_rate),
    )

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.OptState]:
        moved, state = steps.update(updates, state, params)
        return (moved if params is None else _like(moved, updates, params)), state

    return optax.GradientTransformation(steps.init, update)


def _precise(value: ArrayLike) -> jax.Array:
    """As an array of single precision at least."""
    array = jnp.asarray(value)
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))


def _stored(velocity: jax.Array, asked: jnp.dtype[Any] | None) -> jax.Array:
    """In the type asked for, else in its own or in float32 where that has fewer bits."""
    if asked is not None:
        return velocity.astype(asked)
    if not jnp.issubdtype(velocity.dtype, jnp.inexact):
        return velocity
    return velocity.astype(jnp.promote_types(velocity.dtype, jnp.float32))


def _like(moved: optax.Updates, gradients: optax.Updates, params: optax.Params) -> optax.Updates:
    """In the type that gradient and parameter have together, as a plain ``optax.sgd``'s."""

    def cast(u: jax.Array | None, g: jax.Array, p: jax.Array) -> jax.Array | None:
        return None if u is None else u.astype(jnp.promote_types(g.dtype, p.dtype))

    return jax.tree.map(cast, moved, gradients, params, is_leaf=lambda u: u is None)


def _check_prefactor(C: object) -> None:
    if C is None:
        return
    if isinstance(C, numbers.Real) and not isinstance(C, bool):
        if not (math.isfinite(C) and float(C) > 0):
            raise ValueError(f"C must be positive and finite, got {C}")
    elif not hasattr(C, "dtype"):
        raise TypeError(f"C must be a number or an array, got {C!r}")


def _check_law(law: object) -> None:
    if law is None or isinstance(law, MomentumLaw):
        return
    if isinstance(law, jax.Array):
        raise TypeError(
            "law must be a MomentumLaw, got an array: optax.inject_hyperparams takes what can be "
            'called for a schedule, so name the law in its static_args=("law",)'
        )
    raise TypeError(
        f"law must be a MomentumLaw, got {type(law).__name__}; momentum of any other form is a "
        "schedule for flatfast.optax.trace"
    )


def _check_rate(learning_rate: object) -> None:
    """Of one number; what a schedule or a traced array will give cannot be known."""
    _check_kind("learning_rate", learning_rate)
    if isinstance(learning_rate, numbers.Real) and not 0 <= float(learning_rate) < math.inf:
        raise ValueError(f"learning_rate must be at least 0 and finite, got {learning_rate}")


def _check_kind(name: str, value: object) -> None:
    """A number, an array of numbers, or a schedule."""
    if callable(value) or (isinstance(value, numbers.Real) and not isinstance(value, bool)):
        return
    dtype = getattr(value, "dtype", None)
    if dtype is None or not any(jnp.issubdtype(dtype, of) for of in (jnp.integer, jnp.floating)):
        raise TypeError(f"{name} must be a number, an array or a schedule, got {value!r}")


def _most_momentum(learning_rate: object, C: object, law: MomentumLaw | None) -> float:
    """The greatest momentum to come, as far as that is known beforehand."""
    if law is None and isinstance(C, numbers.Real):
        law = MomentumLaw(float(C))
    if law is None:
        return MAX_MOMENTUM
    constant = isinstance(learning_rate, numbers.Real)
    return law(float(learning_rate)) if constant else law.max_momentum  # type: ignore[arg-type]


def _warn_of_few_bits(accumulator_dtype: DTypeLike | None, most: float) -> None:
    """Where the decay of one step is less than the spacing of the velocity's values."""
    if accumulator_dtype is None:
        return
    dtype = jnp.dtype(accumulator_dtype)
    spacing = float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.inexact) else 1.0
    if 1 - most < spacing:
        warnings.warn(
            f"velocities in {dtype.name} do not decay at momenta above {1 - spacing:.4g}, and the "
            f"law may ask for {most:.4g}: leave accumulator_dtype out, or lower the "
            "law's max_momentum",
            RuntimeWarning,
            stacklevel=3,
        )
