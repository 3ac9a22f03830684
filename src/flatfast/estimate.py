"""A measured number and its error, as one value; needs nothing but the standard library."""

import math
from decimal import Decimal

EXACT = 1e-12
"""Error, as a share of the value, below which it has no digit in common with it."""

PLAIN = range(-4, 6)
"""Powers of ten that are written without an exponent."""


class Estimate(float):
    """A number that knows its standard error.

    It is used like any number. What is computed from it is a plain float: errors are not
    propagated. It compares as its value does, and formats so where a format is given
    (``f"{found.C:.3g}"``)::

        C = Estimate(0.312, 0.016)
        C * 2             # 0.624
        C.error           # 0.016
        C.relative        # 0.051
        str(C)            # "0.312 ± 0.016"

    Attributes:
        value: The number, as a plain float.
        error: Its standard error: absolute, in the unit of the value; NaN where it is not known.
    """

    __slots__ = ("_error",)
    _error: float

    def __new__(cls, value: float, error: float) -> "Estimate":
        """A number and its standard error, absolute.

        Raises:
            ValueError: If the error is negative.
        """
        found = super().__new__(cls, value)
        found._error = float(error)
        if found._error < 0:
            raise ValueError(
                f"an error must be 0 or more, or NaN where it is not known, got {found._error!r}"
            )
        return found

    @classmethod
    def within(cls, value: float, relative: float) -> "Estimate":
        """With a relative error.

        Raises:
            ValueError: If the error is negative.
        """
        return cls(value, relative * abs(value))

    @property
    def value(self) -> float:
        """The number, as a plain float."""
        return float(self)

    @property
    def error(self) -> float:
        """The standard error, absolute."""
        return self._error

    @property
    def relative(self) -> float:
        """The error over the value's size; of zero, 0 if that is exact, and infinite if not."""
        if self.error == 0:
            return 0.0
        return self.error / abs(self) if self != 0.0 else math.inf

    def __reduce__(self) -> tuple[type["Estimate"], tuple[float, float]]:
        return type(self), (self.value, self.error)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r}, {self.error!r})"

    def __str__(self) -> str:
        """Value and error down to the second digit of the error, ``0.312 ± 0.016``."""
        value, error = self.value, self.error
        known = math.isfinite(value) and math.isfinite(error)
        if not known or error <= EXACT * abs(value):
            return f"{value:.3g} ± {error:.2g}"
        power = math.floor(math.log10(max(abs(value), error)))
        if power not in PLAIN:
            # Not by 10.0**power, which is 0 below the least float and inexact just above it.
            scaled = (float(Decimal(part).scaleb(-power)) for part in (value, error))
            return f"({Estimate(*scaled)})e{power:+03d}"
        digits = 1 - math.floor(math.log10(error))
        told = (f"{round(part, digits):.{max(digits, 0)}f}" for part in (value, error))
        return " ± ".join(told)
