"""The sharpness as a share of an earlier one, for the cost of a gradient or two."""

from typing import Any, Protocol, runtime_checkable

from flatfast.arguments import as_number

PROBES = 2
"""Random probes of a reading, the same at every point: the share is far more precise than either
value, since what a probe misses it misses twice (one suffices to a few per cent on networks)."""

READING = 1
"""Cost of a probe in gradient evaluations: its value alone takes one backward pass."""


def as_fall(fall: Any) -> float:
    """The share of the sharpness that training is to take off.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is not in (0, 1).
    """
    found = as_number("fall", fall, "a share in (0, 1)")
    if not 0 < found < 1:
        raise ValueError(f"fall must be in (0, 1), got {found}")
    return found


@runtime_checkable
class Gauged(Protocol):
    """A landscape whose sharpness can be read with the same probes at every point."""

    def reading(self, number: int) -> float:
        """``|J^T S^(1/2) z|^2`` for the random signs z of this number."""
        ...


def sharpness_read(landscape: Gauged, probes: int = PROBES) -> float:
    """``tr G`` by the same probes at every point: to be compared with itself elsewhere."""
    return sum(landscape.reading(number) for number in range(probes)) / probes
