"""What changes: the batch, the learning rate, or both."""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from flatfast.arguments import as_number


@dataclass(frozen=True)
class Change:
    """A change that a rule answers.

    Attributes:
        batch: New batch over old batch, positive.
        lr: The learning rate asked for, positive; None leaves it to the rule.
    """

    batch: float = 1.0
    lr: float | None = None


def as_change(batch: Any, lr: Any) -> Change:
    """The change that a call asks for.

    Args:
        batch: The batch before and after, or None.
        lr: The new learning rate, or None.

    Raises:
        TypeError: If ``batch`` is no pair, or one of them no number.
        ValueError: If nothing changes, or a value is not positive and finite.
    """
    check_said(batch, lr, "lr, the new learning rate")
    return Change(
        1.0 if batch is None else ratio("batch", batch), None if lr is None else _size("lr", lr)
    )


PAIR_OF_RATES = "lr=(0.1, 0.4), the learning rate before and after"
"""How a learning rate is given to what has one of its own."""


def check_said(batch: Any, lr: Any, how: str = PAIR_OF_RATES) -> None:
    """Refuse a call that changes nothing.

    Args:
        batch: What was given of the batch.
        lr: What was given of the learning rate.
        how: How a learning rate is given, in words.

    Raises:
        ValueError: If neither was given.
    """
    if batch is None and lr is None:
        raise ValueError(
            f"say what changes: batch=(256, 1024), the batch before and after, or {how}"
        )


def ratio(name: str, pair: Any) -> float:
    """After over before.

    Raises:
        TypeError: If it is no pair of numbers.
        ValueError: If one of them is not positive and finite, or the ratio is not.
    """
    before, after = as_pair(name, pair)
    found = after / before
    if not 0 < found < math.inf:
        raise ValueError(f"{name} changes by a factor that no number holds: {before} to {after}")
    return found


def as_pair(name: str, pair: Any) -> tuple[float, float]:
    """Before and after, from anything that has an order.

    Raises:
        TypeError: If it is no pair of numbers; a set is none, nor is a mapping.
        ValueError: If one of them is not positive and finite.
    """
    unordered = isinstance(pair, str | bytes | bytearray | Set | Mapping)
    if unordered or not hasattr(pair, "__iter__") or len(both := tuple(pair)) != 2:
        raise TypeError(f"{name} must be a pair, before and after, e.g. (256, 1024), got {pair!r}")
    before, after = (_size(name, value) for value in both)
    return before, after


def _size(name: str, value: Any) -> float:
    number = as_number(name, value, "a positive number")
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return number
