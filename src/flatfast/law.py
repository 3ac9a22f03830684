"""The scaling law: momentum from the learning rate.

``1 - momentum = C * lr**gamma`` with ``gamma = 2/3`` makes training with label noise fastest
without loss of generalisation: the time to equilibrate across the manifold of zero-loss minimizers
then scales like the time to drift along it (Cowsik, Can and Glorioso, arXiv 2210.16400).

That is heavy ball's, whose momentum sums gradients (PyTorch's SGD). Where it averages them, as
Adam's first moment, SGD with ``dampening == momentum`` and Optax's ``ema`` do, the same runs have
the learning rate ``lr / (1 - momentum)``, and the same law with the same C is
``1 - momentum = C**3 * lr**2`` (docs/theory.md).

This module needs nothing but the standard library and :mod:`flatfast.convention`. Learning rates
may be numbers, sequences of them, or arrays that know comparison, power and ``clip``.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_args, overload

from flatfast.convention import Convention, check_number, heavy_ball, normalized_exponent

GAMMA = 2 / 3
"""The exponent of the law."""

ORDER = 1 / 3
"""Power of the learning rate in the law's first correction."""

MAX_MOMENTUM = 0.9995
"""Default ceiling of the momentum: a memory of 2,000 steps."""

Array = TypeVar("Array")


