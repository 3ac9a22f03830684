"""What the sweeps and the flows of ``prefactor_study.py`` say of the prefactor, put together.

Reads stores, geometry and the committed sweeps; runs nothing.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flatfast.lab.estimation.optimum import locate, median_times
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import TimeGrid, time_grid
from flatfast.lab.store import read_chunks
from flatfast.law import GAMMA
from flatfast.theory import best_ratio, critical_from_time, prefactor, settling_time
from studies.prefactor.cases import CASES, FACTORS, Case
from studies.prefactor.noise import all_optima, noise_laws
from studies.prefactor.slopes import Row, exponents, varied

COMMITTED = {
    "digits-mlp": 0.5,
    "teacher-student": 0.5,
    "matrix-sensing": 0.1,
    "scalar-product": 0.5,
}
"""Problems of the committed sweeps, with their own label noise."""

FORECASTS = Path("results/forecast/forecast.json")

FORECASTS_LR = {"matrix-sensing": 1e-3, "scalar-product": 1e-5}

RESAMPLES = 500
CREEPING = 1.8
"""A pilot run's C is at least this much above the best, where runs creep rather than swing."""


def analyse(folder: Path) -> dict[str, Any]:
    """Everything that is written to ``results/prefactor/prefactor.json``."""
    known = _notes(folder / "geometry.json")
    forecasts = _notes(FORECASTS)
    rows = [row for row in (_swept_case(c, folder) for c in CASES) if row is not None]
    rows += [_committed(name) for name in COMMITTED]
    rows += [_forecast_case(entry) for entry in forecasts.get("varied", {}).values()]
    for row in rows:
        _predict(row, known, forecasts)
    return {
        "machine": _notes(folder / "machine.json"),
        "cases": rows,
        "geometry": known,
        "exponents": exponents(rows),
        "noise_laws": [
            law | {"flow": _flow_unit(law["name"], rows)}
            for law in noise_laws(all_optima(rows, COMMITTED))
        ],
        "varied": varied(rows),
        "loss": [found for name in COMMITTED if (found := loss(name, known)) is not None],
    }


def _flow_unit(geometry: str, rows: list[Row]) -> float | None:
    """The flow's C at a noise of one, which is exact at any: theory's 2/3."""
    for row in rows:
        if row.get("geometry") == geometry and "predicted" in row and row["lr"] is None:
            return float(row["predicted"]["flow"]["C"] / row["noise_std"] ** GAMMA)
    return None


