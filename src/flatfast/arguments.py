"""Numbers that a user gives: that they are numbers at all, and whole ones where they count."""

import operator
from collections.abc import Callable
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)


def as_number(name: str, value: Any, valid: str) -> float:
    """The value as a float, if it is a number of Python's, NumPy's or a tensor with one.

    Args:
        name: What it is called.
        value: What was given.
        valid: What it may be, in words.

    Raises:
        TypeError: If it is no number, but text or a truth value for instance.
        ValueError: If it is a whole number that is too large for a float.
    """
    return _converted(float, name, value, valid)


def as_whole(name: str, value: Any, valid: str) -> int:
    """The value as an int, as :func:`as_number`; a float is none, not even a whole one."""
    return _converted(operator.index, name, value, valid)


def _converted(convert: Callable[[Any], Number], name: str, value: Any, valid: str) -> Number:
    try:
        # Of text and of truth values, NumPy's and those in tensors too, float() would make numbers.
        truth = str(getattr(value, "dtype", "")).endswith("bool")
        if truth or isinstance(value, str | bytes | bytearray | bool):
            raise TypeError
        return convert(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be {valid}, got {value!r}") from None
    except OverflowError:
        raise ValueError(f"{name} must be {valid}, got one that no float holds") from None
