"""Which runs a report reads trajectories of, where there are more than it can hold.

A seed is taken or left at every learning rate and momentum, so that cells can still be compared
seed by seed, and each keeps its seeds' spread.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MOST = 20_000
"""Runs up to which all trajectories are read."""

FEWEST = 8
"""Seeds that are read however many runs they have: medians and intervals need some."""

SEED = 0
"""Of the draw."""


def sampled_seeds(seed: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The seeds whose runs make a sample, in ascending order; None if all runs are read.

    Args:
        seed: Seed of each run, (N,).
    """
    seeds, counts = np.unique(seed, return_counts=True)
    if len(seed) <= MOST or len(seeds) <= FEWEST:
        return None
    order = np.random.default_rng(SEED).permutation(len(seeds))
    fit = int(np.searchsorted(np.cumsum(counts[order]), MOST, side="right"))
    return np.sort(seeds[order[: max(fit, FEWEST)]])


def with_seeds(runs: pa.Table, seeds: NDArray[np.int64]) -> pa.Table:
    """The rows of some seeds."""
    return runs.filter(pc.is_in(runs["seed"], pa.array(seeds, pa.int64())))
