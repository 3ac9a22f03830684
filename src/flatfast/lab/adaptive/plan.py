"""What an adaptive sweep is asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flatfast.lab.estimation.convergence import MEMORIES_PAST
from flatfast.lab.goal import Goal
from flatfast.lab.length import scaled_length
from flatfast.law import GAMMA

PILOT = "pilot"
"""Name of the runs that only say where to look."""

FIRST_SEEDS = 3
"""Seeds of a row's first momenta: the fewest from which an interval says anything."""

SPACINGS = (8, 9, 10, 11)
"""Momenta per factor of ten among which a grid is chosen."""

ANYWHERE = (0.01, 2.0)
"""Where a pilot looks if nobody says: ``(1 - momentum) / lr^(2/3)``."""

ROOM = 1.15
"""By how much runs are longer than the best time asks for, since it is only known roughly."""


@dataclass(frozen=True)
class Plan:
    """An adaptive sweep.

    Attributes:
        lr: Learning rates, at least 3.
        scaled_mu: Least and greatest ``(1 - momentum) / lr^(2/3)`` of the pilot.
        duration: Longest run, in units of ``lr^(-2/3)`` steps.
        patience: Length of a run over the best time at its learning rate; above 1.
        per_decade: Momenta per factor of ten in ``1 - momentum``, once the gaps are filled;
            :func:`even_grid` chooses well.
        most_seeds: Runs at a pair, at most.
        width: Full width of the exponent's 95% interval at which the sweep ends.
        budget: Steps of all runs together after which no round begins; none by default.

    Raises:
        ValueError: If a value is out of range.
    """

    lr: tuple[float, ...]
    scaled_mu: tuple[float, float]
    duration: float
    patience: float = 3.0
    per_decade: int = 8
    most_seeds: int = 24
    width: float = 0.1
    budget: int | None = None

    def __post_init__(self) -> None:
        if len(set(self.lr)) < 3:
            raise ValueError(
                f"an adaptive sweep needs at least 3 learning rates, got {len(set(self.lr))}"
            )
        for lr in self.lr:
            if not 0 < lr < math.inf:
                raise ValueError(f"lr must be positive and finite, got {lr}")
        low, high = self.scaled_mu
        if not 0 < low < high < math.inf:
            raise ValueError(f"scaled_mu must be two ascending positive numbers, got {low}, {high}")
        for name, least in (("duration", 0.0), ("patience", 1.0), ("width", 0.0)):
            value = getattr(self, name)
            if not least < value < math.inf:
                raise ValueError(f"{name} must be finite and above {least:g}, got {value}")
        for name, fewest in (("per_decade", 4), ("most_seeds", FIRST_SEEDS)):
            if getattr(self, name) < fewest:
                raise ValueError(f"{name} must be at least {fewest}, got {getattr(self, name)}")
        if self.budget is not None and self.budget < 1:
            raise ValueError(f"budget must be at least 1 step, got {self.budget}")

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates, descending: in the order in which they are begun."""
        return tuple(sorted(set(self.lr), reverse=True))

    def longest(self, lr: float) -> int:
        """Longest run at a learning rate, in steps."""
        return scaled_length(self.duration, lr)

    def length(self, lr: float, best_time: float) -> int:
        """Length of the runs at a learning rate whose best time is about ``best_time`` steps."""
        return min(math.ceil(ROOM * self.patience * best_time), self.longest(lr))

    def momentum(self, cell: int) -> float:
        """The momentum of a cell of the grid, ``1 - 10^(cell / per_decade)``."""
        return float(1 - 10 ** (cell / self.per_decade))

    def cell(self, mu: float) -> float:
        """Where ``1 - momentum`` lies on the grid, in cells; 0 is plain SGD."""
        return self.per_decade * math.log10(mu)


def scaled_range(momenta: Sequence[float], lr: float) -> tuple[float, float]:
    """Least and greatest ``(1 - momentum) / lr^(2/3)`` of momenta at a learning rate.

    Without momenta :data:`ANYWHERE`, which holds the best of all problems that were measured.

    Raises:
        ValueError: If they are one momentum, which is no range.
    """
    if not momenta:
        return ANYWHERE
    if len(set(momenta)) < 2:
        raise ValueError(
            "the momenta of an adaptive sweep are the ends of the range in which it begins to look "
            f"and must be two at least, got {momenta[0]:g} alone"
        )
    scaled = [(1 - momentum) / lr**GAMMA for momentum in momenta]
    return min(scaled), max(scaled)


def even_grid(lr: Sequence[float]) -> int:
    """Momenta per factor of ten for which the grid lies differently about every optimum.

    Where the best momentum moves by a whole number of cells from one learning rate to the next, the
    grid lies alike about all of them, and what its position does to the fit looks like a slope.
    Of the spacings in :data:`SPACINGS` this is the one that spreads the optima of the law most
    evenly over a cell, and over half of one.
    """
    at = GAMMA * np.log10(np.asarray(lr, np.float64))

    def alike(per_decade: int) -> float:
        # Even cells come first, so that a first look has half as many.
        turns = np.exp(2j * np.pi * per_decade / 2 * np.outer((1, 2), at))
        return float(np.sum(np.abs(np.mean(turns, axis=1))))

    return min(SPACINGS, key=lambda per_decade: (round(alike(per_decade), 9), per_decade))


def patience_of(goal: Goal) -> float:
    """How many best times a run must last, for the best momentum to be known as the best.

    A run crosses the threshold and may come back for another swing. The slow motion near the end of
    the drift is a damped oscillator that starts at rest: a metric quadratic in it that must fall to
    the fraction F first crosses at the phase ``a = arccos(sqrt(F))`` or later and, if it comes back
    at all, comes back before the phase ``pi - a``. So ``(pi - a) / a`` times its first crossing a
    run has been seen to stay or to leave. Never less than 2, for what is not an oscillator, and 3
    for goals that are not a fraction of the start.
    """
    if not goal.relative:
        return 3.0
    first = math.acos(math.sqrt(goal.threshold))
    return min(max((math.pi - first) / first, 2.0), MEMORIES_PAST)