@dataclass(frozen=True)
class MomentumLaw:
    """``momentum = 1 - C * lr**gamma``, kept between a floor and a ceiling.

    The 2/3 law is the limit of small learning rates. With ``correction=a`` it is
    ``1 - C * lr**(2/3) * exp(a * lr**(1/3))``: near the stability limit, where most networks are
    trained, the correction counts. A sweep measures a; theory does not give it (docs/theory.md).

    In the convention of normalized momentum the same law is ``1 - C**3 * lr**2``, and with another
    ``gamma`` below 1 ``1 - (C * lr**gamma)**(1 / (1 - gamma))``: C and gamma are heavy ball's in
    either convention.

    Where the learning rate is large, ``C * lr**gamma`` passes 1 and the law asks for a momentum
    below zero: the floor (0, plain SGD) holds. Where the learning rate goes to 0 (the first step of
    a warm-up, the last of a cosine) the law asks for a momentum of 1, whose memory never ends: the
    ceiling holds. It is a memory, ``1 / (1 - max_momentum)`` steps, longer than which nothing is
    remembered; at ``lr = 0`` nothing moves, so any momentum below 1 does.

    ::

        law = MomentumLaw(C=0.24)
        law(0.1)                                    # 0.948
        law = MomentumLaw.from_reference(0.1, 0.9)  # what somebody has tuned
        law(0.4)                                    # 0.748
        law([0.1, 0.2, 0.4])                        # a list gives a list, an array an array
        law.in_convention("normalized")(2.0)        # 0.945: heavy ball's learning rate is 0.111

    Attributes:
        C: Prefactor, positive; in units of ``lr**-gamma``.
        gamma: Exponent, positive; below 1 in the normalized convention.
        min_momentum: Floor, in [0, 1).
        max_momentum: Ceiling, in [min_momentum, 1).
        correction: a, the law's first correction; in units of ``lr**(-1/3)``. It belongs to the
            exponent 2/3 and to heavy ball, and is 0 with any other.
        convention: ``heavy-ball`` or ``normalized``: of the learning rates that it is asked for.

    Raises:
        TypeError: If C or gamma is no number.
        ValueError: If a value is out of its range.
    """

    C: float
    gamma: float = GAMMA
    min_momentum: float = 0.0
    max_momentum: float = MAX_MOMENTUM
    correction: float = 0.0
    convention: Convention = "heavy-ball"

    def __post_init__(self) -> None:
        _check_positive("C", self.C)
        if isinstance(self.C, float):  # a plain one, whatever else a measured number knows
            object.__setattr__(self, "C", float(self.C))
        _check_positive("gamma", self.gamma)
        _check_momentum("min_momentum", self.min_momentum)
        _check_momentum("max_momentum", self.max_momentum)
        if self.min_momentum > self.max_momentum:
            raise ValueError(
                f"min_momentum must be at most max_momentum = {self.max_momentum}, "
                f"got {self.min_momentum}"
            )
        _check_correction(self.correction, self.gamma)
        _check_convention(self.convention, self.gamma, self.correction)
        _check_factor(self)

    @property
    def exponent(self) -> float:
        """Power of the learning rate in the law's own convention: gamma, or 2 in place of 2/3."""
        return normalized_exponent(self.gamma) if self.convention == "normalized" else self.gamma

    @property
    def factor(self) -> float:
        """What stands before that power: C, or its cube in place of it."""
        return self.C ** (1 / (1 - self.gamma)) if self.convention == "normalized" else self.C

    def in_convention(self, convention: Convention) -> "MomentumLaw":
        """The same law, asked for learning rates of this convention.

        Raises:
            ValueError: If there is no such convention, or the law has no form in it.
        """
        return self if convention == self.convention else replace(self, convention=convention)

    @classmethod
    def from_reference(
        cls,
        lr: float,
        momentum: float,
        gamma: float = GAMMA,
        *,
        correction: float = 0.0,
        convention: Convention = "heavy-ball",
        **clamps: float,
    ) -> "MomentumLaw":
        """The law through a pair that somebody has already tuned.

        Args:
            lr: The pair's learning rate, positive.
            momentum: The pair's momentum, in [0, 1).
            gamma: Exponent.
            correction: The law's first correction, a.
            convention: Of the pair, and of the law.
            clamps: ``min_momentum`` and ``max_momentum``; by default the ceiling is raised where
                the reference itself lies above it.

        Raises:
            ValueError: If a value is out of its range.
        """
        _check_positive("lr", lr)
        _check_momentum("momentum", momentum)
        _check_positive("gamma", gamma)
        _check_correction(correction, gamma)
        clamps.setdefault("max_momentum", max(MAX_MOMENTUM, momentum))
        _check_convention(convention, gamma, correction)
        heavy = heavy_ball(lr, momentum)[0] if convention == "normalized" else lr
        C = (1 - momentum) / _power(heavy, gamma, correction)
        return cls(C, gamma, correction=correction, convention=convention, **clamps)

    def for_batch(self, k: float) -> "MomentumLaw":
        """The law of a batch k times as large: ``C * k**(1 - 2 * gamma)``, for 2/3 ``k**(-1/3)``.

        Where steps are small, noise and learning rate count through one variable alone: best
        ``(1 - momentum) / lr**(1/2)`` is a function of ``noise**2 * lr**(1/2)``, and a batch k
        times as large divides ``noise**2`` by k (docs/regimes.md). So the power follows for any
        exponent: 0 for 1/2, where no noise counts, and -1 for 1. A correction becomes
        ``a * k**(-2/3)``.
        Floor and ceiling stay: they are memories in steps.

        ::

            MomentumLaw.from_reference(0.1, 0.9).for_batch(4)(0.4)  # 0.841

        Args:
            k: New batch over old batch, positive.

        Returns:
            The new law.

        Raises:
            ValueError: If ``k`` is not positive and finite, or the new prefactor is no number.
        """
        _check_positive("k, new batch over old batch,", k)
        C = self.C * k ** (1 - 2 * self.gamma)
        return replace(self, C=C, correction=self.correction * k ** (-2 * ORDER))

    @overload
    def __call__(self, lr: float) -> float: ...
    @overload
    def __call__(self, lr: Array) -> Array: ...
    def __call__(self, lr: Any) -> Any:
        """The momentum at a learning rate.

        Args:
            lr: Learning rate, at least 0 and finite; a number, a sequence of them, or an array.

        Returns:
            Momentum in [min_momentum, max_momentum]: a float, a list, or an array like ``lr``.

        Raises:
            ValueError: If a learning rate is negative, NaN or infinite.
        """
        if type(lr) is float or isinstance(lr, int | float):  # the first test is the fast one
            return self._momentum(float(lr))
        if hasattr(lr, "__array__") and hasattr(lr, "clip"):
            _check_rates(lr)
            mu = self.factor * lr**self.exponent
            if self.correction:
                mu = mu * math.e ** (self.correction * lr**ORDER)
            return (1 - mu).clip(self.min_momentum, self.max_momentum)
        if isinstance(lr, Iterable) and not isinstance(lr, str):
            return [self._momentum(float(value)) for value in lr]
        raise TypeError(f"lr must be a number, a sequence or an array, got {type(lr).__name__}")

    def _momentum(self, lr: float) -> float:
        if not 0 <= lr < math.inf:
            raise ValueError(_bad_rate(lr))
        momentum = 1 - self.factor * _power(lr, self.exponent, self.correction)
        return float(min(max(momentum, self.min_momentum), self.max_momentum))

    def lr_at(self, momentum: float) -> float:
        """The learning rate at which the law, without its clamps, gives this momentum.

        With a negative correction ``1 - momentum`` rises with the learning rate up to
        ``lr = (2 / -a)**3`` and falls again, where the correction is no longer a small one: the
        answer is sought below.

        Raises:
            ValueError: If ``momentum`` is not in [0, 1), or so low that a law with a negative
                correction does not give it.
        """
        _check_momentum("momentum", momentum)
        if not self.correction:
            return float(((1 - momentum) / self.factor) ** (1 / self.exponent))
        # In y = lr^(1/3) the law is y exp(a y / 2) = root; its logarithm does not overflow.
        root, a = ((1 - momentum) / self.C) ** 0.5, self.correction
        turn = -2 / a
        # exp(a y / 2) lies between 1/e and 1 up to the turn.
        low, high = (0.0, root) if a > 0 else (root, min(turn, math.e * root))
        if a < 0 and turn * math.exp(-1) < root:
            least = 1 - self.C * (turn * math.exp(-1)) ** 2
            raise ValueError(
                f"momentum must be at least {least:.4g}, the lowest that this law gives with its "
                f"correction of {a:g}, got {momentum}"
            )
        while low < (middle := (low + high) / 2) < high:
            below = math.log(middle) + a * middle / 2 < math.log(root)
            low, high = (middle, high) if below else (low, middle)
        return float(high**3)

    def range(self) -> tuple[float, float]:
        """The lowest and the highest learning rate at which neither ceiling nor floor holds.

        A negative correction may keep the law above its floor for ever: the highest is then
        infinite.
        """
        try:
            highest = self.lr_at(self.min_momentum)
        except ValueError:
            highest = math.inf
        return self.lr_at(self.max_momentum), highest


