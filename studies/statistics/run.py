"""Which fit, which interval: the simulation study behind the lab's statistics.

Synthetic sweeps with a known exponent are analysed as real ones are. Three questions:

1. How far off, and how uncertain, is the optimum by each fit, on curves of different shape?
2. How often does the interval of the exponent cover the truth, by the rule in use (Student's, on
   the variance of the seeds and of the scatter together) and by the usual rules for a bootstrap?
3. The same for the exponent of the best data collapse.

Run ``python studies/statistics``; two to three minutes on one core. Writes
``results/statistics/statistics.json`` and prints the tables.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from flatfast.lab.estimation import collapse as collapsing
from flatfast.lab.estimation.exponent import LAW, fit_exponent
from flatfast.lab.estimation.local_fit import Minimum
from flatfast.lab.estimation.optimum import (
    ALTERNATIVE_FITS,
    DEFAULT_FIT,
    CurveFit,
    MedianTimes,
    locate,
    median_times,
)
from flatfast.lab.estimation.power_law import fit_power_law
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import TimeGrid
from flatfast.lab.machine import machine, versions

Array = NDArray[np.float64]
Shape = Callable[[Array], Array]

RESULT = Path("results/statistics/statistics.json")


# --- Shapes of log T_c over x = log(mu), up to constants -----------------------------------------


def two_branch(x: Array) -> Array:
    """``1/mu + mu**2 / 2``, the simplest theory."""
    return np.asarray(np.logaddexp(-x, 2 * x - np.log(2)))


def kink(x: Array) -> Array:
    """Two power laws that meet at an angle."""
    return np.maximum(-x, 2 * x)


def flat_bottom(x: Array) -> Array:
    """A wide bottom, steeper on the right."""
    return np.log(1 + 0.08 * np.exp(-1.6 * x) + 0.064 * np.exp(2 * x))


def cliff(x: Array) -> Array:
    """A gentle fall to the left that ends at a cliff (a swing of the ring leaves the band)."""
    gentle = np.log(0.75 * np.exp(0.25 * x) + 0.25 * np.exp(2 * x))
    return np.where(x < -0.9, np.log(6.0) - (x + 0.9), gentle)


def _oscillator_table() -> tuple[Array, Array]:
    """Settling time of ``x'' = -C x' - x / (4 C)`` from rest at 1, until ``x**2 <= 1/10``."""
    friction = np.geomspace(0.03, 40, 700)[:, None]
    t = np.linspace(0, 600, 30_001)
    root = np.sqrt((friction**2 / 4 - 0.25 / friction).astype(complex) + 1e-9)
    fast, slow = -friction / 2 - root, -friction / 2 + root
    x = ((slow * np.exp(fast * t) - fast * np.exp(slow * t)) / (slow - fast)).real
    outside = x**2 > 0.1
    settled = t[len(t) - 1 - np.argmax(outside[:, ::-1], axis=1)]
    return np.log(friction[:, 0]), np.log(settled)


_LOG_C, _LOG_SETTLED = _oscillator_table()


def oscillator(x: Array) -> Array:
    """The limit equations of the law with one mode: jumps by half a swing."""
    return np.interp(x, _LOG_C, _LOG_SETTLED)


def oscillators(x: Array) -> Array:
    """The same with a spread of frequencies."""
    several = [oscillator(x + shift) for shift in np.linspace(-0.35, 0.35, 15)]
    return np.asarray(np.mean(several, axis=0))


SHAPES: dict[str, Shape] = {
    "two-branch": two_branch,
    "kink": kink,
    "flat bottom": flat_bottom,
    "cliff": cliff,
    "one oscillator": oscillator,
    "many oscillators": oscillators,
}


# --- Synthetic sweeps -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Design:
    """A sweep and its noise.

    Attributes:
        name: What it stands for.
        rates: Number of learning rates.
        decades: Which they span.
        per_decade: Momenta per decade of mu.
        seeds: Runs per cell.
        noise: Standard deviation of log T_c over seeds.
        shared: Correlation of that noise over the cells of a seed.
        moves: Standard deviation of a seed's shift of log mu*, at each learning rate on its own.
        limit: Run length over the best time.
        gamma: The true exponent.
    """

    name: str
    rates: int = 8
    decades: float = 1.5
    per_decade: int = 8
    seeds: int = 8
    noise: float = 0.1
    shared: float = 0.0
    moves: float = 0.0
    limit: float = 5.0
    gamma: float = LAW


