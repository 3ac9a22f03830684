"""One constant C for a fall of the sharpness that is known beforehand: a look ahead, no training.

The weights are moved along the way that noise would take them, in leaps, until
the sharpness has fallen to a half or so; there a second calibration is made. The two tell
how C falls with the sharpness (:mod:`.following`), and so the C of the whole way's end. That one
arrives soonest: fast directions ring out at the same rate as slow ones, half the friction, and only
the last stretch is slow. A start's parabola that would swing back out of the goal bounds it.
"""

import math
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from flatfast.calibration.calibrate import BUDGET, Lasts, Progress, calibrate_here
from flatfast.calibration.calibration import Calibration
from flatfast.calibration.fall import PROBES, READING, Gauged, as_fall, sharpness_read
from flatfast.calibration.following import CAUTION, exponent_of, no_swing
from flatfast.calibration.landscape import PROBE, PRODUCT, Landscape, Vector
from flatfast.calibration.result import Ahead
from flatfast.calibration.tangent import solve
from flatfast.estimate import Estimate

FARTHEST = 0.5
"""Fall at which the second calibration is made, at most: farther on the floor begins to show."""

LEAP = 0.15
"""Share of the sharpness that a leap takes off, to first order."""

MOST_LEAPS = 8
"""After which the second calibration is made wherever the weights are: probes promise more than is
kept."""

SLOPE_PROBES, SLOPE_PRODUCTS = 4, 8
"""Of a leap's direction, which needs to be roughly downhill along the manifold and no more."""

TOLD = 0.95
"""Share of the sharpness above which two calibrations lie too close to tell an exponent."""


@runtime_checkable
class Movable(Gauged, Landscape, Protocol):
    """A landscape that can be looked at elsewhere."""

    def moved(self, by: Vector, *, anew: bool = False) -> "Movable":
        """The landscape displaced by (D,); this one may be gone. ``anew``: its probes begin again.

        With the same probes two calibrations miss the same, and their ratio is the more precise.
        """
        ...


def calibrate(
    landscape: Landscape,
    lr: float | None = None,
    *,
    budget: int = BUDGET,
    weight_decay: float = math.nan,
    noise: Lasts = "fresh",
    momentum: float = math.nan,
    fall: float | None = None,
    progress: Progress = lambda done, total: None,
) -> Calibration:
    """Measure the law's prefactor at the current weights, or for a goal ahead of them.

    Args:
        landscape: The loss around them.
        lr: The learning rate to be used; by default one is named with its momentum, in ``pair``.
        budget: Gradient evaluations of one batch, of each calibration.
        weight_decay: That of the training, to be weighed against the noise; NaN if not known.
        noise: What of it lasts, see :func:`flatfast.calibration.calibrate.calibrate_here`.
        momentum: The one in use, which is placed beside what bounds it where there is no law.
        fall: Share of the sharpness that training is to take off, in (0, 1): C is then the constant
            that arrives soonest, by a look ahead that costs about four calibrations.
        progress: Told how it goes on.

    Returns:
        The calibration, with its doubts; with ``ahead`` where the look ahead succeeded.

    Raises:
        TypeError: If one of these is no number, or the landscape cannot be moved.
        ValueError: If ``lr`` is not positive, the budget too small, the weight decay negative,
            ``fall`` not in (0, 1) or given without ``lr``, or a gradient not finite.
    """
    options: dict[str, Any] = {
        "budget": budget,
        "weight_decay": weight_decay,
        "noise": noise,
        "momentum": momentum,
        "progress": progress,
    }
    if fall is None:
        return calibrate_here(landscape, lr, **options)
    if lr is None:
        raise ValueError("fall= needs the learning rate that training is to have: give lr too")
    fall = as_fall(fall)
    if not isinstance(landscape, Movable):
        raise TypeError(
            f"fall= needs a landscape that can be moved, got {type(landscape).__name__}"
        )
    # The same probes here as at the other end, and others on the way.
    landscape = landscape.moved(0.0, anew=True)
    found = calibrate_here(landscape, lr, **options)
    if not found.ok:
        return found
    moved, cost = _down(landscape, found, 1 - min(fall, FARTHEST))
    there = calibrate_here(moved.moved(0.0, anew=True), lr, **options)
    return _combined(found, there, fall, cost)


def _down(landscape: Movable, found: Calibration, wanted: float) -> tuple[Movable, int]:
    """Leaps until the sharpness is at this share of its own, and their cost."""
    first = sharpness_read(landscape)
    cost = PROBES * READING
    here, share = landscape, 1.0
    for _ in range(MOST_LEAPS):
        g: Vector = 0.0
        for _ in range(SLOPE_PROBES):
            g = g + here.probe()[1] * (1 / SLOPE_PROBES)
        along = solve(here, g, found.cutoff, SLOPE_PRODUCTS)
        direction = along.y * found.cutoff
        steepness = float(g @ direction)
        cost += PROBE * SLOPE_PROBES + PRODUCT * here.product_batches * along.products
        if not (steepness > 0 and np.isfinite(steepness)):
            break
        here = here.moved(direction * (-LEAP * first / steepness))
        share = sharpness_read(here) / first
        cost += PROBES * READING
        if not share > wanted:
            break
    return here, cost


def _combined(found: Calibration, there: Calibration, fall: float, cost: int) -> Calibration:
    """The start's calibration with the C for the whole way, and what both have cost."""
    cost += found.evaluations + there.evaluations
    paid = replace(found, evaluations=cost, seconds=found.seconds + there.seconds)
    share = there.sharpness / found.sharpness
    if not (there.ok and 0 < share < TOLD):
        nothing = Ahead(fall, found.C.value, math.nan, share, math.nan, found.C.relative)
        return replace(paid, ahead=nothing)
    exponent = exponent_of(there.C, found.C, share)
    factor = max((1 - fall) ** exponent, no_swing(fall))
    spread = math.log(1 - fall) / math.log(share)
    apart = CAUTION * math.hypot(found.C.relative, there.C.relative)
    error = math.hypot(found.C.relative, spread * apart)
    return replace(
        paid,
        C=Estimate.within(found.C * factor, error),
        ahead=Ahead(fall, found.C.value, there.C.value, share, exponent, found.C.relative),
    )
