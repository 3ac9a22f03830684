"""What "trained" means: the metric that a run has to bring down, and how far.

The convergence time of a run is its *settling* time with respect to a goal: the first step after
which the smoothed metric stays at or below the threshold (see
:mod:`flatfast.lab.estimation.convergence`).
"""

import math
from dataclasses import dataclass

COOLED = "cooled:"
"""Prefix of a metric's name that asks for its value after cooling, e.g. ``cooled:test_error``."""


@dataclass(frozen=True)
class Goal:
    """A metric to bring down to a threshold.

    Attributes:
        metric: Name of the problem's metric.
        threshold: Where the metric must arrive: a fraction of its start if ``relative``, a value
            in the metric's own units otherwise.
        relative: Whether ``threshold`` is a fraction of the metric's value at the start.
        smoothing: Width of the centred moving average, in units of the momentum's memory
            ``1 / (1 - momentum)`` steps. 0 switches smoothing off.

    Raises:
        ValueError: If ``threshold`` is not positive and finite, a relative threshold is 1 or more
            (the start would meet it), or ``smoothing`` is negative or not finite.
    """

    metric: str
    threshold: float
    relative: bool = True
    smoothing: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise ValueError(f"threshold must be positive and finite, got {self.threshold}")
        if self.relative and self.threshold >= 1:
            raise ValueError(
                "a relative threshold must be below 1 (1 is the start itself), "
                f"got {self.threshold}; pass relative=False for an absolute one"
            )
        if not (math.isfinite(self.smoothing) and self.smoothing >= 0):
            raise ValueError(f"smoothing must be finite and at least 0, got {self.smoothing}")

    def threshold_from(self, start: float) -> float:
        """The threshold in the metric's own units, for a run that starts at ``start``."""
        return self.threshold * start if self.relative else self.threshold
