"""What is read off a run's test losses: its level at a share of the examples, and samples to it."""

import numpy as np
from numpy.typing import NDArray

from studies.transfer.tasks import BLOCKS, FIRST_BLOCK

Array = NDArray[np.float64]

SHARES: Array = np.arange(FIRST_BLOCK, BLOCKS + 1) / BLOCKS
"""Of a run's examples, at each evaluation."""

TARGET_SHARE = 1 / 2
"""Share after which the tuned run's loss is the target: others have as much again to get to it."""

HALF_WINDOW = 2
"""Evaluations before and after one that it is smoothed with."""

NEVER = 50.0
"""Logarithm of the loss that stands for one that is infinite."""


def monotone(losses: Array) -> Array:
    """The logarithm of losses (..., evaluations), smoothed over five, that never rises.

    At both ends three are smoothed.
    """
    logs = np.where(np.isfinite(losses), np.log(np.where(np.isfinite(losses), losses, 1)), NEVER)
    total, count = np.zeros_like(logs), np.zeros(logs.shape[-1])
    for by in range(-HALF_WINDOW, HALF_WINDOW + 1):
        into, out = (slice(max(end, 0), len(count) + min(end, 0)) for end in (by, -by))
        total[..., into] += logs[..., out]
        count[into] += 1
    return np.minimum.accumulate(total / count, axis=-1)


def level(losses: Array, share: float = TARGET_SHARE) -> Array:
    """The monotone logarithm of losses (..., evaluations) at a share of the examples, (...)."""
    curves = monotone(losses)
    place = np.interp(np.log(share), np.log(SHARES), np.arange(len(SHARES)))
    below = min(int(place), len(SHARES) - 2)
    part = place - below
    found: Array = (1 - part) * curves[..., below] + part * curves[..., below + 1]
    return found


def samples_to(target: float, losses: Array) -> Array:
    """Share of the examples after which runs reach a target; infinite where they do not.

    Straight between two evaluations, in the logarithms of loss and examples. A run that is there at
    its first evaluation counts with that: it took that long at the most.

    Args:
        target: Logarithm of a loss.
        losses: (..., evaluations).
    """
    curves = monotone(losses)
    there = curves <= target
    first = there.argmax(axis=-1)
    before = np.maximum(first - 1, 0)
    upper, lower = (
        np.take_along_axis(curves, place[..., None], -1)[..., 0] for place in (before, first)
    )
    drop = np.where(upper > lower, upper - lower, 1.0)
    part = np.where(first > 0, (upper - target) / drop, 0.0)
    logs = np.log(SHARES)
    share = np.exp(logs[before] + np.clip(part, 0, 1) * (logs[first] - logs[before]))
    return np.where(there.any(axis=-1), share, np.inf)
