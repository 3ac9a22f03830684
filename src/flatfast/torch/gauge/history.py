"""Readings over the steps of a training, no more of them than a chart can show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from flatfast.calibration import Calibration
from flatfast.torch.gauge.curvature import Curvature
from flatfast.torch.gauge.reading import GroupReading, Held

Kept = TypeVar("Kept")

MOST = 512
"""Points that are kept; beyond, every second one is dropped and half as many are taken."""


@dataclass(frozen=True)
class Point:
    """What the parameter groups used at a step."""

    step: int
    groups: tuple[GroupReading, ...]


@dataclass(frozen=True)
class Measured:
    """A curvature and the step after which it was measured."""

    step: int
    curvature: Curvature


@dataclass(frozen=True)
class Calibrated:
    """A calibration and the step after which it was made.

    Attributes:
        step: The step.
        C: The prefactor; NaN where no law was found.
        low: Where the best C lies, 95%.
        high: See ``low``.
        refusal: Why there is no law; None where there is one.
        evaluations: Cost in gradient evaluations.
    """

    step: int
    C: float
    low: float
    high: float
    refusal: str | None
    evaluations: int

    @classmethod
    def of(cls, step: int, found: Calibration) -> "Calibrated":
        """The same of a whole calibration."""
        if not found.ok:
            return cls(step, math.nan, math.nan, math.nan, found.refusal, found.evaluations)
        low, high = found.interval
        return cls(step, float(found.C), float(low), float(high), None, found.evaluations)


class History:
    """What was read, measured and calibrated.

    Attributes:
        curvatures: Every curvature that was measured.
        calibrations: Every calibration that was made.
    """

    def __init__(self) -> None:
        """Empty."""
        self.curvatures: list[Measured] = []
        self.calibrations: list[Calibrated] = []
        self._raw: list[tuple[int, Sequence[Held]]] = []
        self._read: dict[int, tuple[GroupReading, ...]] = {}
        self._stride = 1
        self._heard: Calibration | None = None

    def wants(self, step: int) -> bool:
        """Whether a point is to be kept of this step."""
        return step % self._stride == 0

    def add(self, step: int, groups: Sequence[Held]) -> None:
        """Keep a point; what an accelerator has stays there until :meth:`points`."""
        if self._raw and self._raw[-1][0] == step:
            self._raw.pop()
            self._read.pop(step, None)
        self._raw.append((step, groups))
        if len(self._raw) > MOST:
            self._stride *= 2
            self._raw = self._raw[:1] + [each for each in self._raw[1:] if self.wants(each[0])]
            left = {step for step, _ in self._raw}
            self._read = {step: read for step, read in self._read.items() if step in left}

    def points(self) -> list[Point]:
        """The points, each read once."""
        for step, groups in self._raw:
            if step not in self._read:
                self._read[step] = tuple(each.read() for each in groups)
        return [Point(step, self._read[step]) for step, _ in self._raw]

    def add_curvature(self, found: Measured) -> None:
        """Keep a curvature; of very many, every second of the older half."""
        self.curvatures = _thinned([*self.curvatures, found])

    def add_calibration(self, found: Calibrated) -> None:
        """Keep a calibration, as curvatures."""
        self.calibrations = _thinned([*self.calibrations, found])

    def hear(self, step: int, found: Calibration) -> None:
        """Keep a calibration that has not been heard of."""
        if found is not self._heard:
            self._heard = found
            self.add_calibration(Calibrated.of(step, found))

    @property
    def last_law(self) -> Calibrated | None:
        """The last calibration that has found a law."""
        found = [each for each in self.calibrations if each.refusal is None]
        return found[-1] if found else None


def _thinned(every: list[Kept]) -> list[Kept]:
    if len(every) <= MOST:
        return every
    half = len(every) // 2
    return every[:half:2] + every[half:]
