"""How the learning rate of a short run goes: as the training's own, in so many fewer steps."""

import math
from collections.abc import Callable
from typing import Literal

from flatfast.arguments import as_number

Schedule = Literal["cosine", "constant"] | Callable[[float], float]
"""A name, or the factor of the learning rate at a share, in [0, 1), of the steps."""


def factor_of(schedule: Schedule) -> Callable[[float], float]:
    """The factor at each share of the steps.

    Raises:
        TypeError: If it is neither a name nor can be called; later, if it gives no number.
        ValueError: If there is no schedule of that name; later, if a factor is negative or not
            finite.
    """
    if callable(schedule):
        return _checked(schedule)
    if not isinstance(schedule, str):
        raise TypeError(
            "schedule must be 'cosine', 'constant' or a function of the share of the steps that "
            f"are done, got {schedule!r}"
        )
    if schedule not in NAMED:
        raise ValueError(f"schedule must be 'cosine', 'constant' or a function, got {schedule!r}")
    return NAMED[schedule]


def _checked(schedule: Callable[[float], float]) -> Callable[[float], float]:
    """The user's own, which says of a bad factor that it is one."""

    def factor(share: float) -> float:
        found = as_number(f"schedule({share:g})", schedule(share), "a number, at least 0")
        if not 0 <= found < math.inf:
            raise ValueError(f"schedule({share:g}) must be at least 0 and finite, got {found:g}")
        return found

    return factor


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _constant(_: float) -> float:
    return 1.0


NAMED: dict[str, Callable[[float], float]] = {"cosine": _cosine, "constant": _constant}
