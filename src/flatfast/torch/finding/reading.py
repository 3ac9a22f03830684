"""What the losses say: the best pair, those as good within the noise, and how the best moves."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from flatfast.torch.finding.grid import COMPLEMENTS, Grid, Place
from flatfast.torch.finding.search import RATIO, REPEATS, Level

FEW = 4
"""Pairs whose scatter is the noise."""

LEVEL = 0.95
"""One-sided, of each comparison with the best."""

BETWEEN = (-0.5, 0.0)
"""Exponents of the best effective step over the number of steps: from where noise alone limits it,
``1 / sqrt(steps)``, to where curvature alone does."""

STUDENT = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
"""Student's t that is exceeded in 5%, for 1 to 10 degrees of freedom."""


@dataclass(frozen=True)
class Reading:
    """What is read off the long runs, beside the short ones.

    Attributes:
        best: Where the mean loss is least.
        as_good: Where it is not seen to be higher, the best among them.
        bounds: Where the best lies at the end of what was run.
        noise: Standard deviation of a run's loss over batches, common shifts of all runs apart; NaN
            where too few runs tell.
        margin: Excess of a mean loss from which on it is seen.
        exponent: Of the best effective step over the number of steps, as seen between the two
            horizons; NaN where all runs of one diverged.
    """

    best: Place
    as_good: tuple[Place, ...]
    bounds: tuple[str, ...]
    noise: float
    margin: float
    exponent: float


def read(grid: Grid, short: Level, long: Level) -> Reading:
    """Read both levels."""
    noise, free = scatter(long)
    margin = quantile(free) * noise * math.sqrt(2 / REPEATS) if free else math.inf
    best = long.best
    most = long.mean(best) + margin
    as_good = tuple(place for place in sorted(long.losses) if long.mean(place) <= most)
    return Reading(
        best,
        as_good if math.isfinite(margin) else (best,),
        _bounds(grid, short, long),
        noise,
        margin,
        _exponent(grid, short, long),
    )


def scatter(level: Level) -> tuple[float, int]:
    """Residual standard deviation of ``loss = pair + repeat``, and its degrees of freedom.

    Of the best few pairs with every repeat; NaN and 0 where there are too few. Pairs at the edge of
    divergence scatter far more than those that anybody would choose among.
    """
    losses = np.array([level.losses[place] for place in level.twice[:FEW]]).reshape(-1, REPEATS)
    free = (len(losses) - 1) * (REPEATS - 1)
    if free < 1:
        return math.nan, 0
    own, shared = losses.mean(1, keepdims=True), losses.mean(0, keepdims=True)
    residuals = losses - own - shared + losses.mean()
    return float(np.sqrt((residuals**2).sum() / free)), free


def quantile(free: int) -> float:
    """Student's t that is exceeded with probability ``1 - LEVEL``."""
    if free <= len(STUDENT):
        return STUDENT[free - 1]
    z = NormalDist().inv_cdf(LEVEL)  # and the first terms of its expansion in 1 / free
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


def carried(horizon: int, steps: int) -> float:
    """Factor of the best effective step from a horizon to a training's number of steps.

    It is the middle of what theory allows (:data:`BETWEEN`). What is seen between two short
    horizons is no guide from the start of a training, whose first steps want far larger ones: in a
    pilot the exponent seen was -0.4 to -0.9, and over the whole training about -0.2.
    """
    return math.pow(max(steps, horizon) / horizon, sum(BETWEEN) / 2)


def _exponent(grid: Grid, short: Level, long: Level) -> float:
    """Logarithm of the best step after the long runs over after the short, over that of 4."""
    if not (short.converged and long.converged):
        return math.nan
    return (_optimum(grid, long) - _optimum(grid, short)) / math.log2(RATIO)


def _optimum(grid: Grid, level: Level) -> float:
    """Logarithm to base 2 of the best effective step.

    Of a parabola through three places, along the steps at the best momentum, or along the momenta
    where the learning rate is given; the best place itself where it has not both neighbours.
    """
    best = level.best
    along = Place(0, 1) if grid.given else Place(1, 0)
    near = [Place(best.step + n * along.step, best.rung + n * along.rung) for n in (-1, 0, 1)]
    if any(place not in level.losses for place in near):
        return math.log2(grid.pair(best).step)
    x = [math.log2(grid.pair(place).step) for place in near]
    low, middle, high = (level.mean(place) for place in near)
    # A neighbour that diverged, or nearly, says on which side it lies and not how far.
    most = middle + 4 * max(min(low, high) - middle, 0.0)
    left, right = min(low, most) - middle, min(high, most) - middle
    if not left + right > 0:
        return x[1]
    by = 0.5 * (left - right) / (left + right)
    return x[1] + by * (x[2] - x[1] if by > 0 else x[1] - x[0])


def _bounds(grid: Grid, short: Level, long: Level) -> tuple[str, ...]:
    """Where a neighbour of the best was not run, and was not worse in short runs."""
    best, found = long.best, []
    sides = {"less momentum": Place(best.step, best.rung - 1)} if best.rung > 0 else {}
    if best.rung < len(COMPLEMENTS) - 1:
        sides["more momentum"] = Place(best.step, best.rung + 1)
    if not grid.given:
        sides["smaller learning rates"] = Place(best.step - 1, best.rung)
        sides["larger learning rates"] = Place(best.step + 1, best.rung)
    for side, place in sides.items():
        known = place in short.losses and best in short.losses
        if not (place in long.losses or (known and short.mean(place) > short.mean(best))):
            found.append(side)
    return tuple(found)
