"""Medians over seeds, and their bootstrap.

The seeds are the clusters: seed 7 gives the same random numbers at every learning rate and every
momentum, so the times of one seed are correlated over the whole table. Seeds are therefore
resampled jointly: one draw of seed indices is applied to all cells.
"""

from collections.abc import Sequence
from math import ceil, floor

import numpy as np
from scipy import stats

from flatfast.lab.estimation.arrays import Floats, Indices
from flatfast.lab.estimation.interval import Interval

_CHUNK = 4_000_000
"""Numbers that are sorted at once; bounds the memory of a bootstrap to some tens of megabytes."""


def median(values: Floats) -> Floats:
    """Median over the last axis, where NaN means absent and +inf means censored.

    With an even number of values the two in the middle are averaged, so that the median of a cell
    of which half is censored is +inf. A cell without values gives NaN.
    """
    ascending = np.sort(values, axis=-1)  # NaN go last
    count = np.sum(~np.isnan(ascending), axis=-1, keepdims=True)
    low = np.take_along_axis(ascending, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ascending, np.minimum(count // 2, values.shape[-1] - 1), axis=-1)
    middle = np.where(low == high, low, 0.5 * (low + high))
    return np.asarray(np.where(count > 0, middle, np.nan)[..., 0])


def resamples(n_seeds: int, n_boot: int, seed: int) -> Indices:
    """Indices of ``n_boot`` draws of ``n_seeds`` seeds with replacement, (n_boot, n_seeds)."""
    return np.random.default_rng(seed).integers(0, n_seeds, size=(n_boot, n_seeds))


def resampled_medians(values: Floats, indices: Indices) -> Floats:
    """Medians over the last axis of ``values`` (..., S) under each draw: (B, ...)."""
    n_boot = len(indices)
    step = max(1, _CHUNK // max(values.size, 1))
    result = np.empty((n_boot, *values.shape[:-1]))
    for begin in range(0, n_boot, step):
        drawn = values[..., indices[begin : begin + step]]
        result[begin : begin + step] = np.moveaxis(median(drawn), -1, 0)
    return result


def percentile_interval(estimate: float, replicates: Floats, level: float) -> Interval:
    """The middle ``level`` of the replicates, which may be infinite; NaN are left out.

    The ends are replicates themselves, the outer neighbours of the percentiles: nothing is
    interpolated, which infinite replicates would not survive.
    """
    ascending = np.sort(replicates[~np.isnan(replicates)])
    if not len(ascending):
        return Interval(estimate, np.nan, np.nan)
    tail = (1.0 - level) / 2.0 * (len(ascending) - 1)
    return Interval(
        estimate,
        float(ascending[floor(tail)]),
        float(ascending[ceil(len(ascending) - 1 - tail)]),
    )


def student_interval(value: float, level: float, parts: Sequence[tuple[float, float]]) -> Interval:
    """Student's interval about a value whose variance is a sum of estimated variances.

    Args:
        value: The estimate.
        level: Confidence level in (0, 1).
        parts: Each variance with its degrees of freedom, as :func:`t_quantile` takes them.
    """
    reach = float(np.sqrt(sum(variance for variance, _ in parts))) * t_quantile(level, parts)
    return Interval(value, value - reach, value + reach)


def t_quantile(level: float, parts: Sequence[tuple[float, float]]) -> float:
    """Two-sided Student quantile for a variance that is a sum of estimated variances.

    Args:
        level: Confidence level in (0, 1).
        parts: Each variance with its degrees of freedom.

    Returns:
        The quantile at Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946).
    """
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / freedom for variance, freedom in parts)
    freedom = total**2 / spread if spread > 0 else parts[0][1]
    return float(stats.t.ppf(0.5 + level / 2.0, freedom))
