"""The sharpness ``tr G`` and its gradient, by random probes or, of few outputs, row by row."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from flatfast.calibration.draws import Groups, mean_of
from flatfast.calibration.landscape import PROBE, Landscape, RowLandscape, Vector
from flatfast.calibration.plan import Plan
from flatfast.estimate import Estimate

GROUPS = 8
"""Groups of fresh probes whose means are kept, so that what is read off them has an error."""

Count = Callable[[int], None]
"""Told gradient evaluations as they are made."""


class Sharpness(NamedTuple):
    """What was found.

    Attributes:
        trace: ``tr G``.
        slope: (D,) its gradient.
        fresh: The same from other probes, so that no probe is multiplied with itself; in groups.
    """

    trace: Estimate
    slope: Vector
    fresh: Groups


def outputs_of(landscape: Landscape) -> int:
    """Outputs whose rows can be had one by one; 0 if they cannot."""
    return landscape.outputs if isinstance(landscape, RowLandscape) else 0


def sharpness_of(landscape: Landscape, planned: Plan, count: Count) -> Sharpness:
    """Measure it, by rows where these are planned.

    Raises:
        ValueError: If its slope is not finite.
    """
    found = _rows(landscape, planned, count) or _probed(landscape, planned, count)
    if not np.isfinite(float(found.slope @ found.fresh.mean)):
        raise ValueError(
            "the slope of the sharpness must be finite, got NaN or infinity: an operation of the "
            "model or the loss has no second derivative at these weights"
        )
    return found


def _rows(landscape: Landscape, planned: Plan, count: Count) -> Sharpness | None:
    if not (planned.rows and isinstance(landscape, RowLandscape)):
        return None
    fresh = Groups(GROUPS)
    values: list[float] = []
    slope: Vector = 0.0
    for number in range(planned.rows):
        value, part = landscape.row(number)
        values.append(value)
        slope = slope + part
        count(PROBE)
    for _ in range(2):  # two of a kind: without error
        fresh.add(slope)
    return Sharpness(Estimate(sum(values), 0.0), slope, fresh)


def _probed(landscape: Landscape, planned: Plan, count: Count) -> Sharpness:
    fresh = Groups(GROUPS)
    values: list[float] = []
    slope: Vector = 0.0
    for probed in _probes(landscape, planned.probes, values, count):
        slope = slope + probed
    for probed in _probes(landscape, planned.probes, values, count):
        fresh.add(probed)
    return Sharpness(mean_of(values), slope * (1 / planned.probes), fresh)


def _probes(
    landscape: Landscape, number: int, values: list[float], count: Count
) -> Iterator[Vector]:
    """Gradients of fresh probes, one at a time; their values are appended."""
    for _ in range(number):
        value, probed = landscape.probe()
        values.append(value)
        count(PROBE)
        yield probed
