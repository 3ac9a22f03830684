"""What the width of the exponent's interval is made of, and what further runs would do to it.

The slope through the best momenta has the variance ``sum lever^2 (v + tau^2)``: each learning
rate's lever, the seeds' variance v of its best momentum, and the scatter tau about the line, part
of which is how the grid of momenta lies about an optimum. m more runs beside n scale v by
``n / (n + m)``; momenta in the gaps scale the learning rate's share of the scatter as well. And the
interval is Student's: from few seeds a further one at every learning rate narrows it by the
quantile alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flatfast.lab.estimation.arrays import Floats
from flatfast.lab.estimation.optimum import Optima
from flatfast.lab.estimation.power_law import PowerLaw, replicate_variance
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.lab.runs import Runs

LEVEL = 0.95
"""Level of the interval whose width is wanted."""

GAPS, SEEDS = "gaps", "seeds"
"""Kinds of further runs: at momenta between those that were run, or with more seeds."""


@dataclass(frozen=True, eq=False)
class Part:
    """Further runs at one learning rate.

    Attributes:
        runs: The runs; None if there are none.
        new: Their number.
        share: Of all runs that then count at this learning rate.
        seeds: Its seeds then.
    """

    runs: Runs | None
    new: int
    share: float
    seeds: int


@dataclass(frozen=True, eq=False)
class Precision:
    """Variances at E learning rates.

    Attributes:
        lever: Squared weight of each best momentum in the slope, (E,).
        variance: Of each best momentum, from the seeds, (E,).
        scatter: Variance about the line beyond that.
        seeds: Seeds of each, E of them.
        free: Degrees of freedom of the scatter.
    """

    lever: Floats
    variance: Floats
    scatter: float
    seeds: tuple[int, ...]
    free: int

    @classmethod
    def of(
        cls, log_lr: Floats, optima: Optima, law: PowerLaw, seeds: tuple[int, ...]
    ) -> "Precision":
        """Of a sweep as it stands; optima that are not located have no part in it."""
        located, scatter = optima.located, law.scatter**2
        variance = np.where(located, replicate_variance(optima.boot_log_mu), 0.0)
        weight = np.where(located, 1.0 / (variance + scatter + 1e-12), 0.0)
        offset = log_lr - np.sum(weight * log_lr) / weight.sum()
        lever = weight * offset / np.sum(weight * offset**2)
        return cls(lever**2, variance, scatter, seeds, int(located.sum()) - 2)

    def gain(self, kind: str, parts: Mapping[int, Part]) -> float:
        """By how much the logarithm of the width falls with further runs, by learning rate."""
        variance, scatter = self.variance.copy(), np.full(len(self.lever), self.scatter)
        seeds = list(self.seeds)
        before = self._log_width(variance, scatter, seeds)
        for index, part in parts.items():
            variance[index] *= 1 - part.share
            scatter[index] *= 1 - part.share * (kind == GAPS)
            seeds[index] = part.seeds
        return before - self._log_width(variance, scatter, seeds)

    def _log_width(self, variance: Floats, scatter: Floats, seeds: Sequence[int]) -> float:
        own = float(np.sum(self.lever * variance)) + 1e-18
        about = float(np.sum(self.lever * scatter))
        quantile = t_quantile(LEVEL, [(own, min(seeds) - 1), (about, self.free)])
        return float(np.log(quantile) + 0.5 * np.log(own + about))
