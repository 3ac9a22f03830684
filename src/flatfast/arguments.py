"""Numbers that a user gives: that they are numbers at all, and whole ones where they count."""

import operator
from typing import Any


def as_number(name: str, value: Any, valid: str) -> float:
    """The value as a float, if it is a number of Python's, NumPy's or a tensor with one.

    Args:
        name: What it is called.
        value: What was given.
        valid: What it may be, in words.

    Raises:
        TypeError: If it is no number, but text or a truth value for instance.
    """
    try:
        if isinstance(value, str | bool):  # of which float() would make numbers
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be {valid}, got {value!r}") from None


def as_whole(name: str, value: Any, valid: str) -> int:
    """The value as an int; a float is none, not even a whole one.

    Args:
        name: What it is called.
        value: What was given.
        valid: What it may be, in words.

    Raises:
        TypeError: If it is no whole number.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except (TypeError, RuntimeError):
        raise TypeError(f"{name} must be {valid}, got {value!r}") from None
