"""Where a momentum lies between swinging and creeping, as a line of text."""

import math

from flatfast.calibration.result import FALLBACK_MOMENTUM, Result
from flatfast.calibration.window import Window

WIDTH = 56
"""Characters of the bar."""

BEYOND = 3.0
"""Factor of ``1 - momentum`` that is drawn below the least one marked."""


def bar(found: Result) -> list[str]:
    """The bar and its legend; nothing where no bounds are known, or none leaves a momentum."""
    window = found.window
    if window is None or window.best[0] >= 1:
        return []
    momentum, whose = marked(found)
    low, high = (min(mu, 1.0) for mu in window.best)
    begin = min(low, max(1 - momentum, 1e-6)) / BEYOND
    cells = ["-"] * WIDTH
    first, last = _cell(low, begin), _cell(high, begin)
    for place in range(first, last + 1):
        cells[place] = "="
    cells[first], cells[last] = "[", "]"
    cells[_cell(max(1 - momentum, begin), begin)] = "o"
    return [
        f"  swings {''.join(cells)} creeps",
        f"  [=] best in sweeps, momentum {span(window)}; o {whose}, {momentum:.4g}",
    ]


def marked(found: Result) -> tuple[float, str]:
    """The momentum that is shown, and whose it is: the one in use, or the usual one."""
    if math.isnan(found.momentum):
        return FALLBACK_MOMENTUM, "the usual one"
    return found.momentum, "yours"


def span(window: Window) -> str:
    """The best momenta of sweeps, from the greatest down; their distance to 1 to two digits."""
    low, high = (1 - float(f"{min(mu, 1.0):.2g}") for mu in window.best)
    return f"{low:.6g} to {high:.6g}"


def _cell(mu: float, begin: float) -> int:
    share = math.log(mu / begin) / math.log(1 / begin)
    return round(min(max(share, 0.0), 1.0) * (WIDTH - 1))
