"""Which pairs are run, for how long, and how often: successive halving over a grid that grows.

Many pairs run for a few steps, the better of them again on other batches; the best of these and
its neighbours for four times as many, each on two sets of batches. The grid grows along a line
first, in factors of four, then at both horizons from the best to where it is better, until the best
has neighbours on all sides or the horizon's share of the budget is spent: nobody need give a range.

A momentum is tried only where its memory of ``1 / (1 - momentum)`` steps fits :data:`MEMORIES`
times into a run. Others are still getting under way when it ends, as if the learning rate had been
warmed up: a pilot without this rule ended at momenta of 0.99 and tenfold effective steps, which are
poor for any training of some length.

Schedulers of whole studies (Optuna, Ray Tune, Syne Tune) bring processes, stores and a search space
with ends to be given, and promote trials one by one, while here the same batches for all, repeats
in pairs and a grid without ends are what the answer rests on. What is left of them is below.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from flatfast.torch.finding.grid import COMPLEMENTS, NINE, Grid, Place

RATIO = 4
"""Of one horizon to the next."""

REPEATS = 2
"""Sets of batches that long runs are made on, and the better of the short ones."""

TWICE = 3
"""Pairs of short runs that are."""

PLANNED = {False: (12, 4), True: (6, 3)}
"""Pairs at each of the two horizons, where the learning rate is sought, and where it is given.
They may become more where runs that diverge end early, and fewer where the best is soon found."""

LEAST_HORIZON = 16
"""Steps of the long runs below which nothing is told."""

MEMORIES = 3
"""Times that a momentum's memory is to fit into a run."""

RETREAT = 4
"""Places, of effective steps, that are gone down while every run diverges."""

LOWEST = -48
"""Places below which nothing is tried: learning rates fall by 10^-14."""


class Runs(Protocol):
    """What makes runs: :class:`flatfast.torch.finding.runs.ShortRuns`, or a formula in tests."""

    spent: float

    def cost(self, horizon: int) -> float:
        """Gradient evaluations of a run."""
        ...


@dataclass
class Level:
    """The runs of a horizon.

    Attributes:
        horizon: Their steps.
        losses: Of each place, one a repeat; infinite where it diverged.
    """

    horizon: int
    losses: dict[Place, list[float]] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """Place of the largest momentum that is tried, of :data:`COMPLEMENTS`."""
        return max(sum(c * self.horizon >= MEMORIES for c in COMPLEMENTS) - 1, 0)

    def mean(self, place: Place) -> float:
        """Mean loss at a place that has been run."""
        own = self.losses[place]
        return sum(own) / len(own)

    def ranked(self) -> list[Place]:
        """All places, the best first; of equals the one of the smaller step."""
        return sorted(self.losses, key=lambda place: (self.mean(place), place))

    @property
    def best(self) -> Place:
        """The place of the least mean loss."""
        return self.ranked()[0]

    @property
    def finite(self) -> list[Place]:
        """Those where nothing has diverged, the best first."""
        return [place for place in self.ranked() if math.isfinite(self.mean(place))]

    @property
    def twice(self) -> list[Place]:
        """Of these, those with every repeat."""
        return [place for place in self.finite if len(self.losses[place]) == REPEATS]

    @property
    def converged(self) -> bool:
        """Whether any run has not diverged."""
        return bool(self.finite)


