"""What the rescaling of a parameter group means for everything that has numbers of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from flatfast.torch.groups import Group
from flatfast.torch.rescaling.records import DOUBTS, LOST, Record

Momentum = Callable[[float], float]
"""What becomes of a momentum of a cycle."""


FACTORS = "factors"
"""Where a group's record has the factors of its learning rates since they were tuned."""


class Factors(NamedTuple):
    """By how much a group's learning rates change.

    Attributes:
        now: That of the moment.
        base: Those that go with ``max_momentum``; where no momentum is cycled, all.
        peak: Those that go with ``base_momentum``.
    """

    now: float = 1.0
    base: float = 1.0
    peak: float = 1.0

    def times(self, other: "Factors") -> "Factors":
        """Both, one after the other."""
        return Factors(*(one * two for one, two in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Moved:
    """What a group's rescaling means for schedulers.

    Attributes:
        group: The group.
        factors: Of its learning rates, now.
        since: Of its learning rates, since they were tuned.
        momentum: What becomes now of a momentum that is cycled.
        momentum_since: What became of it since it was tuned.
        doubts: What is to be said of it, or was when it was written.
        lost: Whether a decay was clamped.
        record: What is known of the group afterwards.
        moves: Whether anything is done now.
        coupled: Whether its momentum follows a law.
    """

    group: Group
    factors: Factors
    since: Factors
    momentum: Momentum
    momentum_since: Momentum
    doubts: tuple[str, ...]
    lost: bool
    record: Record
    moves: bool
    coupled: bool

    @property
    def kept(self) -> Record:
        """The record with all that belongs to the group alone."""
        return {
            **self.record,
            FACTORS: [*self.since],
            DOUBTS: "\n".join(self.doubts),
            LOST: self.lost,
        }