DESIGNS = (
    Design("hardly any noise, 6 momenta per decade", noise=0.02, per_decade=6),
    Design("10% noise, mostly a seed's own", shared=0.8, moves=0.1),
    Design("40% noise, 16 seeds, runs of 3 best times", noise=0.4, seeds=16, shared=0.4, limit=3.0),
    Design("5 learning rates in 1.3 decades, exponent 1/2", rates=5, decades=1.3, gamma=0.5),
)

# The best momentum moves by 1.1 cells from rate to rate: the grid's position about the optima
# drifts through 0.4 cells over the sweep, and its part of the error looks like a slope.
IN_STEP = Design("grid nearly in step with the optima", rates=5, decades=1.1, gamma=0.5)


def sweep(shape: Shape, design: Design, rng: np.random.Generator) -> tuple[TimeGrid, float]:
    """A synthetic sweep, its grid in random position, and the true log C (gamma held)."""
    places = np.linspace(-2, 2, 4001)
    best = places[np.argmin(shape(places))]
    least = float(np.min(shape(places)))
    step = np.log(10) / design.per_decade
    log_lr = np.linspace(-0.5, 0.5, design.rates) * design.decades * np.log(10)
    cells = round((design.gamma * design.decades + 1.8) * design.per_decade)
    log_mu = (np.arange(cells) - (cells - 1) / 2) * step - 5.0
    log_c = -5.0 + step * rng.uniform(-0.5, 0.5)
    log_best = log_c + design.gamma * log_lr

    def draw(*shape: int) -> Array:
        return rng.standard_normal(shape)

    away = log_mu[None, :, None] - log_best[:, None, None] + best
    away = away + design.moves * draw(design.rates, 1, design.seeds)
    noise = design.shared * draw(1, 1, design.seeds)
    noise = noise + np.sqrt(1 - design.shared**2) * draw(design.rates, cells, design.seeds)
    excess = shape(away) - least + design.noise * noise
    base = 6.0 - LAW * log_lr
    log_time = np.where(excess > np.log(design.limit), np.inf, excess + base[:, None, None])
    grid = TimeGrid(
        np.exp(log_lr),
        np.exp(log_mu),
        np.arange(design.seeds),
        log_time,
        np.zeros(log_time.shape, dtype=np.bool_),
        np.exp(base) * design.limit,
    )
    return grid, log_c


# --- 1. Fits --------------------------------------------------------------------------------------


def _argmin(log_mu: Array, log_time: Array, log_limit: Array) -> Minimum:
    cell = np.argmin(log_time, axis=-1)
    return Minimum(log_mu[cell], np.take_along_axis(log_time, cell[..., None], -1)[..., 0])


FITS = (DEFAULT_FIT, *ALTERNATIVE_FITS, CurveFit("argmin of the grid", _argmin))


def study_fits(sets: int) -> list[dict[str, Any]]:
    """Bias and spread of the optimum, spread of the exponent, by fit, shape and design."""
    rows = []
    for design in DESIGNS:
        for name, shape in SHAPES.items():
            rng = np.random.default_rng(1)
            sweeps = [sweep(shape, design, rng) for _ in range(sets)]
            log_lr, log_mu = np.log(sweeps[0][0].lr), np.log(sweeps[0][0].mu)
            log_limit = np.log(sweeps[0][0].limit)
            medians = np.stack([median(grid.log_time) for grid, _ in sweeps])
            truth = np.array([log_c for _, log_c in sweeps])[:, None] + design.gamma * log_lr
            lever = (log_lr - log_lr.mean()) / np.sum((log_lr - log_lr.mean()) ** 2)
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


# --- 2. Intervals of the exponent -----------------------------------------------------------------


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


