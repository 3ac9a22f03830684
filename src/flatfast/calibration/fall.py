"""The sharpness as a share of an earlier one, for the cost of a gradient or two."""

from typing import Protocol, runtime_checkable

PROBES = 2
"""Random probes of a reading, the same at every point: the share is far more precise than either
value, since what a probe misses it misses twice (one suffices to a few per cent on networks)."""

READING = 1
"""Cost of a probe in gradient evaluations: its value alone takes one backward pass."""


@runtime_checkable
class Gauged(Protocol):
    """A landscape whose sharpness can be read with the same probes at every point."""

    def reading(self, number: int) -> float:
        """``|J^T S^(1/2) z|^2`` for the random signs z of this number."""
        ...


def sharpness_read(landscape: Gauged, probes: int = PROBES) -> float:
    """``tr G`` by the same probes at every point: to be compared with itself elsewhere."""
    return sum(landscape.reading(number) for number in range(probes)) / probes
