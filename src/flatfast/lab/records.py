"""How often to read a run's metrics: a metric read after cooling can cost more than the training.

A cooled metric is read where noise-free descent ends: each of its records takes that descent's
steps, beside the run's own.
"""

from collections.abc import Collection, Sequence

import numpy as np

from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Problem

MOST, LEAST = 128, 32
"""Records by default: as many as cost no more than the steps, between these two.

A convergence time is interpolated between records; fewer than the least would be too coarse for it.
"""


ADAPTIVE_RECORDS = 16
"""Records of an adaptive sweep's runs where each takes a cooling: some five to the best time."""


def cooling_steps(problem: Problem, metrics: Collection[str] = ()) -> int:
    """Steps of descent that a record takes: 0 unless the goal or a metric is read after cooling."""
    cooled = any(name.startswith(COOLED) for name in (problem.goal.metric, *metrics))
    return problem.cooling.steps if cooled else 0


def default_records(
    problem: Problem, metrics: Collection[str], lengths: Sequence[int], adaptive: bool = False
) -> int:
    """The number of records to take where nobody says: by what they cost.

    Args:
        problem: What is run.
        metrics: Recorded besides the goal's.
        lengths: Planned lengths of the runs, in steps; of an adaptive sweep, the longest.
        adaptive: Whether the sweep chooses its own lengths, some three times the best time: fewer
            records resolve them as well.
    """
    each = cooling_steps(problem, metrics)
    if not each:
        return MOST
    if adaptive:
        return ADAPTIVE_RECORDS
    return int(np.clip(float(np.median(lengths)) / each, LEAST, MOST))


def cost(problem: Problem, metrics: Collection[str], records: int, lengths: Sequence[int]) -> float:
    """Steps of cooling for all records of a run, over its own steps; in the median of the runs."""
    return records * cooling_steps(problem, metrics) / float(np.median(lengths))
