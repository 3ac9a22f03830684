"""Is a departure from 2/3 the law's own correction at finite learning rate?

The law is the limit of small learning rates. Away from it the first correction is of the order of
the stationary fluctuation across the manifold, ``lr / mu``, which under the law is ``lr^(1/3)``:

    mu* = C lr^(2/3) (1 + a lr^(1/3))

Over one or two decades this looks like another exponent, ``2/3`` plus about a third of the mean
of ``a lr^(1/3)``. The two are told apart by whether the corrected law fits as well as the free
exponent does, with as many parameters, and by going to smaller learning rates: a correction fades,
an exponent stays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from flatfast.lab.estimation.interval import Interval
from flatfast.law import GAMMA, ORDER


@dataclass(frozen=True)
class CorrectedLaw:
    """``mu* = C lr^(2/3) exp(a lr^(1/3))``: for small corrections the form above, never negative.

    Attributes:
        constant: C, the limit at small learning rates.
        slope: a, in units of ``lr^(-1/3)``.
        misfit: Root mean square of the optima's residuals in log mu*.
        power_law_misfit: The same of a power law with a free exponent.
    """

    constant: Interval
    slope: Interval
    misfit: float
    power_law_misfit: float


def corrected_law(lr: ArrayLike, best_mu: ArrayLike, level: float = 0.95) -> CorrectedLaw:
    """Fit the corrected law to the best momenta, each with the same weight.

    Args:
        lr: Learning rates, (E,), at least 3 different ones.
        best_mu: Best ``1 - momentum`` at each, (E,), positive.
        level: Level of the intervals, Student's with E - 2 degrees of freedom.

    Returns:
        The fit.

    Raises:
        ValueError: If there are too few learning rates, or a value is not positive.
    """
    rate = np.asarray(lr, dtype=np.float64)
    mu = np.asarray(best_mu, dtype=np.float64)
    if rate.shape != mu.shape or len(np.unique(rate)) < 3:
        raise ValueError(f"needs best momenta at 3 learning rates or more, got {len(rate)}")
    if not ((rate > 0) & (mu > 0)).all():
        raise ValueError("learning rates and 1 - momentum must be positive")
    away = np.log(mu) - GAMMA * np.log(rate)
    design = np.stack([np.ones_like(rate), rate**ORDER], axis=1)
    coefficients, misfit, errors = _least_squares(design, away)
    free = np.stack([np.ones_like(rate), np.log(rate)], axis=1)
    _, power_law_misfit, _ = _least_squares(free, np.log(mu))
    reach = float(stats.t.ppf((1 + level) / 2, len(rate) - 2)) * errors
    low, high = coefficients - reach, coefficients + reach
    return CorrectedLaw(
        Interval(*(float(np.exp(end[0])) for end in (coefficients, low, high))),
        Interval(*(float(end[1]) for end in (coefficients, low, high))),
        misfit,
        power_law_misfit,
    )


def _least_squares(design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Coefficients, root mean square residual, and the coefficients' standard errors."""
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    residuals = values - design @ coefficients
    variance = residuals @ residuals / (len(values) - design.shape[1])
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return coefficients, float(np.sqrt(np.mean(residuals**2))), errors
