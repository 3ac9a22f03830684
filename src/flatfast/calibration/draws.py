"""What draws say in the mean, with its standard error."""

from collections.abc import Sequence

import numpy as np

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
