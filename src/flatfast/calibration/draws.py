"""What draws say in the mean, with its standard error."""

from collections.abc import Sequence

import numpy as np

from flatfast.calibration.landscape import Vector
from flatfast.estimate import Estimate


def mean_of(values: Sequence[float]) -> Estimate:
    """The mean of independent draws, two at least."""
    return Estimate(float(np.mean(values)), np.std(values, ddof=1) / np.sqrt(len(values)))


def mean_of_groups(means: Sequence[float], counts: Sequence[int]) -> Estimate:
    """The mean of draws of which only the means of groups are known, two at least."""
    of_each, weights = np.array(means), np.array(counts) / sum(counts)
    mean = float(weights @ of_each)
    groups = len(of_each)
    error = np.sqrt(groups / (groups - 1) * float(weights**2 @ (of_each - mean) ** 2))
    return Estimate(mean, error)


def ratio_of(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """The ratio of the means; NaN where the lower one is not told from zero."""
    upper, lower = np.array(pairs).T
    if not lower.mean() > 2 * lower.std(ddof=1) / len(lower) ** 0.5:
        return Estimate(np.nan, np.nan)
    ratio = upper.mean() / lower.mean()
    error = (upper - ratio * lower).std(ddof=1) / len(lower) ** 0.5 / lower.mean()
    return Estimate(ratio, error)


class Groups:
    """Vectors (D,) summed in groups: their mean, and the error of what is read off it.

    Attributes:
        counts: Vectors in each group.
    """

    def __init__(self, most: int) -> None:
        """None yet; so many groups at most."""
        self._most = most
        self._sums: list[Vector] = []
        self.counts: list[int] = []

    def add(self, vector: Vector) -> None:
        """One more, into the next group."""
        if len(self._sums) < self._most:
            self._sums.append(vector)
            self.counts.append(1)
        else:
            group = sum(self.counts) % self._most
            self._sums[group] = self._sums[group] + vector
            self.counts[group] += 1

    @property
    def sum(self) -> Vector:
        """(D,) of all."""
        total = self._sums[0]
        for part in self._sums[1:]:
            total = total + part
        return total

    @property
    def mean(self) -> Vector:
        """(D,) of all."""
        return self.sum * (1 / sum(self.counts))

    @property
    def means(self) -> list[Vector]:
        """(D,) of each group."""
        return [part * (1 / count) for part, count in zip(self._sums, self.counts, strict=True)]

    def times(self, v: Vector) -> Estimate:
        """The mean times v (D,)."""
        of_each = [
            float(part @ v) / count for part, count in zip(self._sums, self.counts, strict=True)
        ]
        return mean_of_groups(of_each, self.counts)
