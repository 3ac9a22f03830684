"""The two conventions of momentum, and pairs of learning rate and momentum from one to the other.

Heavy ball sums gradients, as PyTorch's and Optax's SGD do; the normalized convention averages them,
as Adam's first moment, SGD with ``dampening == momentum`` and Optax's ``ema`` do. A run of the one
is a run of the other at another learning rate.
"""

import math
from typing import Any, Literal

Convention = Literal["heavy-ball", "normalized"]
"""Whether momentum sums gradients, ``p <- momentum * p + g``, or averages them,
``m <- momentum * m + (1 - momentum) * g``; either way the weights move by ``-lr`` times it."""


def normalized(lr: float, momentum: float) -> tuple[float, float]:
    """Heavy ball's pair as a pair of the normalized convention: ``lr / (1 - momentum)``.

    The runs are the same. :func:`heavy_ball` is the way back.

    ::

        normalized(0.01, 0.9)  # (0.1, 0.9)

    Args:
        lr: Heavy ball's learning rate, positive.
        momentum: In [0, 1).

    Returns:
        Learning rate and momentum.

    Raises:
        TypeError: If a value is no number.
        ValueError: If a value is out of its range.
    """
    _check(lr, momentum)
    return lr / (1 - momentum), momentum


def heavy_ball(lr: float, momentum: float) -> tuple[float, float]:
    """A pair of the normalized convention as heavy ball's: ``lr * (1 - momentum)``.

    ::

        heavy_ball(0.1, 0.9)  # (0.01, 0.9)

    Args:
        lr: Learning rate in the normalized convention, positive.
        momentum: In [0, 1).

    Returns:
        Learning rate and momentum.

    Raises:
        TypeError: If a value is no number.
        ValueError: If a value is out of its range.
    """
    _check(lr, momentum)
    return lr * (1 - momentum), momentum


def normalized_exponent(gamma: float) -> float:
    """The law's exponent in the normalized convention: 2 for 2/3, 1 for 1/2.

    ``mu = C (lr mu)^gamma``, solved for mu.

    Raises:
        ValueError: If ``gamma`` is not in (0, 1).
    """
    if not 0 < gamma < 1:
        raise ValueError(
            f"gamma must be in (0, 1) in the normalized convention, got {gamma}: with 1 any "
            "momentum is the law's, or none"
        )
    return 1 / (1 / gamma - 1)


def check_number(name: str, value: Any) -> None:
    """Check that a value is one number, of whatever kind.

    Raises:
        TypeError: If it is text, or several of them, or none.
    """
    if isinstance(value, str) or not hasattr(value, "__float__") or getattr(value, "ndim", 0) > 0:
        raise TypeError(f"{name} must be a number, got {value!r}")


def _check(lr: float, momentum: float) -> None:
    check_number("lr", lr)
    check_number("momentum", momentum)
    if not 0 < lr < math.inf:
        raise ValueError(f"lr must be positive and finite, got {lr}")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be in [0, 1), got {momentum}")
