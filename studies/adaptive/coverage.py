"""Do sweeps that choose their own points find the exponent, and at what cost?

Coverage here is that of the whole procedure, with the rule that ends the sweep: to stop when an
interval happens to be narrow could cost coverage that no single interval shows.
"""

from typing import Any

import pyarrow as pa

from flatfast.lab.adaptive.row import current
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.times import time_grid
from studies.adaptive.cases import FEW, QUICK_WIDTH, WIDTH
from studies.adaptive.synthetic import adaptive, dense, plan_of, steps_of, synthetic
from studies.statistics.cases import Design

RESAMPLES = 150


def coverage(design: Design, name: str, sets: int) -> dict[str, Any]:
    """What adaptive sweeps of a design and shape find, and their cost over a grid's.

    The grid has the design's seeds.

    Args:
        design: Learning rates, exponent and noise.
        name: Of the curve's shape.
        sets: How many sweeps.

    Returns:
        Plain JSON: by sweep the exponent's ``error``, ``width`` and ``cost`` over the dense grid's
        (None where there is no exponent), the grid's own width, how many times rows were run anew
        and longer, and why it ended.
    """
    names = ("error", "width", "cost", "dense_width", "longer", "ended")
    found: dict[str, list[Any]] = {of: [] for of in names}
    for number in range(sets):
        runs = synthetic(name, design, number)
        plan = plan_of(runs, QUICK_WIDTH if design is FEW else WIDTH)
        rows, told = adaptive(runs, plan)
        whole = dense(runs, design.seeds)
        found["cost"].append(round(steps_of(rows) / steps_of(whole), 4))
        found["longer"].append(sum(why.startswith("longer") for why in told))
        found["ended"].append(_reason(told[-1]))
        found["dense_width"].append(_fitted(whole, number)[1])
        exponent, width = _fitted(current(rows, plan.rates), number)
        found["error"].append(exponent and round(exponent - design.gamma, 5))
        found["width"].append(width)
    return {"design": design.name, "shape": name, "sets": sets, **found}


def _fitted(rows: pa.Table, number: int) -> tuple[float | None, float | None]:
    """The exponent and the width of its interval, None where there is none."""
    try:
        fit = fit_exponent(time_grid(rows), alternatives=(), n_boot=RESAMPLES, seed=number)
    except ValueError:
        return None, None
    return fit.exponent.estimate, round(fit.exponent.high - fit.exponent.low, 5)


def _reason(told: str) -> str:
    """The reason why a sweep ended, in a word."""
    words = {"as was asked for": "width", "more learning rates": "scatter", "seeds are": "seeds"}
    return next((word for part, word in words.items() if part in told), told)