def study_intervals(sets: int, n_boot: int) -> list[dict[str, Any]]:
    """Coverage of 95% intervals of the exponent, and of C and the best momenta as smoothed."""
    rows = []
    for design in (*DESIGNS, IN_STEP):
        for name, shape in SHAPES.items():
            rng = np.random.default_rng(2)
            offset = _smoothed_minimum(shape, design)
            hits: dict[str, list[float]] = {}
            errors, ses, failed, cautioned = [], [], 0, 0
            for number in range(sets):
                grid, log_c = sweep(shape, design, rng)
                try:
                    fit = fit_exponent(grid, alternatives=(), n_boot=n_boot, seed=number)
                except ValueError:
                    failed += 1
                    continue
                cautioned += bool(fit.caution)
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
                            best.contains(np.exp(log_c + offset) * lr**design.gamma)
                            for best, lr in zip(fit.best_mu, grid.lr, strict=True)
                        ]
                    ),
                }
                if design.gamma == LAW:
                    found["C"] = fit.prefactor.contains(float(np.exp(log_c + offset)))
                for rule, hit in found.items():
                    hits.setdefault(rule, []).append(float(hit))
                errors.append(gamma - design.gamma)
                ses.append(fit.standard_error)
            rows.append(
                {
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
            )
    return rows


# --- 3. Collapse ----------------------------------------------------------------------------------


def study_collapse(sets: int, n_boot: int) -> list[dict[str, Any]]:
    """Coverage of the interval of the exponent that collapses best."""
    rows = []
    for design in DESIGNS:
        if design.gamma != LAW:
            continue  # times scale with 2/3 in every design
        for name, shape in SHAPES.items():
            rng = np.random.default_rng(3)
            found = [
                collapsing.collapse(sweep(shape, design, rng)[0], n_boot=n_boot, seed=number)
                for number in range(sets)
            ]
            gammas = np.array([one.best_gamma.estimate for one in found])
            rows.append(
                {
                    "design": design.name,
                    "shape": name,
                    "sets": sets,
                    "coverage": float(np.mean([one.best_gamma.contains(LAW) for one in found])),
                    "bias": float(np.nanmean(gammas) - LAW),
                    "sd": float(np.nanstd(gammas)),
                    "median_quality": float(np.median([one.quality for one in found])),
                }
            )
    return rows


# --- Tables ---------------------------------------------------------------------------------------


def print_tables(result: dict[str, Any]) -> None:
    """Print what was found, one table per question and design."""
    for design in DESIGNS:
        print(f"\n{design.name}")
        print("100 x bias, 100 x sd of log mu*; 1000 x sd of the exponent")
        print(" " * 46 + "".join(f"{name:>20}" for name in SHAPES))
        for fit in FITS:
            own = {
                row["shape"]: row
                for row in result["fits"]
                if row["design"] == design.name and row["fit"] == fit.name
            }
            cells = (
                f"{100 * own[s]['bias_log_mu']:7.1f}{100 * own[s]['sd_log_mu']:6.1f}"
                f"{1000 * own[s]['sd_exponent']:7.1f}"
                for s in SHAPES
            )
            print(f"{fit.name:46}" + "".join(cells))
    print("\nCoverage of 95% intervals of the exponent")
    for row in result["intervals"]:
        text = "  ".join(f"{rule} {share:.3f}" for rule, share in row["coverage"].items())
        print(
            f"{row['design'][:30]:30} {row['shape']:17} {text}  "
            f"sd {row['sd']:.4f}  cautioned {row['cautioned']}"
        )
    print("\nBest collapse")
    for row in result["collapse"]:
        print(
            f"{row['design'][:30]:30} {row['shape']:17} {row['coverage']:.3f}  "
            f"sd {row['sd']:.4f}  quality {row['median_quality']:.3f}"
        )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=100, help="sweeps per coverage (default 100)")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    result: dict[str, Any] = {
        "sets": arguments.sets,
        "machine": machine(),
        "versions": versions(),
    }
    parts = {
        "fits": partial(study_fits, arguments.sets),
        "intervals": partial(study_intervals, arguments.sets, 150),
        "collapse": partial(study_collapse, arguments.sets // 3, 40),
    }
    for name, study in parts.items():
        result[name] = study()
        print(f"{name}: {time.perf_counter() - begin:.0f} s", flush=True)
    result["seconds"] = round(time.perf_counter() - begin)
    print_tables(result)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
