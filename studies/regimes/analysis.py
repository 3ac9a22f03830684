"""Exponents of the regime map, local and fitted, from its tables.

Reads ``results/regimes/tables/*.parquet``, which ``studies.regimes.run`` makes, and writes
``results/regimes/regimes.json``.

For label noise the map has one axis. With ``c = (1 - momentum) / sqrt(lr)`` and the time
``k sqrt(lr)`` over k steps, heavy-ball SGD becomes, as ``lr`` falls, motion under friction c with
noise of strength ``noise^2 sqrt(lr)``, and nothing else in it depends on the learning rate: so the
best c is a function of ``noise^2 sqrt(lr)`` alone. Where it is constant the exponent is 1/2; where
it grows as the cube root the exponent is 2/3.

    python -m studies.regimes.analysis
"""

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.estimation.collapse import collapse
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.power_law import fit_power_law, replicate_variance
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.lab.estimation.times import TimeGrid, time_grid
from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate
from studies.regimes.cases import CASES, Case
from studies.regimes.optima import (
    LEVEL,
    N_BOOT,
    Optimum,
    best_c,
    error_interval,
    fastest_cells,
    local_slopes,
    optimum_of,
    same_seeds,
    settling_window,
)

ON_MANIFOLD = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99)
"""Momenta of the runs that show what minibatches do on the manifold."""

POOLED = ("manifold", "init", "init-strict")
"""Parts with several levels of label noise on one problem."""


def pooled_slope(members: list[tuple[float, Optimum]]) -> dict[str, Any] | None:
    """Slope of log c against the log of ``noise^2 sqrt(lr)`` over several noise levels.

    Args:
        members: Noise and optima of each sweep; all of the same seeds, which are resampled jointly.

    Returns:
        The slope s with its interval, and the exponent ``1/2 + s/2`` that follows from it; None
        with fewer than 3 located optima.
    """
    x = np.concatenate([np.log(noise**2 * np.sqrt(one.lr)) for noise, one in members])
    y = np.concatenate([one.log_mu - np.log(one.lr) / 2 for _, one in members])
    boot = np.concatenate([one.boot - np.log(one.lr) / 2 for _, one in members], axis=1)
    points = int(np.isfinite(y).sum())
    if points < 3:
        return None
    law = fit_power_law(x, y, boot)
    parts = [(law.seed_variance, members[0][1].seeds - 1.0), (law.scatter_variance, points - 2.0)]
    reach = np.sqrt(law.seed_variance + law.scatter_variance) * t_quantile(LEVEL, parts)
    slope = Interval(law.slope, law.slope - reach, law.slope + reach)
    exponent = Interval(*(0.5 + end / 2 for end in (slope.estimate, slope.low, slope.high)))
    return {
        "points": points,
        "slope": told(slope),
        "exponent": told(exponent),
        "scatter": law.scatter,
    }


def equal_strength(members: list[tuple[float, Optimum]]) -> list[dict[str, Any]]:
    """Pairs of the same ``noise^2 sqrt(lr)`` at different learning rates: the ratio of their c."""
    points = [
        (noise, one, e)
        for noise, one in members
        for e in range(len(one.lr))
        if np.isfinite(one.log_mu[e])
    ]
    pairs = []
    for (noise, one, e), (other_noise, other, f) in combinations(points, 2):
        strengths = (noise**2 * np.sqrt(one.lr[e]), other_noise**2 * np.sqrt(other.lr[f]))
        if noise == other_noise or not np.isclose(*strengths, rtol=1e-6):
            continue
        apart = float(
            one.log_mu[e] - np.log(one.lr[e]) / 2 - other.log_mu[f] + np.log(other.lr[f]) / 2
        )
        own = replicate_variance(one.boot[:, e] - other.boot[:, f])
        ends = error_interval(apart, float(own), one.grid_variance + other.grid_variance, one)
        pairs.append(
            {
                "strength": float(strengths[0]),
                "noise": [noise, other_noise],
                "lr": [float(one.lr[e]), float(other.lr[f])],
                "ratio": told(
                    Interval(*(float(np.exp(v)) for v in (ends.estimate, ends.low, ends.high)))
                ),
            }
        )
    return pairs


