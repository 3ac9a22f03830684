"""How much noise the gradient carries, and how much of it lasts.

Two gradients of one batch differ by noise that is drawn afresh at each look: label noise, flips,
dropout. It stays when the training loss is zero, and drives the drift. What one batch differs from
the next by, apart from that, is in proportion to the residuals, and fades with them.
"""

import numpy as np

from flatfast.calibration.draws import Groups, mean_of
from flatfast.calibration.landscape import Landscape, Vector
from flatfast.estimate import Estimate

LASTING = 0.05
"""Share of a step's noise that must be drawn afresh for its drift to last."""

ROUNDING = 1e-10
"""Noise below this share of the gradient's square is rounding: sums in another order."""

GROUPS = 6
"""Groups of pairs whose means are kept, so that what is read off the mean gradient has an error."""


class Noise:
    """Gradients seen so far.

    Attributes:
        apart: Difference of the last pair, (D,).
        fresh: Half the squared difference of each pair, whose mean is the trace of the covariance
            of a batch's lasting noise.
        between: The same of the first gradients of two batches, each batch once.
    """

    def __init__(self, batches_per_step: int = 1) -> None:
        """None yet; a step averages over this many of the batches that are looked at."""
        self._per_step = batches_per_step
        self._both = Groups(GROUPS)
        self.apart: Vector = None
        self._squares = 0.0
        self._products = 0.0
        self.fresh: list[float] = []
        self.between: list[float] = []
        self._last: Vector = None

    def add(self, landscape: Landscape) -> None:
        """Look at one more batch.

        Raises:
            ValueError: If a gradient is not finite.
        """
        first, second = landscape.gradients()
        both, apart = first + second, first - second
        self.apart = apart
        squares = float(first @ first) + float(second @ second)
        if not np.isfinite(squares):
            raise ValueError("gradients must be finite, got NaN or infinity at these weights")
        self.fresh.append(float(apart @ apart) / 2)
        if self._last is None:
            self._last = first
        else:
            across, self._last = self._last - first, None
            self.between.append(float(across @ across) / 2)
        self._squares += squares
        self._products += float(first @ second)
        self._both.add(both)

    @property
    def mean(self) -> Vector:
        """Mean gradient (D,)."""
        return self._both.mean * 0.5

    def along(self, v: Vector) -> Estimate:
        """Mean gradient times v (D,)."""
        return self._both.times(v * 0.5)

    @property
    def square(self) -> float:
        """Mean square of a gradient."""
        return self._squares / (2 * len(self.fresh))

    @property
    def lasting(self) -> Estimate:
        """Trace of the covariance of the noise of a step that is drawn afresh."""
        of_batch = mean_of(self.fresh)
        return Estimate(of_batch / self._per_step, of_batch.error / self._per_step)

    @property
    def every(self) -> Estimate:
        """Trace of the covariance of all noise of a step, the choice of its batch included.

        With its error, and so from independent differences; :attr:`total` uses all products.
        """
        if len(self.between) < 2:
            return Estimate(self.total, self.total)
        of_batch = mean_of(self.between)
        return Estimate(of_batch / self._per_step, of_batch.error / self._per_step)

    def fades(self, lasting: float) -> bool:
        """Whether so little of the noise lasts that the drift ends where the loss is zero."""
        return not lasting > max(LASTING * self.total, ROUNDING * self.square)

    @property
    def total(self) -> float:
        """Trace of the covariance of a step's gradient, batch and fresh noise together."""
        n, summed = len(self.fresh), self._both.sum
        # Pairs share a batch: only products across pairs estimate the squared mean.
        across = float(summed @ summed) - self._squares - 2 * self._products
        squared_mean = across / (4 * n * (n - 1))
        return max(self.square - squared_mean, 0.0) / self._per_step
