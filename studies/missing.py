"""What a result has None for: a goal that was not reached, a loss that is not finite."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def or_infinite(values: Iterable[float | None]) -> NDArray[np.float64]:
    """Values as a result has them, in which None stands for infinity, which JSON has not."""
    return np.array([np.inf if value is None else value for value in values], dtype=float)
