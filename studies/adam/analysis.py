"""What is read off: plateaus, edges and their exponents, and what is judged by what was told."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from flatfast.theory import plateau_edge
from studies.adam import cases
from studies.adam.cases import SWEPT, Swept
from studies.missing import or_infinite

Row = dict[str, Any]
Array = NDArray[np.float64]

RESAMPLED = 400
"""Of the seeds, for intervals."""

UNIT = 0.99
"""The beta2 at which times over beta2 on problems of many weights are one."""

FLAT, OFF, EXPONENT_OFF, MATTERS = 0.10, 0.20, 0.15, 1.02
"""What was written down: of the plateau, of times told, of the time's exponent, of test losses."""


def analysis(parts: Mapping[str, Mapping[str, Any]]) -> Row:
    """All of it, of the parts by kind and name."""
    return {
        "rates": [judged_rate(row) for rows in parts["rates"].values() for row in rows],
        "quiet": [row for rows in parts["quiet"].values() for row in rows],
        "swept": {
            case.key: found for case in SWEPT if (found := judged_sweep(case, parts["swept"]))
        },
        "beta2": [judged_time(row) for rows in parts["beta2"].values() for row in rows],
        "squares": {
            name.split(".", 1)[1]: judged_squares(rows) for name, rows in parts["squares"].items()
        },
        "told": {name.split(".", 1)[1]: slope(told) for name, told in parts["told"].items()},
        "minima": {name.split(".", 1)[1]: minima(ends) for name, ends in parts["minima"].items()},
        "scratch": {
            task: compared
            for task in cases.SCRATCH_TASKS
            if (compared := from_scratch(task, parts["scratch"]))
        },
    }


def judged_rate(row: Row) -> Row:
    """A rate beside the one told; by how much it may be off, both as shares of the one told."""
    off = row["rate"] / row["told"] - 1
    may = row["swing"] + 1 - row["beta2"] + 4 * row["error"] / row["told"]
    return {**row, "off": off, "may": may, "holds": bool(abs(off) <= may)}


def judged_time(row: Row) -> Row:
    """A time over beta2 beside the one told."""
    median = float(np.median(or_infinite(row["times"])))
    lags = 1 - row["beta2"] < 10 * cases.BETA2_LR**2
    off = median / row["told"] - 1 if np.isfinite(median) else None
    return {k: row[k] for k in ("beta1", "beta2", "told")} | {
        "median": median if np.isfinite(median) else None,
        "off": off,
        "lags": lags,
        "holds": None if lags else bool(off is not None and abs(off) <= OFF),
    }


def judged_squares(rows: list[Row]) -> list[Row]:
    """Times over beta2 over that at :data:`UNIT`, beside those of the speeds told at the start."""
    rng = np.random.default_rng(0)
    each = {row["beta2"]: (or_infinite(row["times"]), row["told"]) for row in rows}
    unit, speed = each[UNIT]
    pick = rng.integers(len(unit), size=(RESAMPLED, len(unit)))
    found = []
    for beta2, (times, own) in each.items():
        ratio = _between(
            float(np.median(times) / np.median(unit)),
            np.median(times[pick], axis=1) / np.median(unit[pick], axis=1),
        )
        told, measured = speed / own, ratio["estimate"]
        off = None if measured is None else measured / told - 1
        holds = None if beta2 == UNIT else bool(off is not None and abs(off) <= OFF)
        median = float(np.median(times)) if measured is not None else None
        found.append(
            {"beta2": beta2, "median": median, "ratio": ratio, "told": told, "holds": holds}
        )
    return found


def judged_sweep(case: Swept, kept: Mapping[str, Any]) -> Row:
    """Plateau and edge at each learning rate, and their exponents; empty if nothing is there."""
    curves = {}
    for name, rows in kept.items():
        key, _, rate = name.removeprefix("swept.").partition(".")
        if key == case.key:
            curves[float(rate)] = rows
    if not curves:
        return {}
    rng = np.random.default_rng(0)
    places, draws = [], []
    for lr, rows in sorted(curves.items()):
        mu = np.array([row["mu"] for row in rows])
        times = np.array([or_infinite(row["times"]) for row in rows])
        on = np.array([row["multiple"] >= 5 for row in rows]) & (mu <= case.plateau_to * 1.0001)
        chosen = rng.integers(times.shape[1], size=(RESAMPLED, times.shape[1]))
        drawn = np.array([read(mu, times[:, pick], on) for pick in chosen])
        draws.append(drawn)
        middle, edge = read(mu, times, on)
        medians = np.median(times, axis=1)
        places.append(
            {
                "lr": lr,
                "mu": mu.tolist(),
                "median": [float(m) if np.isfinite(m) else None for m in medians],
                "plateau": middle,
                "cells": int(on.sum()),
                "spread": float(np.abs(medians[on] / middle - 1).max()),
                "edge": _between(edge, drawn[:, 1]),
                "told": told_edge(case, middle),
            }
        )
    return {"places": places, **exponents(places, np.array(draws))}


