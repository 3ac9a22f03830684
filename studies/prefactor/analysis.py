"""What the sweeps and the flows say of the prefactor, put together.

Beside them it reads the committed experiments and the results of the studies of forecasts and of
calibration; runs nothing.
"""

import math
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import TimeGrid, time_grid
from flatfast.law import GAMMA
from flatfast.theory import best_ratio, critical_from_time, prefactor, settling_time
from studies.forecast.cases import CASES as FORECAST
from studies.prefactor.cases import OWN_NOISE, Case
from studies.prefactor.noise import all_optima, noise_laws
from studies.prefactor.slopes import Row, exponents, varied
from studies.study import RESULTS, read_json

FORECASTS = RESULTS / "forecast/forecast.json"

SWEPT_HERE = "swept here"
"""Source of the rows of the cases' own sweeps."""

CREEPING = 1.8
"""A pilot run's C is at least this much above the best, where runs creep rather than swing."""


def analyse(rows: list[Row], known: dict[str, Any]) -> dict[str, Any]:
    """Everything that is written to ``results/prefactor/prefactor.json``.

    Args:
        rows: The cases' sweeps.
        known: By manifold, the flow along it.
    """
    forecasts = read_json(FORECASTS, {})
    rows = [*rows, *map(_committed, OWN_NOISE)]
    rows += [_forecast_case(*entry) for entry in forecasts.get("varied", {}).items()]
    for row in rows:
        _predict(row, known, forecasts)
    return {
        "cases": rows,
        "geometry": known,
        "exponents": exponents(rows),
        "noise_laws": [
            law | {"flow": _flow_unit(law["name"], rows)} for law in noise_laws(all_optima(rows))
        ],
        "varied": varied(rows),
        "loss": [found for name in OWN_NOISE if (found := loss(name, known)) is not None],
    }


def _flow_unit(geometry: str, rows: list[Row]) -> float | None:
    """The flow's C at a noise of one, which is exact at any: theory's 2/3."""
    for row in rows:
        if row.get("geometry") == geometry and "predicted" in row and row["lr"] is None:
            return float(row["predicted"]["flow"]["C"] / row["noise_std"] ** GAMMA)
    return None


def curve(problem: str, settings: dict[str, Any], lr: float | None, grid: TimeGrid) -> Row:
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
    summary = read_json(RESULTS / name / "summary.json", {})
    swept = {key: summary["best_C"][key] for key in ("estimate", "low", "high")}
    times = [
        best["estimate"] * lr**GAMMA
        for best, lr in zip(summary["best_time"], summary["etas"], strict=True)
        if best["located"]
    ]
    grid = time_grid(pq.read_table(RESULTS / name / "runs.parquet"))
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
    row = curve(name, {}, None, alone)
    return row | {"source": "committed sweep", "swept": swept, "swept_time": np.median(times)}


def _forecast_case(key: str, entry: Row) -> Row:
    """A sweep of the study of forecasts, of which only the optimum was kept."""
    kept = {
        name: entry[name]
        for name in ("problem", "settings", "swept", "swept_time")
        if name in entry
    }
    (lr,) = {case.lr for case in FORECAST if case.key == key}
    return {"lr": lr, "C": [], "time": [], "source": "forecasts' sweep"} | kept


def _predict(row: Row, known: dict[str, Any], forecasts: dict[str, Any]) -> None:
    """Add the predictions to a case: from every h, from a pilot, from the limit."""
    row["geometry"] = Case(row["problem"], row["settings"]).manifold().key
    found = known.get(row["geometry"])
    if found is None:
        return
    noise = float(row["settings"].get("noise_std", OWN_NOISE[row["problem"]]))
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
    summary = read_json(RESULTS / name / "summary.json", {})
    grid = time_grid(pq.read_table(RESULTS / name / "runs.parquet"))
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
