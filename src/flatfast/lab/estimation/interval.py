"""An estimate with its confidence interval."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval, all in the same units.

    NaN in all three says that the quantity could not be located.
    """

    estimate: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        """Whether ``value`` lies in the closed interval (never, where it could not be located)."""
        return self.low <= value <= self.high

    def exp(self) -> "Interval":
        """The interval of the quantity of which this is the logarithm's."""
        return Interval(*(float(np.exp(end)) for end in (self.estimate, self.low, self.high)))
