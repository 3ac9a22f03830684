"""Nesterov's momentum beside heavy ball: the ratio of their best mu on shared seeds, and of C.

For small ``mu = 1 - momentum`` and small learning rates both kinds have one limit. They differ
across the manifold, where a mode of curvature λ has friction ``mu + lr λ`` under Nesterov's
momentum and ``mu`` under heavy ball's; along it λ is zero, and they are alike. The second term is
small beside the best mu, which goes as ``lr^(2/3)``, only where ``lr^(1/3) λ`` is small beside C.

What that lets expect: the drift's speed goes as the fluctuation across, ``lr / (mu + lr λ)`` for
each mode, times ``lr / mu`` along. With heavy ball the best mu balances the drift's time, as
``mu^2 / lr^2``, and the memory's, as ``1 / mu``. With Nesterov's momentum the drift's time is
longer by one over the mean of ``mu / (mu + lr λ)``, so the balance is

    mu^3 / mean(mu / (mu + lr λ)) = heavy^3,

heavy being the best mu of heavy ball. Each mode counts by its curvature, as if the drift lowered
all curvatures by one factor. That is the one assumption; nothing is fitted.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.power_law import fit_power_law, replicate_variance
from flatfast.lab.estimation.resampling import student_interval
from flatfast.lab.estimation.times import TimeGrid, time_grid
from flatfast.lab.forecast.model import model_of
from flatfast.lab.problems import load
from flatfast.theory.spectrum import hessian_modes
from studies.sweeps import same_seeds

LEVEL = 0.95
N_BOOT = 1000

Array = NDArray[np.float64]


def beside_heavy_ball(problem: str, heavy: Path, nesterov: Path) -> dict[str, Any]:
    """Both kinds of momentum on a problem, and what its spectrum lets expect of their ratio.

    Args:
        problem: Its name; its settings are the defaults.
        heavy: A table of runs with heavy ball.
        nesterov: One of runs with Nesterov's momentum, at learning rates of the other.

    Raises:
        ValueError: If other learning rates are among them, or best momenta are located at fewer
            than three.
    """
    found = compared(*(time_grid(pq.read_table(path)) for path in (heavy, nesterov)))
    model, point, _ = model_of(load(problem))
    curvature = hessian_modes(model, point).curvature
    mu = expected_mu(curvature, found["lr"], found["heavy"])
    return {
        **found,
        "largest_curvature": float(curvature.max()),
        "expected": [float(one) for one in mu / np.array(found["heavy"])],
        "expected_exponent": float(np.polyfit(np.log(found["lr"]), np.log(mu), 1)[0]),
    }


def compared(heavy: TimeGrid, nesterov: TimeGrid) -> dict[str, Any]:
    """The ratio of the best mu, Nesterov's over heavy ball's, where both are located.

    Both are cut to the learning rates and seeds that they share; seeds are resampled jointly, as
    one has the same noise in both.

    Returns:
        ``seeds``; at each learning rate ``lr``, ``heavy`` and ``nesterov`` (the best mu) and
        ``ratio``; ``C_ratio``, their common ratio by the same estimate as C itself; and
        ``exponent_difference``, the slope of the log ratio. The last three with 95% intervals.

    Raises:
        ValueError: If Nesterov's momentum was run at other learning rates, or best momenta are
            located at fewer than three.
    """
    heavy = _at(heavy, nesterov.lr)
    times = [median_times(grid, n_boot=N_BOOT, seed=0) for grid in same_seeds((heavy, nesterov))]
    ours, theirs = (locate(one) for one in times[::-1])
    both = ours.located & theirs.located
    if both.sum() < 3:
        why = [r for r in (*ours.reason, *theirs.reason) if r]
        raise ValueError(f"best momenta must be located at 3 learning rates or more: {why}")
    lr, seeds = heavy.lr[both], times[0].n_seeds
    apart = (ours.log_mu - theirs.log_mu)[both]
    drawn = (ours.boot_log_mu - theirs.boot_log_mu)[:, both]
    level = fit_power_law(np.zeros(len(lr)), apart, drawn)
    sloped = fit_power_law(np.log(lr), apart, drawn)
    each = [
        student_interval(float(value), LEVEL, [(float(own), seeds - 1.0)])
        for value, own in zip(apart, replicate_variance(drawn), strict=True)
    ]
    common = student_interval(
        level.intercept,
        LEVEL,
        [
            (level.level_seed_variance, seeds - 1.0),
            (level.level_scatter_variance, len(lr) - 1.0),
        ],
    )
    slope = student_interval(
        sloped.slope,
        LEVEL,
        [(sloped.seed_variance, seeds - 1.0), (sloped.scatter_variance, len(lr) - 2.0)],
    )
    return {
        "seeds": seeds,
        "lr": lr.tolist(),
        "heavy": np.exp(theirs.log_mu[both]).tolist(),
        "nesterov": np.exp(ours.log_mu[both]).tolist(),
        "ratio": [asdict(one.exp()) for one in each],
        "C_ratio": asdict(common.exp()),
        "exponent_difference": asdict(slope),
    }


def _at(grid: TimeGrid, lr: Array) -> TimeGrid:
    """A sweep cut to some of its learning rates."""
    same = np.isclose(grid.lr[:, None], lr, rtol=1e-6).any(axis=1)
    if same.sum() != len(lr):
        raise ValueError(f"learning rates must be among {grid.lr}, got {lr}")
    return replace(
        grid,
        lr=grid.lr[same],
        log_time=grid.log_time[same],
        diverged=grid.diverged[same],
        limit=grid.limit[same],
    )


def expected_mu(curvature: ArrayLike, lr: ArrayLike, heavy: ArrayLike) -> Array:
    """The best mu that heavy ball's lets expect with Nesterov's momentum.

    Args:
        curvature: The modes' curvatures, (M,).
        lr: Learning rates, (E,).
        heavy: Heavy ball's best mu at each, (E,).

    Returns:
        (E,), each at most heavy ball's.
    """
    modes = np.asarray(curvature, np.float64)

    def excess(log_mu: float, rate: float, best: float) -> float:
        mu = np.exp(log_mu)
        share = np.average(mu / (mu + rate * modes), weights=modes)
        return float(3 * log_mu - np.log(share) - 3 * np.log(best))

    # The share is at most 1, so that the root is not above heavy ball's; and at least mu over
    # mu + rate * largest, so that it is not below the second end.
    found = []
    for rate, best in zip(np.asarray(lr, float), np.asarray(heavy, float), strict=True):
        low = best * np.sqrt(best / (best + rate * modes.max()))
        found.append(np.exp(brentq(excess, np.log(low) - 1e-9, np.log(best) + 1e-9, (rate, best))))
    return np.array(found)
