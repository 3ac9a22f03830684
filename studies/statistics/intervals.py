"""How often does the interval of the exponent cover the truth, by the rule in use and by others?"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from flatfast.lab.estimation.exponent import LAW, ExponentFit, fit_exponent
from flatfast.lab.estimation.optimum import MedianTimes, locate, median_times
from flatfast.lab.estimation.power_law import fit_power_law
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import TimeGrid
from studies.statistics.cases import Design, sweep
from studies.statistics.shapes import SHAPES, Array, Shape

RESAMPLES = 150


def _bca(boot: Array, estimate: float, left_out: Array) -> tuple[float, float]:
    """Efron's bias-corrected and accelerated interval at 95%."""
    known = boot[~np.isnan(boot)]
    shift = stats.norm.ppf(np.clip(np.mean(known < estimate), 1e-3, 1 - 1e-3))
    away = np.nanmean(left_out) - left_out
    acceleration = np.nansum(away**3) / (6 * np.nansum(away**2) ** 1.5 + 1e-300)
    z = shift + stats.norm.ppf([0.025, 0.975])
    share = stats.norm.cdf(shift + z / (1 - acceleration * z))
    low, high = np.quantile(known, share)
    return float(low), float(high)


def _seed_jackknife(grid: TimeGrid) -> Array:
    """The exponent with each seed left out."""
    seeds = np.arange(len(grid.seed))
    parts = [median(grid.log_time[..., seeds != s]) for s in seeds]
    times = MedianTimes(
        grid.lr,
        np.log(grid.mu),
        np.log(grid.limit),
        len(seeds),
        np.stack([median(grid.log_time), *parts]),
    )
    optima = locate(times)
    law = fit_power_law(np.log(grid.lr), optima.log_mu, optima.boot_log_mu)
    return law.boot_slope


def _smoothed_minimum(shape: Shape, design: Design) -> float:
    """Where the minimum of the fitted curve lies from that of the curve, without noise.

    This is what the best momenta and C estimate: the minimum of a smoothed curve. On a kink it is
    not the minimum of the curve. The exponent does not feel it, being the same at all rates.
    """
    silent = replace(design, noise=0.0, moves=0.0, seeds=2)
    rng = np.random.default_rng(4)
    errors = []
    for _ in range(20):
        grid, log_c = sweep(shape, silent, rng)
        optima = locate(median_times(grid, n_boot=2, seed=0))
        errors.append(optima.log_mu - log_c - design.gamma * np.log(grid.lr))
    return float(np.nanmean(errors))


def coverage(design: Design, name: str, sets: int) -> dict[str, Any]:
    """Coverage of 95% intervals of the exponent, and of C and the best momenta as smoothed.

    Args:
        design: The sweeps.
        name: Of the curve's shape.
        sets: How many sweeps.
    """
    shape, rng = SHAPES[name], np.random.default_rng(2)
    offset = _smoothed_minimum(shape, design)
    hits: dict[str, list[float]] = {}
    errors, ses, failed, cautioned = [], [], 0, 0
    for number in range(sets):
        grid, log_c = sweep(shape, design, rng)
        try:
            fit = fit_exponent(grid, alternatives=(), n_boot=RESAMPLES, seed=number)
        except ValueError:
            failed += 1
            continue
        cautioned += bool(fit.caution)
        for rule, hit in _hits(fit, grid, design, log_c + offset).items():
            hits.setdefault(rule, []).append(float(hit))
        errors.append(fit.exponent.estimate - design.gamma)
        ses.append(fit.standard_error)
    return {
        "design": design.name,
        "shape": name,
        "sets": sets,
        "failed": failed,
        "cautioned": cautioned,
        "smoothing_offset": offset,
        "coverage": {rule: float(np.mean(hit)) for rule, hit in hits.items()},
        "bias": float(np.mean(errors)),
        "sd": float(np.std(errors)),
        "rms_standard_error": float(np.sqrt(np.mean(np.square(ses)))),
    }


def _hits(fit: ExponentFit, grid: TimeGrid, design: Design, log_c: float) -> dict[str, Any]:
    """Which rules' intervals hold the truth; of the best momenta, the share."""
    gamma = fit.exponent.estimate
    low, high = np.nanquantile(fit.bootstrap, [0.025, 0.975])
    below, above = _bca(fit.bootstrap, gamma, _seed_jackknife(grid))
    spread = 1.96 * float(np.nanstd(fit.bootstrap))
    found = {
        "in use": fit.exponent.contains(design.gamma),
        "percentile": low <= design.gamma <= high,
        "BCa": below <= design.gamma <= above,
        "normal, bootstrap error": abs(gamma - design.gamma) <= spread,
        "best momenta": np.mean(
            [
                best.contains(np.exp(log_c) * lr**design.gamma)
                for best, lr in zip(fit.best_mu, grid.lr, strict=True)
            ]
        ),
    }
    if design.gamma == LAW:
        found["C"] = fit.prefactor.contains(float(np.exp(log_c)))
    return found
