"""The grid: effective steps in factors of two, and so the distances of momenta to 1.

In ordinary training the loss depends most on the effective step ``lr / (1 - momentum)`` and little
on how it is shared out. So the grid's axes are the effective step and the momentum: a line along
one of them is nearly what a user wants to see, and neighbours are pairs worth telling apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

COMPLEMENTS = (1.0, *(0.4 * 2.0**-n for n in range(9)))
"""Of ``1 - momentum``: momenta 0, 0.6, 0.8, 0.9, 0.95, 0.975 and so on to 0.9984."""

NINE = 3
"""Place of momentum 0.9 among them."""


@dataclass(frozen=True)
class Pair:
    """A learning rate and a momentum.

    Attributes:
        lr: Learning rate.
        momentum: In [0, 1).
        step: Effective step: ``lr / (1 - momentum)``, or ``lr`` of an optimizer that averages
            gradients.
    """

    lr: float
    momentum: float
    step: float


class Place(NamedTuple):
    """A point of the grid.

    Attributes:
        step: Factors of two between its effective step, or its learning rate where that is given,
            and the first.
        rung: Place of its momentum in :data:`COMPLEMENTS`.
    """

    step: int
    rung: int


@dataclass(frozen=True)
class Grid:
    """The pairs around a first one.

    Attributes:
        first: Effective step at 0; the learning rate itself where that is given.
        given: Whether the learning rate is given, so that momentum alone is sought.
        averages: Whether momentum weighs an average of gradients, as in Adam, and not a sum.
    """

    first: float
    given: bool
    averages: bool

    def pair(self, place: Place) -> Pair:
        """The pair at a place."""
        complement = COMPLEMENTS[place.rung]
        along = self.first * 2.0**place.step
        lr = along if self.given or self.averages else along * complement
        momentum = 1 - complement
        return Pair(lr, round(momentum, 12), lr if self.averages else lr / complement)

    def moved(self, place: Place, factor: float) -> Pair:
        """The pair at a place with its learning rate times a factor, between those of the grid."""
        here = self.pair(place)
        return Pair(here.lr * factor, here.momentum, here.step * factor)

    def on_the_line(self, place: Place, most: int) -> Iterator[Place]:
        """Two places on, on either side: in steps, or in momenta where the learning rate is given.

        Momenta go up to that at ``most``.
        """
        for by in (-2, 2):
            if not self.given:
                yield Place(place.step + by, place.rung)
            elif (rung := min(max(place.rung + by, 0), most)) != place.rung:
                yield Place(place.step, rung)

    def around(self, place: Place, most: int) -> Iterator[Place]:
        """Its neighbours, up to the momentum at ``most``.

        Those first to which the best moves as runs become longer: smaller steps, more momentum.
        Last those of about the same learning rate, where a valley of the loss may lie across.
        """
        across = []
        for sign in (1, -1):
            if not self.given:
                yield Place(place.step - sign, place.rung)
            if 0 <= place.rung + sign <= most:
                yield Place(place.step, place.rung + sign)
                across.append(Place(place.step + sign, place.rung + sign))
        if not self.given:
            yield from across
