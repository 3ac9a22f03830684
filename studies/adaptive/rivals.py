"""Other ways to spend the steps of an adaptive sweep: which finds the best momenta best?

Each rival gets the steps that our sweep took, on the same synthetic runs, and what ours had to find
out: the length of the runs at every learning rate (a grid is tried without it as well), and each
learning rate's share of the steps by ``lr^(-2/3)``. A library's sampler is asked for one run after
the other at each learning rate, for the least log T_c over the cells of our grid of momenta, each
cell's runs with seeds of their own; it knows no censoring and is told the length in place of the
time. From what it ran its own best is read, and the fit that is ours, through its medians.
"""

import importlib
import importlib.util
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from flatfast.lab.adaptive.plan import Plan
from flatfast.lab.adaptive.row import current
from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.estimation.optimum import DEFAULT_FIT
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.runs import runs_of
from studies.adaptive.cases import WIDTH
from studies.adaptive.synthetic import (
    SCALED_MU,
    Synthetic,
    adaptive,
    dense,
    plan_of,
    steps_of,
    synthetic,
)
from studies.statistics.cases import Design
from studies.statistics.shapes import Array

DENSITIES = (9, 6, 5, 4)
"""Momenta per factor of ten of a grid that is cut: the most that leave it :data:`LEAST_SEEDS`."""

LEAST_SEEDS = 2

LIBRARY = "optuna"
"""Whose samplers are asked: the one library of those looked at that installs beside the lab."""


@dataclass(frozen=True)
class Ours:
    """Our sweep: what rivals are given of it.

    Attributes:
        runs: The synthetic runs.
        plan: What was asked for.
        rows: Of the main sweep, those that are estimated from.
        steps: Of all runs, the pilot's among them.
        lengths: Learning rate to length of its runs.
    """

    runs: Synthetic
    plan: Plan
    rows: pa.Table
    steps: int
    lengths: dict[float, int]


def ours(design: Design, name: str, number: int) -> Ours:
    """Our sweep of a design and shape."""
    runs = synthetic(name, design, number)
    plan = plan_of(runs, WIDTH)
    rows, _ = adaptive(runs, plan)
    used = current(rows, plan.rates)
    lengths = dict(zip(used["lr"].to_pylist(), used["steps"].to_pylist(), strict=True))
    return Ours(runs, plan, used, steps_of(rows), lengths)


def fitted(rows: pa.Table) -> Array:
    """Log of the best ``1 - momentum`` at each learning rate, ascending, by the fit in use."""
    grid = time_grid(rows)
    medians = median(grid.log_time)[None]
    found = DEFAULT_FIT.minimum(np.log(grid.mu), medians, np.log(grid.limit))
    return np.asarray(found.log_mu[0])


def cut_grid(own: Ours, lengths: dict[float, int] | None) -> pa.Table:
    """The finest grid with two seeds that takes no more steps than ours."""
    steps = None if lengths is None else lengths.__getitem__
    for per_decade in DENSITIES:
        each = steps_of(dense(own.runs, 1, per_decade, steps))
        if own.steps // each >= LEAST_SEEDS or per_decade == DENSITIES[-1]:
            return dense(own.runs, max(own.steps // each, 1), per_decade, steps)
    raise AssertionError  # the last density is taken whatever it costs


def library(own: Ours, sampler: Callable[[Any, int], Any]) -> tuple[pa.Table, Array]:
    """What a library's sampler runs, and the log of the best ``1 - momentum`` it found at each.

    Args:
        own: Our sweep.
        sampler: Makes a sampler, of the library and a seed.
    """
    optuna = importlib.import_module(LIBRARY)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan, rates = own.plan, np.sort(own.plan.rates)
    share = rates**-LAW / np.sum(rates**-LAW)
    parts, best = [], []
    for lr, steps in zip(rates.tolist(), share * own.steps, strict=True):
        low, high = (plan.cell(min(scaled * lr**LAW, 1.0)) for scaled in SCALED_MU)
        study = optuna.create_study(sampler=sampler(optuna, own.runs.number))
        seeds: Counter[int] = Counter()
        spent = 0
        while spent < steps:
            trial = study.ask()
            cell = trial.suggest_int("cell", int(np.ceil(low)), int(np.floor(high)))
            wanted = runs_of([(lr, plan.momentum(cell))], seeds[cell] + 1, own.lengths[lr])
            row = own.runs.rows(wanted[-1:])
            seeds[cell] += 1
            spent += steps_of(row)
            arrived = row["status"][0].as_py() == Status.CONVERGED.value
            time = row["convergence_step"][0].as_py() if arrived else own.lengths[lr]
            study.tell(trial, float(np.log(time)))
            parts.append(row)
        best.append(study.best_params["cell"])
    return pa.concat_tables(parts), np.log(10) / plan.per_decade * np.array(best)


def _tpe(optuna: Any, seed: int) -> Any:
    return optuna.samplers.TPESampler(seed=seed)


def _gaussian_process(optuna: Any, seed: int) -> Any:
    return optuna.samplers.GPSampler(seed=seed, deterministic_objective=False)


SAMPLERS = {"TPE": (_tpe, ()), "GP": (_gaussian_process, ("torch", "scipy"))}
"""Tree-structured Parzen estimator; Gaussian process, noise and all, and log expected improvement.
Beside each what it needs of other libraries."""


def lacks(sampler: str) -> str:
    """What is missing here to ask a sampler, empty if nothing is."""
    needed = (LIBRARY, *SAMPLERS[sampler][1])
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    return " and ".join(missing)


def compared(design: Design, name: str, sampler: str, sets: int) -> list[dict[str, Any]]:
    """Errors by our sweeps, by grids of the same steps, and by a sampler of the library.

    Args:
        design: Learning rates, exponent and noise.
        name: Of the curve's shape.
        sampler: Of :data:`SAMPLERS`; empty for ours and the grids.
        sets: How many sweeps.

    Returns:
        Plain JSON: for each way its name, and by sweep the errors of the exponent (None where
        fewer than 3 best momenta were found), the mean square of those of log mu, and the steps
        over ours.
    """
    found: dict[str, dict[str, list[float | None]]] = {}

    def note(way: str, own: Ours, log_mu: Array, steps: int) -> None:
        entry = found.setdefault(way, {"exponent": [], "square": [], "steps": []})
        error = log_mu - own.runs.log_best(np.sort(own.plan.rates))
        entry["exponent"].append(_slope(own, error))
        known = error[~np.isnan(error)]
        entry["square"].append(float(np.mean(known**2)) if len(known) else None)
        entry["steps"].append(steps / own.steps)

    for number in range(sets):
        own = ours(design, name, number)
        if sampler:
            rows, best = library(own, SAMPLERS[sampler][0])
            note(f"{sampler}, its best run", own, best, steps_of(rows))
            note(f"{sampler}, our fit", own, fitted(rows), steps_of(rows))
            continue
        note("ours", own, fitted(own.rows), own.steps)
        for way, lengths in (("grid", None), ("grid, our lengths", own.lengths)):
            rows = cut_grid(own, lengths)
            note(way, own, fitted(rows), steps_of(rows))
    shared = {"design": design.name, "shape": name, "sets": sets}
    return [{"way": way, **shared, **errors} for way, errors in found.items()]


def _slope(own: Ours, error: Array) -> float | None:
    """The exponent's error by least squares through the best momenta that were found."""
    known = ~np.isnan(error)
    if known.sum() < 3:
        return None
    return float(np.polyfit(np.log(np.sort(own.plan.rates))[known], error[known], 1)[0])
