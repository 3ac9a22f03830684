"""The cutoff that a drift sets itself.

Modes flatter than a cutoff c count as along, and c is the curvature whose spring pulls as fast as
the drift goes, which follows from the part along: ``c^(3/2) ∝ kappa ∝ |f g|^2``. In units of the
cutoff of a drift that all of the slope drives, c is self-consistent where the share along is
``(c / whole)^(3/2)``.

The share falls with c. A slope that has a part along the manifold keeps it at any cutoff, and is
above that line below some c. Of modes across, the share falls as c^2, faster than the line: they
cannot sustain a drift, and a slope that is all across is below the line all the way down.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POWER = 1.5
"""Of c, in what it takes of the slope to have the drift set it."""

HIGHEST, LOWEST, RUNGS = 2.0, 1e-3, 400
"""Where self-consistency is looked for, in units of the whole slope's cutoff.

At the lowest the part along is 3e-5 of the slope, and C 3% of that of the whole.
"""


def rungs_below(whole: float) -> Array:
    """Cutoffs that are looked at, from above."""
    return np.geomspace(HIGHEST, LOWEST, RUNGS) * whole


def settled(rungs: Array, shares: Array, whole: float) -> float | None:
    """The largest cutoff from which on the share along is enough to set it; None if there is none.

    Args:
        rungs: (M,) cutoffs, falling.
        shares: (M,) of the slope along at each; noise may make them negative.
        whole: The cutoff at a share of 1.
    """
    over = shares / (rungs / whole) ** POWER
    enough = np.flatnonzero(over >= 1)
    if not len(enough):
        return None
    at = int(enough[0])
    if at == 0 or not over[at - 1] > 0:
        return float(rungs[at])
    below, above = np.log(over[at - 1]), np.log(over[at])
    between = -below / (above - below)
    return float(rungs[at - 1] * (rungs[at] / rungs[at - 1]) ** between)


def amplified(rungs: Array, shares: Array, cutoff: float) -> float:
    """By how much an error of the share's grows on its way through the cutoff.

    A larger share sets a larger cutoff, at which the share is larger: ``1 / (1 - slope / 1.5)``
    times, with the slope of ``log share`` over ``log c``.
    """
    near = np.abs(np.log(rungs / cutoff)) < 0.1
    kept = near & (shares > 0)
    if kept.sum() < 2:
        return 1.0
    slope = np.polyfit(np.log(rungs[kept]), np.log(shares[kept]), 1)[0]
    return float(1 / max(1 - slope / POWER, 1e-2))
