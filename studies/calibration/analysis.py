"""From stored runs to what is kept of a sweep: its curves, and the best of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.calibration.result import DAMPING
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import same, time_grid
from flatfast.lab.goal import Goal
from flatfast.lab.rejudge import rejudge
from flatfast.lab.store import read_chunks, read_manifest
from flatfast.law import GAMMA
from studies.calibration.cases import Case
from studies.calibration.measure import centre_file

BOOT = 400
PILOT_FALL = 0.1
"""Share of the trace by which a pilot's has to have fallen when it is read."""

TRACE = "metric:cooled:trace"

Row = dict[str, Any]


def summarise(case: Case, folder: Path) -> Row | None:
    """What the sweep of a case says; None if it has no run.

    Args:
        case: It.
        folder: In which :func:`studies.calibration.measure.measure` has kept it.
    """
    table, _ = read_chunks(folder / "runs")
    if not table.num_rows:
        return None
    if case.goal is not None:
        table = _judged(table, read_manifest(folder / "runs")["settings"], case.goal)
    rates = [row for share in case.lr_factors if (row := _rate(table, case.lr * share))]
    if not rates:
        return None
    return {
        "problem": case.problem,
        "settings": dict(case.settings),
        "label": case.label,
        "lr": case.lr,
        "weights": json.loads((folder / centre_file()).read_text())["weights"],
        "pilot": _pilot(table, case),
        "rates": rates,
    }


def _judged(table: pa.Table, settings: Row, goal: Goal) -> pa.Table:
    """All runs by another goal."""
    methods = np.asarray(table["method"].to_pylist())
    place = table.schema.get_field_index("method")
    parts = []
    for method in np.unique(methods):
        rows = table.filter(pa.array(methods == method))
        as_grid = rows.set_column(place, "method", pa.array([GRID] * len(rows)))
        found = rejudge(as_grid, settings, goal)
        parts.append(found.set_column(place, "method", pa.array([str(method)] * len(found))))
    return pa.concat_tables(parts)


def _rate(table: pa.Table, lr: float) -> Row | None:
    """One learning rate: the curve over C, its best, and the constants' times."""
    at = table.filter(pa.array(same(table["lr"].to_numpy(), lr)))
    methods = np.asarray(at["method"].to_pylist())
    if (methods == "grid").sum() == 0:
        return None
    grid = time_grid(at)
    optima = locate(median_times(grid, n_boot=BOOT, seed=0))
    scale = lr**-GAMMA
    medians = median(grid.log_time)[0]
    located = bool(optima.located[0])
    best = float(optima.log_time[0]) if located else float(np.min(medians))
    row: Row = {
        "lr": lr,
        "located": located,
        "reason": optima.reason[0],
        "limit": float(grid.limit[0]),
        "C": (grid.mu * scale).tolist(),
        "time": [_exp(t) for t in medians],
        "best_C": float(np.exp(optima.log_mu[0]) * scale) if located else None,
        "best_C_interval": _ends(np.exp(optima.boot_log_mu[:, 0]) * scale) if located else None,
        "best_time": _exp(best),
        "constants": {},
    }
    if (methods == "constant").any():
        constant = time_grid(at, "constant")
        times = median(constant.log_time)[0]
        for name, mu in (("0.9", 0.1), ("0.0", 1.0)):
            place = int(np.flatnonzero(same(constant.mu, mu))[0])
            lost = bool(constant.diverged[0, place].mean() > 0.5)
            row["constants"][name] = {"time": _exp(times[place]), "diverged": lost}
    return row


def _pilot(table: pa.Table, case: Case) -> Row:
    """C from the fall of the cooled trace in the slowest runs at the calibration's learning rate.

    ``d ln T / dk = -2 kappa (lr / mu)^2`` on the way down, once the noise has come up: between the
    record two memories after the start and that at which a tenth has gone.
    """
    nothing = {"C": None, "steps": None}
    if TRACE not in table.column_names:
        return nothing
    chosen = same(table["lr"].to_numpy(), case.lr) & (
        np.asarray(table["method"].to_pylist()) == "grid"
    )
    if not chosen.any():
        return nothing
    momenta = np.where(chosen, table["momentum"].to_numpy(), np.inf)
    slowest = table.filter(pa.array(same(momenta, momenta.min())))
    kappas, costs = [], []
    for row in slowest.to_pylist():
        mu = 1 - row["momentum"]
        steps, trace = np.asarray(row["record_step"]), np.asarray(row[TRACE])
        fallen = np.flatnonzero(trace <= (1 - PILOT_FALL) * trace[0])
        first = int(np.searchsorted(steps, 2 / mu))
        if not len(fallen) or fallen[0] <= first:
            continue
        last = int(fallen[0])
        rate = -np.log(trace[last] / trace[first]) / (steps[last] - steps[first])
        kappas.append(rate / 2 * (mu / row["lr"]) ** 2)
        costs.append(float(steps[last]))
    if not kappas or not np.median(kappas) > 0:
        return nothing
    return {
        "C": float(DAMPING * (4 * np.median(kappas)) ** (1 / 3)),
        "steps": float(np.median(costs)),
    }


def _ends(values: NDArray[np.float64]) -> list[float]:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return [float(low), float(high)]


def _exp(value: float) -> float | None:
    """From a log; None where it is beyond all bounds."""
    with np.errstate(over="ignore"):
        found = float(np.exp(value))
    return found if np.isfinite(found) else None
