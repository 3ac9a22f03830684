"""Reading a sweep's curve between its points."""

import numpy as np
from numpy.typing import NDArray


def read_off(x: NDArray[np.float64], y: NDArray[np.float64], at: float) -> NDArray[np.float64]:
    """Curves y (..., N) over x (N,) between their two points next to ``at``.

    Infinite where a neighbour is; on a point of the sweep, its neighbours do not count. Beyond the
    ends the last stretch goes on.
    """
    right = int(np.clip(np.searchsorted(x, at), 1, len(x) - 1))
    share = (at - x[right - 1]) / (x[right] - x[right - 1])
    left_y, right_y = y[..., right - 1], y[..., right]
    with np.errstate(invalid="ignore"):
        between = (1 - share) * left_y + share * right_y
    on_left, on_right = abs(share) < 0.01, abs(share - 1) < 0.01
    found = np.where(on_left, left_y, np.where(on_right, right_y, between))
    return np.asarray(np.where(np.isnan(found), np.inf, found))