def read(mu: Array, times: Array, on: NDArray[np.bool_]) -> tuple[float, float]:
    """The plateau's middle time, and the edge below it; no number where the curve has none.

    Args:
        mu: ``1 - beta1`` of the cells, increasing, (M,).
        times: Of their runs, (M, seeds).
        on: (M,) which cells are the plateau.
    """
    medians = np.median(times, axis=1)
    middle = float(np.median(medians[on]))
    first = int(np.flatnonzero(on)[0])
    slow = np.flatnonzero(medians[:first] > cases.SLOWER * middle)
    if not len(slow):
        return middle, float("nan")
    k = int(slow[-1])
    high, low = medians[k], medians[k + 1]
    if not np.isfinite(high):  # known to lie between the two cells
        return middle, float(np.sqrt(mu[k] * mu[k + 1]))
    part = np.log(high / (cases.SLOWER * middle)) / np.log(high / low)
    return middle, float(np.exp(np.log(mu[k]) + part * np.log(mu[k + 1] / mu[k])))


def told_edge(case: Swept, plateau: float) -> float:
    """The edge that theory tells, of the plateau's time: no other constant goes in."""
    kappa = float(np.log(1 / case.fraction) / 2 / plateau)
    return plateau_edge(kappa, 1.0, slower=cases.SLOWER, fraction=case.fraction)


def exponents(places: list[Row], draws: Array) -> Row:
    """Exponents of the edge and of the plateau's time in the learning rate.

    Args:
        places: At each learning rate.
        draws: Plateau and edge of resampled seeds, (learning rates, resamples, 2).
    """
    if len(places) < 2:
        return {"edge_exponent": None, "time_exponent": None}
    lr = np.log([place["lr"] for place in places])
    found: Row = {}
    for name, values, column in (
        ("time_exponent", [place["plateau"] for place in places], 0),
        ("edge_exponent", [place["edge"]["estimate"] for place in places], 1),
    ):
        logs = np.log(np.array(values, float))
        drawn = np.log(draws[:, :, column].T)
        whole = drawn[np.isfinite(drawn).all(axis=1)]
        if not np.isfinite(logs).all() or len(whole) < RESAMPLED / 2:
            found[name] = None
            continue
        slopes = np.array([np.polyfit(lr, one, 1)[0] for one in whole])
        found[name] = _between(float(np.polyfit(lr, logs, 1)[0]), slopes)
    return found


def slope(row: Row) -> Row:
    """The exponent in lr of a speed that is told."""
    found = np.polyfit(np.log(row["lr"]), np.log(row["speed"]), 1)[0]
    return {**row, "exponent": float(found)}


def minima(row: Row) -> Row:
    """Both optimizers' metrics at the end, mean and standard error, and how they still moved."""
    found: Row = {"start": row["start"], "steps": row["steps"]}
    for optimizer in ("adam", "sgd"):
        found[optimizer] = {}
        for name, values in row[optimizer].items():
            before, last = np.array(values, float).T
            found[optimizer][name.removeprefix("cooled:")] = {
                "mean": float(last.mean()),
                "error": float(last.std(ddof=1) / len(last) ** 0.5),
                "moved": float(last.mean() / before.mean() - 1),
            }
    return found


def from_scratch(task: str, kept: Mapping[str, Any]) -> list[Row]:
    """Test losses over beta1, each at its own best learning rate, beside those of 0.9."""
    losses = {
        beta1: np.array(row["losses"], float)
        for beta1 in cases.SCRATCH_BETA1
        if (row := kept.get(f"scratch.{task}.{beta1:g}"))
    }
    if 0.9 not in losses:
        return []
    usual = losses[0.9][_best(losses[0.9])]
    rows = []
    for beta1, each in losses.items():
        best = _best(each)
        logs = np.log(each[best] / usual)
        spread = student.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5
        rows.append(
            {
                "beta1": beta1,
                "lr": cases.SCRATCH_LR[best],
                "at_end": best in (0, len(each) - 1),
                "loss": float(each[best].mean()),
                "means": each.mean(axis=1).tolist(),
                "ratio": {
                    "estimate": float(np.exp(logs.mean())),
                    "low": float(np.exp(logs.mean() - spread)),
                    "high": float(np.exp(logs.mean() + spread)),
                },
            }
        )
    return rows


def _best(losses: Array) -> int:
    return int(np.argmin(losses.mean(axis=1)))


def _between(estimate: float, drawn: Array) -> Row:
    """An estimate and its 95% interval from resamples; None where it is no number."""
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(estimate) or not len(known):
        return {"estimate": None, "low": None, "high": None}
    low, high = np.quantile(known, (0.025, 0.975))
    return {"estimate": float(estimate), "low": float(low), "high": float(high)}
