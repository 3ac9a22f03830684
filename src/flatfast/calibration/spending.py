"""What measuring on the way may cost: gradient evaluations, as a share of the steps made."""

from dataclasses import dataclass, replace

SHARE = 0.05
"""Of the steps made, gauges and calibrations together."""

OF_GAUGES = 0.6
"""Part of it that readings of the sharpness may take: two evaluations every 67 steps."""

IN_ADVANCE = 2
"""Calibrations that are made before they are paid for: the first, before any step, and the second,
without which nothing follows. A training of 2,500 steps has paid for both of the usual size."""


@dataclass(frozen=True)
class Spending:
    """Gradient evaluations spent so far.

    Attributes:
        share: Of the steps made that may be spent.
        gauges: On readings of the sharpness.
        calibrations: On calibrations.
        made: How many calibrations.
    """

    share: float = SHARE
    gauges: int = 0
    calibrations: int = 0
    made: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.gauges + self.calibrations

    def may_gauge(self, steps: int, cost: int) -> bool:
        """Whether a reading of this cost is paid for after so many steps."""
        return self.gauges + cost <= self.share * OF_GAUGES * steps

    def may_calibrate(self, steps: int) -> bool:
        """Whether another calibration is paid for, or one of those in advance."""
        if self.made < IN_ADVANCE:
            return True
        usual = self.calibrations / self.made
        return self.calibrations - (IN_ADVANCE - 1) * usual <= self.share * (1 - OF_GAUGES) * steps

    def may_try_again(self, steps: int) -> bool:
        """Whether all that was spent is paid for, where nothing has been found yet."""
        return self.total <= self.share * steps

    def gauged(self, cost: int) -> "Spending":
        """With another reading."""
        return replace(self, gauges=self.gauges + cost)

    def calibrated(self, cost: int) -> "Spending":
        """With another calibration."""
        return replace(self, calibrations=self.calibrations + cost, made=self.made + 1)
