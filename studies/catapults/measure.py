"""One problem: runs around its limit, and throws on purpose with and without a safeguard."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.calibration import calibrate_problem
from flatfast.lab.estimation.convergence import convergence
from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Problem
from flatfast.lab.training.stability import steepest_curvature
from flatfast.timescales import stability_limit
from studies.calibration.pair_grid import rate_at
from studies.catapults.cases import Case
from studies.catapults.throws import Guard, Landed, readings, thrown

Row = dict[str, Any]

LONGER = 2
"""The drift is read at the end of a throw, and after this many times as many steps."""

RESOLVED = 8
"""Readings of a run from which on its time to the goal is told."""

THROW, THROW_MOMENTUM = (1.1, 1.3), 0.9
"""A throw on purpose: learning rates over the limit, and the momentum."""

THROWN = 0.2
"""Share of a run that a throw lasts; the rest is at the calibrated pair."""


def metrics_of(problem: Problem) -> tuple[str, ...]:
    """The goal's, and how flat and how good the place is; on the manifold."""
    if problem.goal.metric == "projected_trace":
        return (problem.goal.metric,)
    return tuple(dict.fromkeys([problem.goal.metric, f"{COOLED}test_error", f"{COOLED}trace"]))


def around(case: Case, noise: float | None = None) -> Row:
    """Runs around the limit, cell by cell.

    Args:
        case: The problem.
        noise: Another label noise than the case's; at 0 one run a cell, since nothing is random.
    """
    problem = case.load(noise)
    seeds = case.seeds if noise is None else 1
    curvature = float(steepest_curvature(problem))
    C = float(calibrate_problem(case.load()).C)
    cells = [
        (share, own, *_rate(share, own, C, curvature))
        for own in case.momenta
        for share in case.shares
    ]
    lr, momentum = (np.repeat([cell[k] for cell in cells], seeds) for k in (2, 3))
    marks = readings(case.steps, case.records)
    seed = np.tile(np.arange(seeds), len(cells))
    found = thrown(problem, lr, momentum, seed, marks, metrics_of(problem))
    times = _times(problem, found, momentum)
    rows = []
    for number, (share, own, rate, beta) in enumerate(cells):
        mine = slice(number * seeds, (number + 1) * seeds)
        rows.append(
            {
                "share": share,
                "law": own is None,
                "lr": float(rate),
                "momentum": float(beta),
                **_told(found, times, mine),
            }
        )
    return {"curvature": curvature, "C": C, "steps": case.steps, "seeds": seeds, "cells": rows}


def _rate(share: float, momentum: float | None, C: float, curvature: float) -> tuple[float, float]:
    if momentum is None:
        return rate_at(share, C, curvature)
    return share * float(stability_limit(momentum, curvature)), momentum


def _times(problem: Problem, found: Landed, momentum: NDArray[np.float64]) -> NDArray[np.float64]:
    """Steps to the goal; infinite where a run does not arrive."""
    values = found.values[problem.goal.metric]
    judged = convergence(
        found.steps,
        values,
        momentum,
        problem.goal,
        recorded=np.full(len(values), len(found.steps)),
        diverged=found.lost,
    )
    return np.where(np.isfinite(judged.step), judged.step, np.inf)


def _told(found: Landed, times: NDArray[np.float64], mine: slice, reading: int = -1) -> Row:
    """A cell: runs lost, median time, and the place at a reading of those that are left."""
    lost = found.lost[mine]
    median = float(np.median(times[mine]))
    return {
        "runs": len(lost),
        "lost": int(lost.sum()),
        "steps": median if np.isfinite(median) else None,
        "place": {
            name: _place(value[mine][~lost, reading]) for name, value in found.values.items()
        },
    }


def _place(values: NDArray[np.float64]) -> Row | None:
    """Quartiles, and the mean with its error; None where there is no run."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, middle, high = (float(q) for q in np.quantile(finite, (0.25, 0.5, 0.75)))
    error = float(finite.std(ddof=1) / len(finite) ** 0.5) if len(finite) > 1 else None
    return {
        "low": low,
        "median": middle,
        "high": high,
        "mean": float(finite.mean()),
        "error": error,
    }


def guards(case: Case) -> Row:
    """Throws with each safeguard and without, then at the calibrated pair; and the pair alone.

    Raises:
        ValueError: If the calibration names no pair.
    """
    problem = case.load()
    pair = calibrate_problem(problem).pair
    if pair is None:
        raise ValueError(f"the calibration of {case.key} must name a pair, and has none")
    count = case.guarded
    limit = float(stability_limit(THROW_MOMENTUM, float(steepest_curvature(problem))))
    kinds = [(share, bound) for share in THROW for bound in case.bounds]
    # The drift is a throw that ends before it begins.
    until = [*[round(THROWN * case.steps)] * len(kinds), 0]
    bounds = [*(bound for _, bound in kinds), np.inf]
    rates = [*(share * limit for share, _ in kinds), pair.lr]
    rows = len(rates)
    marks = np.append(readings(case.steps, case.guarded_records), LONGER * case.steps)
    found = thrown(
        problem,
        np.repeat(rates, count),
        np.full(rows * count, THROW_MOMENTUM),
        np.tile(np.arange(count), rows),
        marks,
        metrics_of(problem),
        Guard(np.repeat(bounds, count), np.repeat(until, count), pair.lr, pair.momentum),
    )
    # Smoothed over the memory of the pair, which all end with; read up to the end of the throws'.
    times = _times(problem, found, np.full(rows * count, pair.momentum))
    if case.guarded_records < RESOLVED:
        times = np.full(rows * count, np.inf)
    told = [
        {
            "saved": int(found.saved[mine].sum()),
            **_told(found, times, mine, -2),
            "end": _told(found, times, mine, -1)["place"],
        }
        for mine in (slice(k * count, (k + 1) * count) for k in range(rows))
    ]
    return {
        "steps": case.steps,
        "until": until[0],
        "pair": {"lr": pair.lr, "momentum": pair.momentum},
        "throws": [
            {"share": share, "bound": bound if np.isfinite(bound) else None, **row}
            for (share, bound), row in zip(kinds, told[:-1], strict=True)
        ],
        "drift": told[-1],
    }
