"""From stored runs to what is quoted: calibrated prefactors and times beside swept ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.calibration import Calibration
from flatfast.calibration.result import DAMPING
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.resampling import median, resampled_medians, resamples
from flatfast.lab.estimation.times import same, time_grid
from flatfast.lab.goal import Goal
from flatfast.lab.rejudge import rejudge
from flatfast.lab.store import read_chunks, read_manifest
from flatfast.law import GAMMA
from studies.calibration.cases import CENTRE_BUDGET, Case
from studies.calibration.curve import read_off
from studies.calibration.measure import calibrated

BOOT = 400
PILOT_FALL = 0.1
"""Share of the trace by which a pilot's has to have fallen when it is read."""

TRACE = "metric:cooled:trace"

Row = dict[str, Any]


def summarise(case: Case, folder: Path) -> Row | None:
    """What the calibrations and the sweep of a case say; None if the sweep has no run.

    Args:
        case: It.
        folder: In which :func:`studies.calibration.measure.measure` has kept them.
    """
    found = calibrated(case, folder)
    centre = json.loads((folder / f"calibrations-{CENTRE_BUDGET}.json").read_text())
    table, _ = read_chunks(folder / "runs")
    if not table.num_rows:
        return None
    if case.goal is not None:
        table = _judged(table, read_manifest(folder / "runs")["settings"], case.goal)
    rates = [row for share in case.lr_factors if (row := _rate(table, found, case.lr * share))]
    if not rates:
        return None
    return {
        "problem": case.problem,
        "settings": dict(case.settings),
        "label": case.label,
        "lr": case.lr,
        "weights": centre["weights"],
        "C": [c.C for c in found],
        "C_error": found[0].C.relative,
        "critical": found[0].critical,
        "evaluations": found[0].evaluations,
        "off": found[0].off,
        "reach": found[0].reach,
        "share": (found[0].share_low * found[0].share_high) ** 0.5,
        "doubts": [doubt.verdict.value for doubt in found[0].doubts],
        "estimators": {
            "whole slope": _scaled(found[0], lambda c: c.slope / c.along),
            "displacement": _scaled(found[0], lambda c: c.reach),
            **_pilot(table, case),
        },
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


def _scaled(found: Calibration, ratio: Callable[[Calibration], float]) -> float:
    """C with another estimate of kappa, given as a ratio to this one's."""
    return float(found.C * ratio(found) ** (1 / 3))


def _rate(table: pa.Table, found: list[Calibration], lr: float) -> Row | None:
    """One learning rate: the swept best, the calibrated C's time, and the constants'."""
    at = table.filter(pa.array(same(table["lr"].to_numpy(), lr)))
    methods = np.asarray(at["method"].to_pylist())
    if (methods == "grid").sum() == 0:
        return None
    grid = time_grid(at)
    optima = locate(median_times(grid, n_boot=BOOT, seed=0))
    scale = lr**-GAMMA
    drawn = resamples(len(grid.seed), BOOT, 0)
    medians = median(grid.log_time)[0]
    boots = resampled_medians(grid.log_time, drawn)[:, 0]
    C = grid.mu * scale
    located = bool(optima.located[0])
    best = float(optima.log_time[0]) if located else float(np.min(medians))
    best_boot = optima.boot_log_time[:, 0] if located else boots.min(axis=1)
    ours, ours_boot = (read_off(np.log(C), times, np.log(found[0].C)) for times in (medians, boots))
    row: Row = {
        "lr": lr,
        "located": located,
        "reason": optima.reason[0],
        "limit": float(grid.limit[0]),
        "C": C.tolist(),
        "time": [_finite(np.exp(t)) for t in medians],
        "best_C": float(np.exp(optima.log_mu[0]) * scale) if located else None,
        "best_C_interval": _ends(np.exp(optima.boot_log_mu[:, 0]) * scale) if located else None,
        "best_time": _finite(np.exp(best)),
        "calibrated_time": _exp(float(ours)),
        "over_best": _ratio(float(ours), best, ours_boot, best_boot),
        "other_seeds_over_best": [
            _exp(float(read_off(np.log(C), medians, np.log(c.C)) - best)) for c in found[1:]
        ],
    }
    if (methods == "constant").any():
        constant = time_grid(at, "constant")
        constants = median(constant.log_time)[0]
        boots_constant = resampled_medians(constant.log_time, drawn)[:, 0]
        for name, mu in (("0.9", 0.1), ("0.0", 1.0)):
            place = int(np.flatnonzero(same(constant.mu, mu))[0])
            entry = _ratio(float(ours), constants[place], ours_boot, boots_constant[:, place])
            # Runs that have not arrived take longer than they are long.
            entry["bound"] = _exp(float(ours - np.log(grid.limit[0])))
            row[f"over_{name}"] = entry
            row[f"diverged_{name}"] = bool(constant.diverged[0, place].mean() > 0.5)
    return row


def _pilot(table: pa.Table, case: Case) -> Row:
    """C from the fall of the cooled trace in the slowest runs at the calibration's learning rate.

    ``d ln T / dk = -2 kappa (lr / mu)^2`` on the way down, once the noise has come up: between the
    record two memories after the start and that at which a tenth has gone.
    """
    if TRACE not in table.column_names:
        return {}
    chosen = same(table["lr"].to_numpy(), case.lr) & (
        np.asarray(table["method"].to_pylist()) == "grid"
    )
    if not chosen.any():
        return {}
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
        return {"pilot": None, "pilot_steps": None}
    return {
        "pilot": float(DAMPING * (4 * np.median(kappas)) ** (1 / 3)),
        "pilot_steps": float(np.median(costs)),
    }


def _ratio(
    over: float, under: float, boot_over: NDArray[np.float64], boot_under: NDArray[np.float64]
) -> Row:
    """Ratio of two times, from logs. Where one is beyond the runs' length it is a bound."""
    if not np.isfinite(over) and not np.isfinite(under):
        return {"relation": "?", "estimate": None}
    with np.errstate(invalid="ignore"):
        found = boot_over - boot_under
    found = np.nan_to_num(found, nan=0.0, posinf=np.inf, neginf=-np.inf)
    low, high = np.quantile(found, (0.025, 0.975), method="nearest")
    return {
        "relation": "=" if np.isfinite(over - under) else "<" if np.isfinite(over) else ">",
        "estimate": _exp(over - under),
        "low": _exp(low),
        "high": _exp(high),
    }


def _ends(values: NDArray[np.float64]) -> list[float]:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return [float(low), float(high)]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _exp(value: float) -> float | None:
    """From a log; None where it is beyond all bounds."""
    with np.errstate(over="ignore"):
        return _finite(np.exp(value))
