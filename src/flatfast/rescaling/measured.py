"""Which rule was best in the study ``transfer``, by kind of training and change."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Measured:
    """What was measured of a way to carry a setting, for a kind of training and a change.

    A case is a task with a schedule of the learning rate; samples are those to the loss that the
    setting tuned again has after half of a run.

    Attributes:
        way: A rule's name, or ``nothing``, ``square root`` (of the batch's factor, on the learning
            rate alone), or a rule's at another learning rate.
        cases: How many there were.
        within: In how many it needed at most 2% more samples than the setting tuned again, and no
            more of its runs failed.
        transfers: In how many that is certain at 95%, corrected for all comparisons of a task.
        worst: Samples over those of the setting tuned again in its worst case.
        worst_failures: Runs of that case which never came to that loss: where there are any, it is
            at least so bad.
        failures: Runs of all cases which never came to that loss.
        runs: Of how many.
    """

    way: str
    cases: int
    within: int
    transfers: int
    worst: float
    worst_failures: int
    failures: int
    runs: int


@cache
def _table() -> dict[str, Any]:
    held = files("flatfast.rescaling").joinpath("measured.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(held)["kinds"]
    return found


def kinds() -> tuple[str, ...]:
    """Kinds of training that were measured: ``SGD, images``."""
    return tuple(_table())


def changes(kind: str) -> tuple[str, ...]:
    """Changes that were measured for a kind of training: ``batch x 4``, ``lr / 4``.

    Raises:
        ValueError: If the kind was not measured.
    """
    if kind not in _table():
        raise ValueError(f"kind must be one of {'; '.join(kinds())}, got {kind!r}")
    return tuple(_table()[kind])


def measured(kind: str, change: str) -> tuple[Measured, ...]:
    """Every way that was compared, the best first.

    Args:
        kind: One of :func:`kinds`.
        change: One of :func:`changes`.

    Raises:
        ValueError: If that was not measured.
    """
    if change not in changes(kind):
        known = "; ".join(changes(kind))
        raise ValueError(f"change must be one of {known}, got {change!r}")
    return tuple(Measured(**way) for way in _table()[kind][change])