def _notes(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _swept_case(case: Case, folder: Path) -> Row | None:
    """A case's own sweep; None before it is made."""
    if not (folder / case.folder / "chunks").exists():
        return None
    table, _ = read_chunks(folder / case.folder)
    if len(table.group_by("momentum").aggregate([])) < len(FACTORS):
        return None
    grid = time_grid(table)
    optima = locate(median_times(grid, n_boot=RESAMPLES, seed=0))
    scale = case.family.lr**-GAMMA
    row = _row(case.problem, dict(case.settings), case.family.lr, grid)
    row |= {"source": "swept here", "reason": optima.reason[0]}
    if optima.located[0]:
        drawn = np.exp(optima.boot_log_mu[:, 0]) * scale
        low, high = np.nanquantile(drawn, (0.025, 0.975))
        estimate = float(np.exp(optima.log_mu[0]) * scale)
        row["swept"] = {"estimate": estimate, "low": float(low), "high": float(high)}
        row["swept_time"] = float(np.exp(optima.log_time[0]) / scale)
    return row


def _row(problem: str, settings: dict[str, Any], lr: float | None, grid: TimeGrid) -> Row:
    """The curve of scaled median times over C of a sweep at one learning rate."""
    times = median(grid.log_time[None])[0][0] + GAMMA * math.log(grid.lr[0])
    return {
        "problem": problem,
        "settings": settings,
        "lr": lr,
        "C": (grid.mu / grid.lr[0] ** GAMMA).tolist(),
        "time": [float(np.exp(t)) if np.isfinite(t) else None for t in times],
    }


def _committed(name: str) -> Row:
    """A committed sweep at several learning rates."""
    summary = json.loads(Path(f"results/{name}/summary.json").read_text())
    swept = {key: summary["best_C"][key] for key in ("estimate", "low", "high")}
    times = [
        best["estimate"] * lr**GAMMA
        for best, lr in zip(summary["best_time"], summary["etas"], strict=True)
        if best["located"]
    ]
    grid = time_grid(pq.read_table(f"results/{name}/runs.parquet"))
    middle = len(grid.lr) // 2
    here = np.isfinite(median(grid.log_time[None])[0][middle])
    alone = TimeGrid(
        grid.lr[[middle]],
        grid.mu[here],
        grid.seed,
        grid.log_time[[middle]][:, here],
        grid.diverged[[middle]][:, here],
        grid.limit[[middle]],
    )
    row = _row(name, {}, None, alone)
    return row | {"source": "committed sweep", "swept": swept, "swept_time": np.median(times)}


def _forecast_case(entry: Row) -> Row:
    """A sweep of ``prediction.json``, of which only the optimum was kept."""
    kept = {
        name: entry[name]
        for name in ("problem", "settings", "swept", "swept_time")
        if name in entry
    }
    lr = FORECASTS_LR[entry["problem"]]
    return {"lr": lr, "C": [], "time": [], "source": "forecasts' sweep"} | kept


def _predict(row: Row, known: dict[str, Any], forecasts: dict[str, Any]) -> None:
    """Add the predictions to a case: from every h, from a pilot, from the limit."""
    aside = ("noise_std", "batch_size")
    kept = {name: value for name, value in row["settings"].items() if name not in aside}
    row["geometry"] = f"{row['problem']} {json.dumps(kept)}"
    found = known.get(row["geometry"])
    if found is None:
        return
    noise = float(row["settings"].get("noise_std", COMMITTED[row["problem"]]))
    batch = int(row["settings"].get("batch_size", 0)) or found["examples"]
    row |= {"noise_std": noise, "batch": batch, "fraction": found["fraction"]}
    best = best_ratio(found["fraction"])
    row["predicted"] = {}
    for way, h in found["h"].items():
        if h is not None and h > 0:
            made = prefactor(h, noise, batch, found["fraction"])
            row["predicted"][way] = {"critical": made.critical, "C": made.C, "time": made.time}
    pilot = _pilot(row, found["fraction"])
    if pilot is not None:
        made_by = {"critical": pilot[0], "C": best.ratio * pilot[0], "time": best.time / pilot[0]}
        row["predicted"]["pilot"] = made_by | {"run_at": pilot[1]}
    _predict_limit(row, forecasts)


def _predict_limit(row: Row, forecasts: dict[str, Any]) -> None:
    of_case = [
        entry["forecast"]
        for part in ("committed", "varied")
        for entry in forecasts.get(part, {}).values()
        if entry["problem"] == row["problem"] and entry.get("settings", {}) == row["settings"]
    ]
    if of_case and of_case[0]["best_prefactor"] is not None:
        C, time = of_case[0]["best_prefactor"], of_case[0]["best_time"]
        row["predicted"]["limit"] = {"critical": None, "C": C, "time": time}


def _pilot(row: Row, fraction: float) -> tuple[float, float] | None:
    """``C*`` from the slowest momentum swept that arrived, and its C; the best C plays no part."""
    arrived = [(C, t) for C, t in zip(row["C"], row["time"], strict=True) if t is not None]
    if not arrived:
        return None
    C, time = arrived[-1]
    fastest = min(arrived, key=lambda pair: pair[1])[0]
    if CREEPING * fastest > C:
        return None
    try:
        return critical_from_time(C, time, fraction), C
    except ValueError:
        return None


def loss(name: str, known: dict[str, Any]) -> Row | None:
    """What half and double the best C cost: the committed sweep's curves, and the oscillator."""
    found = known.get(f"{name} {{}}")
    if found is None:
        return None
    summary = json.loads(Path(f"results/{name}/summary.json").read_text())
    grid = time_grid(pq.read_table(f"results/{name}/runs.parquet"))
    log_times, log_mu = median(grid.log_time[None])[0], np.log(grid.mu)
    best = best_ratio(found["fraction"])
    result: Row = {"problem": name, "fraction": found["fraction"]}
    for factor in (0.5, 2.0):
        ratios = [
            _at(log_mu, log_times[e], math.log(factor * mu["estimate"]))
            - math.log(time["estimate"])
            for e, (mu, time) in enumerate(
                zip(summary["best_mu"], summary["best_time"], strict=True)
            )
            if mu["located"]
        ]
        lost = settling_time(factor * best.ratio, found["fraction"]) / best.time
        middle, low, high = np.exp([np.median(ratios), min(ratios), max(ratios)])
        result[f"{factor:g}"] = {
            "measured": _finite(middle),
            "low": _finite(low),
            "high": _finite(high),
            "oscillator": float(lost),
        }
    return result


def _at(x: NDArray[np.float64], y: NDArray[np.float64], at: float) -> float:
    """A curve between its points; infinite beside a censored one or outside them."""
    there = ~np.isnan(y)
    if not x[there][0] <= at <= x[there][-1]:
        return math.inf
    after = int(np.searchsorted(x[there], at))
    left, right = y[there][[after - 1, after]]
    share = (at - x[there][after - 1]) / (x[there][after] - x[there][after - 1])
    return float(left + share * (right - left)) if np.isfinite([left, right]).all() else math.inf


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
