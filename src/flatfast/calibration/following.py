"""A prefactor that follows the landscape: numbers in, C out, whatever trains.

As noise flattens a model its drift slows down, and the C that suits it falls. Two calibrations, at
the start and where the sharpness has fallen to a share of what it was, tell how fast:

    C = C_start share^a,    a = log(C_then / C_start) / log(share_then).

From then on the sharpness alone, which is cheap, tells C. Of several exponents the least counts:
near the floor of a landscape the slope of the sharpness vanishes while the sharpness does not, and
what the formula of one point takes for a slow landscape there is the bottom of one. There a is
steeper the later it is measured, and less friction would swing out again; on landscapes that go on
and on it stays the same.

Weights answer to friction after a memory, ``1 / (1 - momentum)`` steps, in which the sharpness
falls by much of itself: with a known, C is the one for :data:`AHEAD` of the sharpness of the
moment. It is never so low that the first swing, on a parabola of the start's kappa, would lead
back out of where the run is going (:func:`no_swing`). Far down that bound rises again as the share
falls, and C with it; without it runs under label flips swung out of their goal.
"""

import math
from dataclasses import dataclass, replace

from flatfast.calibration.result import DAMPING, Result
from flatfast.estimate import Estimate

FALLEN = 0.6
"""Share of the sharpness at the last calibration at which the next is wanted.

Two calibrations that lie closer together do not tell their exponent: their ratio is known to a
tenth or so, and on perceptrons with smooth units C dips by as much on the first part of the way.
"""

AHEAD = 0.5
"""Share of the sharpness of the moment for which C is set, once its exponent is known."""

CAUTION = 0.75
"""Standard errors that are taken off an exponent: too little friction costs more than too much.

Less than one, since the errors of two calibrations with the same probes are mostly the same."""

STEEPEST = 1.0
"""Largest exponent that is believed: the steepest that was seen, on residual networks, is 1."""

RISING = -0.3
"""Least exponent: C may rise where a later calibration is larger, but slowly."""

REST = 0.1
"""Squared slope along the manifold, as a share of the start's, below which the drift is over."""


def no_swing(fall: float) -> float:
    """Least C, in units of the calibrated one, for a sharpness that is to fall by a share.

    The limit of small learning rates rolls with friction C in a landscape of strength
    ``kappa / C``: its damping ratio is ``zeta = (C / C*)^(3/2)``. It overshoots the minimum of a
    parabola by ``exp(-pi zeta / sqrt(1 - zeta^2))`` of its way, and the sharpness comes back up by
    the square of that, which must not exceed the share ``1 - fall`` that the goal leaves.

    Args:
        fall: In [0, 1).

    Raises:
        ValueError: If it is something else.
    """
    if not 0 <= fall < 1:
        raise ValueError(f"fall must be in [0, 1), got {fall}")
    logs = -math.log(1 - fall) / 2
    zeta = logs / math.hypot(math.pi, logs)
    return float(min(zeta ** (2 / 3) / DAMPING, 1.0))


def exponent_of(C: Estimate, start: Estimate, share: float) -> float:
    """The exponent that two calibrations tell, on the safe side of its error.

    Args:
        C: The one where the sharpness was ``share`` of the start's.
        start: The one at the start.
        share: In (0, 1).
    """
    way = -math.log(share)
    error = CAUTION * math.hypot(C.relative, start.relative) / way
    told = math.log(start / C) / way
    # Towards zero, and not beyond it.
    safe = max(told - error, 0.0) if told > 0 else told
    return min(max(safe, RISING), STEEPEST)


@dataclass(frozen=True)
class Following:
    """What is known of a landscape on the way down; a value, replaced as more is known.

    Attributes:
        start: C at the first calibration that found a law; 0 before.
        error: Its standard error.
        along: Squared slope of the sharpness there.
        share: Least share of that point's sharpness that was seen.
        marked: The same when the last calibration was made.
        exponent: Of C in the sharpness; infinite until two calibrations have told it.
        calibrations: Calibrations that C rests on.
        resting: Whether the drift was found to be over.
    """

    start: float = 0.0
    error: float = 0.0
    along: float = 0.0
    share: float = 1.0
    marked: float = 1.0
    exponent: float = math.inf
    calibrations: int = 0
    resting: bool = False

    @property
    def prefactor(self) -> float:
        """C, to be used.

        Raises:
            ValueError: If nothing has been calibrated.
        """
        if not self.start > 0:
            raise ValueError("C follows a calibration, and there was none yet")
        if math.isinf(self.exponent):
            return self.start
        ahead = self.share * AHEAD
        return self.start * max(math.pow(ahead, self.exponent), no_swing(1 - ahead))

    @property
    def wants_calibration(self) -> bool:
        """Whether the sharpness has fallen far enough for another."""
        return not self.resting and self.share <= FALLEN * self.marked

    def gauged(self, share: float) -> "Following":
        """The sharpness has been read, as a share of that at the start."""
        return replace(self, share=min(self.share, share)) if share > 0 else self

    def calibrated(self, found: Result) -> "Following":
        """A calibration has found a law at the weights of the moment.

        Args:
            found: It; one that has looked ahead tells the exponent at once.
        """
        marked = replace(self, marked=self.share)
        if not self.start > 0:
            C = found.ahead.start if found.ahead else found.C.value
            told = found.ahead.exponent if found.ahead else math.nan
            exponent = math.inf if math.isnan(told) else told
            error = C * found.C.relative if not found.ahead else C * found.ahead.error
            return replace(
                marked, start=C, error=error, along=found.along.value, exponent=exponent,
                calibrations=1,
            )  # fmt: skip
        if found.along < REST * self.along:
            return replace(marked, resting=True)
        if not self.share < 1:
            return marked
        here = Estimate.within(found.ahead.start, found.ahead.error) if found.ahead else found.C
        told = exponent_of(here, Estimate(self.start, self.error), self.share)
        return replace(
            marked, exponent=min(self.exponent, told), calibrations=self.calibrations + 1
        )

    def refused(self) -> "Following":
        """A calibration has found no law: the next is wanted where the sharpness has fallen on."""
        return replace(self, marked=self.share)
