"""The theory's forecast against sweeps: best prefactors, and times at every momentum.

Two parts. The committed sweeps of ``results/`` at several learning rates, each beside its forecast
(``flatfast.lab.predict``); and matrix sensing and the scalar product with other noise, batch sizes,
targets and shapes, each swept anew at one learning rate. Writes ``results/forecast/forecast.json``
after every case, and goes on where it stopped.

    python studies/forecast
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.progress import track

from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import TimeGrid, time_grid
from flatfast.lab.forecast.forecast import forecast
from flatfast.lab.forecast.limit_times import predicted_times
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.machine import machine, versions
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from flatfast.lab.reproduce import identity
from flatfast.lab.runs import runs_of
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from flatfast.law import GAMMA

COMMITTED = ("scalar-product", "matrix-sensing", "teacher-student")
"""The digits network's 2,000 modes are beyond the dense path."""

SMOOTH = ("scalar-product", "matrix-sensing")
"""Problems whose limit is followed: at the kinks of rectifiers the solver stalls."""

CASES: tuple[tuple[str, Mapping[str, Scalar]], ...] = (
    *(("matrix-sensing", {"noise_std": noise}) for noise in (0.03, 0.3, 0.055, 0.17)),
    *(("matrix-sensing", {"batch_size": size}) for size in (30, 12)),
    *(("scalar-product", {"noise_std": noise}) for noise in (0.1, 0.25)),
    ("scalar-product", {"target": 3.0}),
    ("scalar-product", {"width": 30}),
    *(("matrix-sensing", {"examples": examples}) for examples in (90, 105)),
)
LR = {"matrix-sensing": 1e-3, "scalar-product": 1e-5}
SEEDS = {"matrix-sensing": 12, "scalar-product": 128}
JACOBIANS_LIMIT, JACOBIANS_FLOW = 7, 4
"""Work of a point of a path, in Jacobians of one gradient a residual: the Jacobian itself, the
weighted gradient of its squares (three), for the limit its derivative along the path (three)."""

FACTORS = np.geomspace(0.35, 4.0, 15)
"""Prefactors of a new sweep, in units of the flow's."""

BATCHES: Mapping[str, Scalar] = {"batch_size": 30}
BATCH_LRS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
BATCH_C = 0.3
"""Batches swept against the learning rate at one C: does the limit come?"""

RANGE = 5.0
"""Times are compared up to this factor in ``1 - momentum`` from the best, either way."""


def compare_times(grid: TimeGrid, found: Forecast, best: float) -> dict[str, Any]:
    """Measured median times over predicted ones, in logs, cell by cell of the sweep."""
    scaled_mu = grid.mu / grid.lr[:, None] ** GAMMA
    measured = median(grid.log_time[None])[0] + GAMMA * np.log(grid.lr)[:, None]
    inside = np.isfinite(measured) & (np.abs(np.log(scaled_mu / best)) <= np.log(RANGE))
    ratio = measured - np.log(found.time_at(scaled_mu))
    compared: NDArray[np.float64] = ratio[inside & np.isfinite(ratio)]
    return {
        "cells": int(inside.sum()),
        "compared": len(compared),
        "median_log_ratio": float(np.median(compared)),
        "median_absolute_log_ratio": float(np.median(np.abs(compared))),
        "largest_absolute_log_ratio": float(np.abs(compared).max()),
    }


def told(found: Forecast) -> dict[str, Any]:
    """What is kept of a forecast."""
    names = ("modes", "relaxation", "fraction", "critical", "flow_prefactor", "flow_time")
    more = ("best_prefactor", "best_time", "C", "time", "evaluations")
    return {name: getattr(found, name) for name in (*names, *more)}


def committed(name: str) -> dict[str, Any]:
    """A forecast beside the committed sweep of a problem."""
    begun = time.perf_counter()
    found = forecast(load(name), limit=name in SMOOTH)
    seconds = time.perf_counter() - begun
    summary = json.loads(Path(f"results/{name}/summary.json").read_text())
    runs = pq.read_table(f"results/{name}/runs.parquet")
    grid = time_grid(runs)
    main_sweep = np.asarray(runs["method"].to_pylist()) == "grid"
    # Runs go on past their convergence time; to it they need at least this many gradients.
    step = np.nan_to_num(runs["convergence_step"].to_numpy(), nan=np.inf)
    gradients = np.minimum(step, runs["steps"].to_numpy())
    result = {
        "problem": name,
        "forecast": told(found),
        "seconds": seconds,
        "swept": {key: summary["best_C"][key] for key in ("estimate", "low", "high")},
        "swept_time": scaled_best_time(grid),
        "sweep_gradients": int(gradients[main_sweep].sum()),
        "forecast_gradients": JACOBIANS_LIMIT * found.evaluations * found.modes,
    }
    if found.best_prefactor is not None:
        result["times"] = compare_times(grid, found, summary["best_C"]["estimate"])
    return result


