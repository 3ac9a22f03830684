"""From the runs of a sweep to the exponent, and to the steps at a calibrated C."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.interval import Interval
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import time_grid
from flatfast.law import GAMMA
from studies.calibration.rows import steps_over_best
from studies.fresh.cases import Case

Row = dict[str, Any]


def summarise(path: Path, case: Case) -> Row:
    """Curves, exponent and prefactor.

    Args:
        path: The runs' table.
        case: Where they come from.
    """
    grid = time_grid(pq.read_table(path))
    run = np.asarray(~np.isnan(grid.log_time).all(axis=2))  # at each learning rate its own momenta
    times = median(grid.log_time)
    row: Row = {
        "lr": grid.lr.tolist(),
        "seeds": case.seeds,
        "batch": case.batch,
        "C": [(grid.mu[run[at]] * lr**-GAMMA).tolist() for at, lr in enumerate(grid.lr)],
        "time": [[_exp(each) for each in times[at][run[at]]] for at in range(len(grid.lr))],
    }
    try:
        fit = fit_exponent(grid)
    except ValueError as error:
        return {**row, "why": str(error)}
    return {
        **row,
        "exponent": _ends(fit.exponent),
        "best_C": _ends(fit.prefactor),
        "best_mu": [_ends(each) for each in fit.best_mu],
        "best_time": [_ends(each) for each in fit.best_time],
        "located": fit.located.tolist(),
        "caution": fit.caution,
    }


def over_best(sweep: Row, lr: float, C: float) -> float:
    """Steps at C over those of the best, along the curve of a learning rate; inf if unsettled."""
    at = int(np.argmin(np.abs(np.log(np.array(sweep["lr"]) / lr))))
    best = sweep["best_time"][at]["estimate"]
    rate = {"C": sweep["C"][at], "time": sweep["time"][at], "best_time": best}
    return steps_over_best(rate, C) or np.inf


def _ends(interval: Interval) -> Row:
    return {"estimate": interval.estimate, "low": interval.low, "high": interval.high}


def _exp(value: float) -> float | None:
    with np.errstate(over="ignore"):
        found = float(np.exp(value))
    return found if np.isfinite(found) else None
