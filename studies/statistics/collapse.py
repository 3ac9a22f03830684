"""How often does the interval of the exponent that collapses best cover the truth?"""

from typing import Any

import numpy as np

from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.exponent import LAW
from studies.statistics.cases import Design, sweep
from studies.statistics.shapes import SHAPES

RESAMPLES = 40


def coverage(design: Design, name: str, sets: int) -> dict[str, Any]:
    """Coverage of the interval of the exponent that collapses best.

    Args:
        design: The sweeps; the times of all designs scale with 2/3.
        name: Of the curve's shape.
        sets: How many sweeps.
    """
    rng = np.random.default_rng(3)
    found = [
        collapse(sweep(SHAPES[name], design, rng)[0], n_boot=RESAMPLES, seed=number)
        for number in range(sets)
    ]
    gammas = np.array([one.best_gamma.estimate for one in found])
    return {
        "design": design.name,
        "shape": name,
        "sets": sets,
        "coverage": float(np.mean([one.best_gamma.contains(LAW) for one in found])),
        "bias": float(np.nanmean(gammas) - LAW),
        "sd": float(np.nanstd(gammas)),
        "median_quality": float(np.median([one.quality for one in found])),
    }
