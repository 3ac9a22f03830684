"""Do adaptive sweeps of the lab's problems find what the committed dense sweeps found?"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flatfast.lab.adaptive.row import current
from flatfast.lab.estimation.exponent import ExponentFit, fit_exponent
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.reproduce import identity_of, plan_of, problem_of, reproduce
from flatfast.lab.store import Store
from studies.adaptive.cases import swept
from studies.adaptive.synthetic import steps_of
from studies.engines import in_use
from studies.study import RESULTS, Result, read_json


def dense_rows(name: str, results: Path = RESULTS) -> pa.Table:
    """The runs of a problem's committed dense sweep, its main grid alone."""
    rows = pq.read_table(results / name / "runs.parquet")
    return rows.filter(pa.array(np.asarray(rows["method"].to_pylist()) == GRID))


def dense_sweep(name: str, results: Path = RESULTS) -> Result:
    """The committed dense sweep of a problem in numbers, as :func:`adaptive_sweep` has them."""
    summary = read_json(results / name / "summary.json", None)
    rows = dense_rows(name, results)
    ends = ("estimate", "low", "high")
    return {
        "exponent": {end: summary["exponent"][end] for end in ends},
        "C": {end: summary["best_C"][end] for end in ends},
        **_spent(rows),
        "best_momentum": [
            {"lr": best["eta"], "momentum": best["estimate"] if best["located"] else None}
            for best in summary["best_momentum"]
        ],
    }


def adaptive_sweep(name: str, folder: Path, quick: bool = False) -> Result:
    """An adaptive sweep of a problem, made in a store that goes on where it was stopped.

    Args:
        name: Of the problem.
        folder: The study's folder of runs.
        quick: Its quick recipe instead of the full one.
    """
    recipe = swept(name, quick)
    problem = problem_of(recipe)
    with Store(folder / "sweeps" / name, identity_of(recipe, problem)) as store:
        rows = reproduce(recipe, problem, store, engines=in_use())
    plan = plan_of(recipe, problem)
    fit = fit_exponent(time_grid(current(rows, plan.rates)), alternatives=())
    return {
        "name": name,
        "exponent": _ends(fit.exponent),
        "C": _ends(fit.prefactor),
        **_spent(rows),
        "best_momentum": _best(fit),
        "caution": fit.caution,
    }


def _ends(interval: Interval) -> dict[str, float]:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}


def _best(fit: ExponentFit) -> list[dict[str, Any]]:
    return [
        {"lr": float(lr), "momentum": 1 - best.estimate if located else None}
        for lr, best, located in zip(fit.lr, fit.best_mu, fit.located, strict=True)
    ]


def _spent(rows: pa.Table) -> dict[str, Any]:
    """Runs and steps of all together, and by pair: ``(lr, momentum, runs, steps)``."""
    lr, momentum = rows["lr"].to_numpy(), rows["momentum"].to_numpy()
    pairs, place = np.unique(np.stack([lr, momentum], axis=1), axis=0, return_inverse=True)
    runs = np.bincount(place.ravel())
    steps = np.bincount(place.ravel(), weights=rows["steps_run"].to_numpy())
    return {
        "runs": len(rows),
        "steps": steps_of(rows),
        "pairs": [
            [float(pair[0]), float(pair[1]), int(count), int(spent)]
            for pair, count, spent in zip(pairs, runs, steps, strict=True)
        ],
    }