def scaled_best_time(grid: TimeGrid) -> float:
    """Median over learning rates of the best time, in ``lr^(-2/3)`` steps."""
    optima = locate(median_times(grid, n_boot=50, seed=0))
    scaled = np.exp(optima.log_time[optima.located]) * grid.lr[optima.located] ** GAMMA
    return float(np.median(scaled))


def swept(problem: Problem, found: Forecast, lr: float, seeds: int, folder: Path) -> TimeGrid:
    """A sweep over momentum at one learning rate."""
    longest = float(10 * found.flow_time * lr**-GAMMA)
    pairs = [(lr, 1 - C * lr**GAMMA) for C in found.flow_prefactor * FACTORS]
    runs = runs_of(pairs, seeds, round(longest))
    with Store(folder, identity(problem, records=256)) as store:
        return time_grid(sweep(runs, store, LocalEngine(problem, records=256)))


def varied(name: str, settings: Mapping[str, Scalar], folder: Path) -> dict[str, Any]:
    """A forecast beside a new sweep."""
    problem = load(name, settings)
    found = forecast(problem, limit=True)
    label = "-".join(f"{key}-{value}" for key, value in settings.items())
    grid = swept(problem, found, LR[name], SEEDS[name], folder / f"{name}-{label}")
    optima = locate(median_times(grid, n_boot=500, seed=0))
    scale = LR[name] ** -GAMMA
    result: dict[str, Any] = {
        "problem": name,
        "settings": dict(settings),
        "forecast": told(found),
        "located": bool(optima.located[0]),
        "reason": optima.reason[0],
    }
    if optima.located[0]:
        C = np.exp(optima.log_mu[0]) * scale
        low, high = np.nanquantile(np.exp(optima.boot_log_mu[:, 0]) * scale, (0.025, 0.975))
        result["swept"] = {"estimate": float(C), "low": float(low), "high": float(high)}
        result["swept_time"] = float(np.exp(optima.log_time[0]) / scale)
        result["times"] = compare_times(grid, found, float(C))
    return result


def batches(folder: Path) -> dict[str, Any]:
    """Scaled times with minibatches at one C, as the learning rate falls, and the limit's."""
    problem = load("matrix-sensing", BATCHES)
    limit = float(predicted_times(problem, [BATCH_C]).time[0])
    rows = []
    for lr in BATCH_LRS:
        pair = [(lr, 1 - BATCH_C * lr**GAMMA)]
        runs = runs_of(pair, SEEDS["matrix-sensing"], round(4 * limit * lr**-GAMMA))
        options: dict[str, Any] = {"records": 256, "dtype": "float64"}
        with Store(folder / f"batches-{lr:g}", identity(problem, **options)) as store:
            grid = time_grid(sweep(runs, store, LocalEngine(problem, **options)))
        times = np.exp(grid.log_time.ravel()) * lr**GAMMA
        medians = np.median(np.random.default_rng(0).choice(times, (1000, len(times))), axis=1)
        low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
        found = {"time": np.median(times), "low": low, "high": high}
        # A median beyond the run's length is not known.
        known = {name: float(t) if np.isfinite(t) else None for name, t in found.items()}
        rows.append({"lr": lr, **known})
        print(rows[-1])
    return {"C": BATCH_C, "settings": dict(BATCHES), "limit": limit, "rows": rows}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results/forecast/forecast.json"))
    parser.add_argument("--runs", type=Path, default=Path("runs/prediction"))
    chosen = parser.parse_args()
    use_all_cores()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"committed": {}, "varied": {}}
    if chosen.out.exists():
        result = json.loads(chosen.out.read_text())
    result |= {"machine": machine(), "versions": versions()}
    for name in track(COMMITTED, "committed sweeps"):
        if name not in result["committed"]:
            result["committed"][name] = committed(name)
            chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    for name, entry in result["committed"].items():
        if "flow_gradients" not in entry:
            told_by = entry["forecast"]
            followed = told_by["best_prefactor"] is not None
            alone = told(forecast(load(name), limit=False)) if followed else told_by
            entry["flow_gradients"] = JACOBIANS_FLOW * alone["evaluations"] * alone["modes"]
    if "batches" not in result:
        result["batches"] = batches(chosen.runs)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")
    for name, settings in track(CASES, "new sweeps"):
        key = f"{name} {json.dumps(dict(settings))}"
        if key not in result["varied"]:
            result["varied"][key] = varied(name, settings, chosen.runs)
            chosen.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
