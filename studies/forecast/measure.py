"""A forecast beside a sweep: a committed one, or one that is made anew."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import TimeGrid, time_grid
from flatfast.lab.forecast.forecast import forecast
from flatfast.lab.forecast.limit_times import predicted_times
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.problems import load
from flatfast.lab.runs import runs_of
from flatfast.law import GAMMA
from studies.forecast.cases import BATCH_C, BATCHES, FACTORS, Case
from studies.study import RESULTS, read_json
from studies.sweeps import best_of, swept

JACOBIANS_LIMIT, JACOBIANS_FLOW = 7, 4
"""Work of a point of a path, in Jacobians of one gradient a residual: the Jacobian itself, the
weighted gradient of its squares (three), for the limit its derivative along the path (three)."""

RANGE = 5.0
"""Times are compared up to this factor in ``1 - momentum`` from the best, either way."""


def committed(name: str, limit: bool) -> dict[str, Any]:
    """A forecast beside the committed sweep of a problem; by the flow alone or by the limit too."""
    begun = time.perf_counter()
    found = forecast(load(name), limit=limit)
    seconds = time.perf_counter() - begun
    summary = read_json(RESULTS / name / "summary.json", {})
    runs = pq.read_table(RESULTS / name / "runs.parquet")
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
    alone = forecast(load(name), limit=False) if limit else found
    result["flow_gradients"] = JACOBIANS_FLOW * alone.evaluations * alone.modes
    return result


def varied(case: Case, stores: Path) -> dict[str, Any]:
    """A forecast beside a new sweep over momentum at one learning rate."""
    problem = case.load()
    found = forecast(problem, limit=True)
    longest = float(10 * found.flow_time * case.lr**-GAMMA)
    pairs = [(case.lr, 1 - C * case.lr**GAMMA) for C in found.flow_prefactor * FACTORS]
    runs = runs_of(pairs, case.seeds, round(longest))
    grid = time_grid(swept(stores / case.name, problem, runs, records=256))
    best = best_of(grid)
    result: dict[str, Any] = {
        "problem": case.problem,
        "settings": dict(case.settings),
        "forecast": told(found),
        "located": "swept" in best,
        **best,
    }
    if result["located"]:
        result["times"] = compare_times(grid, found, best["swept"]["estimate"])
    return result


def batches(lrs: Iterable[float], stores: Path) -> dict[str, Any]:
    """Scaled times with minibatches at one C, as the learning rate falls, and the limit's."""
    problem = BATCHES.load()
    limit = float(predicted_times(problem, [BATCH_C]).time[0])
    rows = []
    for lr in lrs:
        pair = [(lr, 1 - BATCH_C * lr**GAMMA)]
        runs = runs_of(pair, BATCHES.seeds, round(4 * limit * lr**-GAMMA))
        options: dict[str, Any] = {"records": 256, "dtype": "float64"}
        grid = time_grid(swept(stores / f"batches,lr={lr:g}", problem, runs, **options))
        times = np.exp(grid.log_time.ravel()) * lr**GAMMA
        medians = np.median(np.random.default_rng(0).choice(times, (1000, len(times))), axis=1)
        low, high = np.quantile(medians, (0.025, 0.975), method="nearest")
        found = {"time": np.median(times), "low": low, "high": high}
        # A median beyond the run's length is not known.
        known = {name: float(t) if np.isfinite(t) else None for name, t in found.items()}
        rows.append({"lr": lr, **known})
    return {"C": BATCH_C, "settings": dict(BATCHES.settings), "limit": limit, "rows": rows}


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


def scaled_best_time(grid: TimeGrid) -> float:
    """Median over learning rates of the best time, in ``lr^(-2/3)`` steps."""
    optima = locate(median_times(grid, n_boot=50, seed=0))
    scaled = np.exp(optima.log_time[optima.located]) * grid.lr[optima.located] ** GAMMA
    return float(np.median(scaled))