def told(interval: Interval) -> dict[str, float] | None:
    """An interval for JSON, None where it could not be located."""
    ends = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    return ends if np.isfinite(list(ends.values())).all() else None


def judged(case: Case, grid: TimeGrid, found: Optimum) -> dict[str, Any]:
    """What is kept of a case."""
    result: dict[str, Any] = {
        "name": case.name,
        "part": case.part,
        "noise": case.noise,
        "batch_size": case.batch_size,
        "slow": case.slow,
        "seeds": found.seeds,
        "runs": int(np.isfinite(grid.log_time).sum() + np.isinf(grid.log_time).sum()),
        "lr": [float(lr) for lr in found.lr],
        "best_c": [told(one) for one in best_c(found)],
        "fastest_cell_c": fastest_cells(grid),
        "settling_mu_over_lr": settling_window(grid),
        "scaled_time": [
            float(t) if np.isfinite(t) else None for t in np.exp(found.log_time) * np.sqrt(found.lr)
        ],
        "reason": list(found.reason),
        "local": [told(one) for one in local_slopes(found)],
        "exponent": None,
    }
    try:
        fit = fit_exponent(grid, alternatives=(), level=LEVEL, n_boot=N_BOOT)
    except ValueError as error:
        result["missing"] = str(error)
    else:
        result["exponent"] = told(fit.exponent)
        result["caution"] = fit.caution
    try:
        curves = collapse(grid, level=LEVEL)
    except ValueError:
        result["collapse"] = None
    else:
        known = told(curves.best_gamma)
        result["collapse"] = known and {**known, "distance": curves.best_quality}
    return result


def on_manifold() -> dict[str, Any]:
    """From the manifold: how far minibatches alone, and label noise, take the test error.

    A minimum is linearly stable under minibatches while ``lr tr H / (2 B (1 - momentum))`` is below
    about 1.
    """
    lr, steps, size = 1e-3, 4000, 12
    momentum = np.repeat(ON_MANIFOLD, 8)
    rows: list[dict[str, Any]] = [{"momentum": float(one)} for one in ON_MANIFOLD]
    for name, settings in (
        ("minibatch", {"noise_std": 0.0, "batch_size": size}),
        ("label_noise", {"noise_std": 0.1}),
    ):
        problem = load("matrix-sensing", settings)
        paths = simulate(problem, lr, momentum, np.arange(len(momentum)), steps=steps, records=8)
        values = paths.values["cooled:test_error"]
        left = (values[:, -1] / values[:, 0]).reshape(len(ON_MANIFOLD), -1)
        trace = float(problem.metrics["trace"](problem.start()))
        for row, ratios in zip(rows, left, strict=True):
            kept = ratios[np.isfinite(ratios)]
            row[name] = float(np.median(kept)) if len(kept) else None
            row["instability"] = lr * trace / (2 * size * (1 - row["momentum"]))
    return {"lr": lr, "steps": steps, "batch_size": size, "rows": rows}


def main() -> None:
    """Analyse and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, default=Path("results/regimes/tables"))
    parser.add_argument("--out", type=Path, default=Path("results/regimes/regimes.json"))
    chosen = parser.parse_args()
    use_all_cores()
    cases, grids = [], {}
    for case in CASES:
        path = chosen.tables / f"{case.name}.parquet"
        if not path.exists():
            print(f"no runs of {case.name}")
            continue
        grids[case.name] = grid = time_grid(pq.read_table(path))
        cases.append(judged(case, grid, optimum_of(grid)))
        print(case.name, cases[-1]["exponent"])
    pooled = {}
    for part in POOLED:
        levels = {
            case.name: case.noise
            for case in CASES
            if case.part == part and case.noise > 0 and case.name in grids
        }
        if levels:
            shared = [optimum_of(grid) for grid in same_seeds(grids[name] for name in levels)]
            members = list(zip(levels.values(), shared, strict=True))
            pooled[part] = {"law": pooled_slope(members), "pairs": equal_strength(members)}
    result = {
        "computed_on": json.loads((chosen.tables / "machines.json").read_text()),
        "level": LEVEL,
        "cases": cases,
        "pooled": pooled,
        "on_manifold": on_manifold(),
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