class Search:
    """Chooses places, and keeps what came of them.

    Attributes:
        short: The runs of the short horizon.
        long: Those of the long one.
    """

    def __init__(
        self,
        grid: Grid,
        loss: Callable[[Place, int, int], float],
        runs: Runs,
        budget: float,
        told: Callable[[float], None] = lambda spent: None,
    ) -> None:
        """Plan the horizons.

        Args:
            grid: Where places are.
            loss: Of a run at a place, of its horizon and repeat.
            runs: Counts what it spends.
            budget: Gradient evaluations.
            told: Told what is spent after each run.

        Raises:
            ValueError: If the budget is too small; says which would do.
        """
        self._grid, self._loss, self._runs, self._told = grid, loss, runs, told
        self._budget = budget
        least = runs.spent + sum(self._planned(LEAST_HORIZON))
        if not budget >= least:
            raise ValueError(
                f"budget must be at least {math.ceil(least)} gradient evaluations for runs of "
                f"{LEAST_HORIZON} steps, got {budget:g}; runs of more steps tell more"
            )
        short = self._longest()
        self.long, self.short = Level(RATIO * short), Level(short)

    def _longest(self) -> int:
        """Steps of the short runs, as many as the budget has."""
        # A run costs its steps at least, so that the budget has not so many for all of them.
        low, high = LEAST_HORIZON // RATIO, int(self._budget)
        while high - low > 1:
            middle = (low + high) // 2
            affordable = self._runs.spent + sum(self._planned(RATIO * middle)) <= self._budget
            low, high = (middle, high) if affordable else (low, middle)
        return low

    def _planned(self, horizon: int) -> tuple[float, float]:
        """Cost of the short runs and of the long ones."""
        some, best = PLANNED[self._grid.given]
        short, long = self._runs.cost(horizon // RATIO), self._runs.cost(horizon)
        return (some + TWICE * (REPEATS - 1)) * short, REPEATS * best * long

    def run(self) -> None:
        """Run both horizons.

        Raises:
            RuntimeError: If every run diverges.
        """
        short, long = self.short, self.long
        _, last = self._planned(long.horizon)
        again = TWICE * (REPEATS - 1) * self._runs.cost(short.horizon)
        limit = self._budget - last - again
        self._climb(short, Place(0, min(NINE, short.most)), 1, limit, self._grid.on_the_line)
        self._climb(short, short.best, 1, limit, self._grid.around)
        self._check(short)
        for place in short.finite[:TWICE]:
            self._ask(short, place, REPEATS)
        best = (short.twice or short.finite)[0]
        self._climb(long, best, REPEATS, self._budget, self._grid.around)
        self._check(long)
        self._widen()

    def _check(self, level: Level) -> None:
        if not level.converged:
            tried = [self._grid.pair(place).lr for place in level.losses]
            raise RuntimeError(
                f"every run diverged in {level.horizon} steps, at learning rates from "
                f"{min(tried):.2g} to {max(tried):.2g}: is the loss finite a step away from here, "
                "and does it fall along its gradient?"
            )

    def _climb(
        self,
        level: Level,
        start: Place,
        repeats: int,
        limit: float,
        near: Callable[[Place, int], Iterable[Place]],
    ) -> None:
        """From the best so far to its neighbours, until it has them all, or no more is to be spent.

        The start is run whatever it costs.
        """
        self._ask(level, start, repeats)
        while (place := self._next(level, near)) and self._affords(level, repeats, limit):
            self._ask(level, place, repeats)

    def _next(self, level: Level, near: Callable[[Place, int], Iterable[Place]]) -> Place | None:
        best = level.best
        if level.converged:
            return next((p for p in near(best, level.most) if p not in level.losses), None)
        if self._grid.given:
            rungs = range(best.rung - 1, -1, -1)  # less momentum, a smaller effective step
            return next((p for r in rungs if (p := Place(0, r)) not in level.losses), None)
        lower = Place(min(place.step for place in level.losses) - RETREAT, best.rung)
        return lower if lower.step >= LOWEST else None

    def _widen(self) -> None:
        """Look further along the momenta, at the best's own step, with what is left."""
        best = self.long.best
        for rung in sorted(range(self.long.most + 1), key=lambda rung: abs(rung - best.rung)):
            place = Place(best.step, rung)
            if not self._affords(self.long, REPEATS, self._budget):
                return
            if place not in self.long.losses:
                self._ask(self.long, place, REPEATS)

    def _affords(self, level: Level, repeats: int, limit: float) -> bool:
        return self._runs.spent + repeats * self._runs.cost(level.horizon) <= limit

    def _ask(self, level: Level, place: Place, repeats: int) -> None:
        """Run a place until it has so many repeats; one that has diverged is not run again."""
        own = level.losses.setdefault(place, [])
        while len(own) < repeats and not (own and math.isinf(own[-1])):
            own.append(self._loss(place, level.horizon, len(own)))
            self._told(self._runs.spent)
