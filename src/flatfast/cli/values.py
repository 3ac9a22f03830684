"""Command-line values: lists, ranges, settings."""

import math
from collections.abc import Sequence

import numpy as np

from flatfast.lab.estimation.conventions import Convention
from flatfast.lab.problem import Scalar


def learning_rates(text: str) -> tuple[float, ...]:
    """``0.01,0.02`` (a list) or ``0.01:0.1:4`` (four values, evenly spaced in their logarithm).

    Raises:
        ValueError: If the text is neither, or a value is not positive and finite.
    """
    return _positive(text, "lr")


def momenta(text: str) -> tuple[float, ...]:
    """``0.9,0.99`` (a list) or ``0.7:0.99:8`` (evenly spaced in the logarithm of 1 - momentum).

    Raises:
        ValueError: If the text is neither, or a value is out of [0, 1).
    """
    if ":" in text:
        low, _, rest = text.partition(":")
        high, _, count = rest.partition(":")
        ends = (*_values(low, "momentum"), *_values(high, "momentum"))
        _check_momenta(ends)
        complement = _values(f"{1 - ends[0]}:{1 - ends[1]}:{count}", "momentum")
        return _rounded([1 - value for value in complement], (9, 12, 15))
    values = _values(text, "momentum")
    _check_momenta(values)
    return values


def prefactors(text: str) -> tuple[float, ...]:
    """``0.1,0.2`` (a list) or ``0.06:0.5:12`` (evenly spaced in their logarithm).

    Raises:
        ValueError: If the text is neither, or a value is not positive and finite.
    """
    return _positive(text, "C")


def momenta_of(prefactors: Sequence[float], lr: float, convention: Convention) -> tuple[float, ...]:
    """``1 - C lr^(2/3)``, or ``1 - C^3 lr^2``, without those that would be negative."""
    found = (1 - C**convention.power * lr**convention.law for C in prefactors)
    return _rounded([momentum for momentum in found if momentum >= 0], (9, 12, 15))


def _positive(text: str, name: str) -> tuple[float, ...]:
    values = _values(text, name)
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, got {value:g}")
    return values


def _check_momenta(values: tuple[float, ...]) -> None:
    for value in values:
        if not 0 <= value < 1:
            raise ValueError(f"momentum must be in [0, 1), got {value:g}")


def settings(pairs: list[str] | None, data: str | None = None) -> dict[str, Scalar]:
    """``NAME=VALUE`` pairs: whole numbers, numbers, true and false, anything else as text.

    Args:
        pairs: What ``--set`` was given.
        data: What ``--data`` was given, the setting of that name.

    Raises:
        ValueError: If a pair has no equals sign.
    """
    found: dict[str, Scalar] = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"--set takes NAME=VALUE, got {pair!r}")
        found[name.replace("-", "_")] = _scalar(value)
    return found if data is None else {**found, "data": data}


def _scalar(text: str) -> Scalar:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _values(text: str, name: str) -> tuple[float, ...]:
    """A list, or the ends and the number of a range."""
    try:
        if ":" in text:
            low, high, count = text.split(":")
            return _spaced(float(low), float(high), int(count))
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"{name} takes a list like 0.1,0.2 or a range like 0.1:0.4:5, got {text!r}"
        ) from None


def _spaced(low: float, high: float, count: int) -> tuple[float, ...]:
    """``count`` values between two positive ones; rounded, so that they read well."""
    if count < 1 or not (low > 0 and high > 0):
        raise ValueError
    return _rounded(np.geomspace(low, high, count).tolist(), (6, 9, 12))


def _rounded(values: list[float], digits: tuple[int, ...]) -> tuple[float, ...]:
    """The values to the fewest of these digits at which they differ, else as they are."""
    for count in digits:
        short = tuple(float(f"{value:.{count}g}") for value in values)
        if len(set(short)) == len(values):
            return short
    return tuple(values)
