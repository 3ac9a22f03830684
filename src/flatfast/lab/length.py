"""How long a run may be."""

import math

from flatfast.law import GAMMA

MOST_STEPS = 2**31 - 1
"""Steps are counted on the device in whole numbers of 32 bits."""


def check_length(steps: int) -> None:
    """Check the planned length of a run.

    Raises:
        ValueError: If it is not between 1 and :data:`MOST_STEPS`.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    if steps > MOST_STEPS:
        raise ValueError(f"steps must be at most {MOST_STEPS}, got {steps}; choose a shorter run")


def scaled_length(duration: float, lr: float, law: float = GAMMA) -> int:
    """Steps of a run that lasts ``duration`` in units of ``lr^-law`` steps, rounded up."""
    return math.ceil(duration * float(lr**-law))
