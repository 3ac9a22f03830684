"""The declared test: does a way need at most 2% more examples than the setting tuned again?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from studies.transfer.curves import SHARES

WITHIN = 0.02
"""More examples than the setting tuned again that still count as a transfer."""

LEVEL = 0.05
"""Of each family of one-sided tests, by Holm's correction."""

TRANSFERS, DOES_NOT, UNDECIDED = "transfers", "does not", "undecided"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ratio:
    """Examples to the target over those of the setting tuned again, of seeds in pairs.

    Attributes:
        estimate: Geometric mean.
        low: Lower end of its 95% interval by Student's t, of this comparison alone.
        high: Upper end.
        failures: Runs that did not reach the target: they count with all examples given, the
            least that they can take.
        oracle_failures: The same of the setting tuned again.
        seeds: Pairs.
        p_above: Of the hypothesis that it is at most 2% above 1.
        p_below: Of the hypothesis that it is at least that; 1 where a run failed.
    """

    estimate: float
    low: float
    high: float
    failures: int
    oracle_failures: int
    seeds: int
    p_above: float
    p_below: float


def ratio(own: Array, oracle: Array) -> Ratio:
    """The ratio from shares of the examples (seeds,), infinite where a target is not reached.

    Raises:
        ValueError: If there are fewer than two seeds, or not as many of both.
    """
    if own.shape != oracle.shape or own.ndim != 1 or len(own) < 2:
        raise ValueError(
            f"a ratio needs pairs of two seeds at the least, got {own.shape} and {oracle.shape}"
        )
    most = float(SHARES[-1])
    failed, oracle_failed = np.isinf(own), np.isinf(oracle)
    logs = np.log(np.where(failed, most, own) / np.where(oracle_failed, most, oracle))
    mean, n = float(logs.mean()), len(logs)
    error = float(logs.std(ddof=1)) / np.sqrt(n)
    half = float(stats.t.ppf(0.975, n - 1)) * error
    apart = mean - np.log1p(WITHIN)
    if error > 0:
        above = float(stats.t.sf(apart / error, n - 1))
        below = float(stats.t.cdf(apart / error, n - 1))
    else:  # all alike, such as a way that comes to the oracle's own setting
        above, below = (0.0, 1.0) if apart > 0 else (1.0, 0.0)
    return Ratio(
        float(np.exp(mean)),
        float(np.exp(mean - half)),
        float(np.exp(mean + half)),
        int(failed.sum()),
        int(oracle_failed.sum()),
        n,
        above,
        1.0 if failed.any() else below,
    )


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which hypotheses are rejected at a level of them all together (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    rejected = [False] * len(p_values)
    for rank, place in enumerate(order):
        if p_values[place] > level / (len(p_values) - rank):
            break
        rejected[place] = True
    return rejected


def verdicts(ratios: Sequence[Ratio]) -> list[str]:
    """What is to be said of each comparison of a task, by both families of tests."""
    transfers = holm([each.p_below for each in ratios])
    fails = holm([each.p_above for each in ratios])
    return [
        TRANSFERS if yes else DOES_NOT if no else UNDECIDED
        for yes, no in zip(transfers, fails, strict=True)
    ]