def transfer(
    lr: float,
    momentum: float,
    new_lr: float,
    gamma: float = GAMMA,
    convention: Convention = "heavy-ball",
) -> float:
    """The momentum at a new learning rate that corresponds to a tuned pair.

    ::

        transfer(0.1, 0.9, 0.4)  # 0.748: 0.9 served at 0.1, and the learning rate is raised to 0.4

    Args:
        lr: Learning rate of the tuned pair.
        momentum: Momentum of the tuned pair.
        new_lr: The learning rate to go to.
        gamma: Exponent of the law.
        convention: Of both learning rates.

    Returns:
        Momentum, between 0 and the law's ceiling.

    Raises:
        ValueError: If a value is out of its range.
    """
    return MomentumLaw.from_reference(lr, momentum, gamma, convention=convention)(new_lr)


def out_of_range(law: MomentumLaw, lr: float) -> str | None:
    """That floor or ceiling holds at a learning rate, in a sentence; None where the law does.

    ::

        out_of_range(MomentumLaw(C=0.46), 10.0)  # "lr 10 is out of the law's range: ..."
    """
    low, high = law.range()
    rounding = 1e-9  # of a law through a pair whose momentum is the floor or the ceiling itself
    if low * (1 - rounding) <= lr <= high * (1 + rounding):
        return None
    floor = "0, which is plain SGD" if law.min_momentum == 0 else f"its floor, {law.min_momentum:g}"
    end = floor if lr > high else f"its ceiling, {law.max_momentum:g}"
    return (
        f"lr {lr:g} is out of the law's range: with C {law.C:.4g} it gives a momentum for learning "
        f"rates from {low:.3g} to {high:.3g}; here momentum is {end}"
    )


def memory(momentum: float) -> float:
    """How long momentum remembers a gradient: ``1 / (1 - momentum)`` steps.

    Raises:
        ValueError: If ``momentum`` is not in [0, 1).
    """
    _check_momentum("momentum", momentum)
    return 1 / (1 - momentum)


def effective_step(lr: float, momentum: float) -> float:
    """``lr / (1 - momentum)``: the learning rate of anything slower than the momentum's memory.

    Raises:
        ValueError: If ``momentum`` is not in [0, 1).
    """
    _check_momentum("momentum", momentum)
    return lr / (1 - momentum)


def _power(lr: float, gamma: float, correction: float) -> float:
    """``lr**gamma``, with the law's first correction."""
    try:
        power: float = lr**gamma
    except OverflowError:  # of a square: 1 - momentum is past 1 all the more
        return math.inf
    if not correction:
        return power
    exponent = correction * lr**ORDER
    # Beyond this 1 - momentum is past 1 for any C that is of use, and exp would overflow.
    return power * math.exp(min(exponent, 700.0))


def _check_correction(value: float, gamma: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"correction must be finite, got {value}")
    if value and not math.isclose(gamma, GAMMA):
        raise ValueError(
            f"correction belongs to the exponent 2/3; with gamma = {gamma:g} it must be 0, "
            f"got {value}"
        )


def _check_convention(value: str, gamma: float, correction: float) -> None:
    if value not in get_args(Convention):
        raise ValueError(
            f"convention must be {' or '.join(map(repr, get_args(Convention)))}, got {value!r}"
        )
    if value == "normalized":
        normalized_exponent(gamma)
        if correction:
            raise ValueError(
                f"correction must be 0 in the normalized convention, got {correction}; it is known "
                "for heavy ball"
            )


def _check_factor(law: MomentumLaw) -> None:
    """That a float holds the factor, which is a power of C."""
    try:
        factor = law.factor
    except OverflowError:
        factor = math.inf
    if not 0 < factor < math.inf:
        raise ValueError(
            f"C must be such that C**{1 / (1 - law.gamma):.3g}, which stands in the normalized "
            f"convention's law, is a positive number that a float holds, got {law.C:g}"
        )


def _check_positive(name: str, value: float) -> None:
    check_number(name, value)
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")


def _check_momentum(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value}")


def _check_rates(rates: Any) -> None:
    """For an array."""
    for value in (rates.min(), rates.max()):
        if not 0 <= value < math.inf:
            raise ValueError(_bad_rate(float(value)))


def _bad_rate(value: float) -> str:
    return f"lr must be at least 0 and finite, got {value}"
