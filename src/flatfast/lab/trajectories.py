"""What an engine makes of runs: their metrics as training went on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METRIC = "metric:"
"""Prefix of the columns that hold a recorded metric, where trajectories are stored."""


@dataclass(frozen=True)
class Trajectories:
    """Recorded metrics of a batch of N runs at R records.

    Attributes:
        steps: (R,) the steps after which the metrics were read; the first is 0, the start.
        values: Metric name to its (N, R) values, float64. Values past a run's own end are NaN.
        recorded: (N,) how many records belong to each run: all of them, or those before it settled
            or diverged.
        diverged_step: (N,) the step of the first record at which a parameter or a metric was no
            longer finite; -1 for runs that stayed finite.
    """

    steps: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    recorded: NDArray[np.int64]
    diverged_step: NDArray[np.int64]
