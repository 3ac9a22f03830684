"""How far off, and how uncertain, is the optimum by each fit?"""

from typing import Any

import numpy as np

from flatfast.lab.estimation.local_fit import Minimum
from flatfast.lab.estimation.optimum import ALTERNATIVE_FITS, DEFAULT_FIT, CurveFit
from flatfast.lab.estimation.resampling import median
from studies.statistics.cases import Design, sweep
from studies.statistics.shapes import SHAPES, Array


def _argmin(log_mu: Array, log_time: Array, log_limit: Array) -> Minimum:
    cell = np.argmin(log_time, axis=-1)
    return Minimum(log_mu[cell], np.take_along_axis(log_time, cell[..., None], -1)[..., 0])


FITS = (DEFAULT_FIT, *ALTERNATIVE_FITS, CurveFit("argmin of the grid", _argmin))


def fits(design: Design, name: str, sets: int) -> list[dict[str, Any]]:
    """Bias and spread of the optimum, and spread of the exponent, by each fit.

    Args:
        design: The sweeps.
        name: Of the curve's shape.
        sets: How many sweeps.
    """
    rng = np.random.default_rng(1)
    sweeps = [sweep(SHAPES[name], design, rng) for _ in range(sets)]
    log_lr, log_mu = np.log(sweeps[0][0].lr), np.log(sweeps[0][0].mu)
    log_limit = np.log(sweeps[0][0].limit)
    medians = np.stack([median(grid.log_time) for grid, _ in sweeps])
    truth = np.array([log_c for _, log_c in sweeps])[:, None] + design.gamma * log_lr
    lever = (log_lr - log_lr.mean()) / np.sum((log_lr - log_lr.mean()) ** 2)
    rows = []
    for fit in FITS:
        # One sweep at a time, since what learning rates share is shared within a sweep.
        error = fit.minimum(log_mu, medians, log_limit).log_mu - truth
        rows.append(
            {
                "design": design.name,
                "shape": name,
                "fit": fit.name,
                "bias_log_mu": float(np.nanmean(error)),
                "sd_log_mu": float(np.nanstd(error)),
                "sd_exponent": float(np.nanstd(error @ lever)),
            }
        )
    return rows
