"""Learning rate and momentum swept together, up to just below the stability limit.

A cell of the grid is a share of the limit and a friction in units of the law's: its learning rate
solves ``lr s = share 2 (1 + momentum)`` with ``1 - momentum = factor C lr^(2/3)`` and s the largest
curvature where the runs start.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.estimation.convergence import Status
from flatfast.lab.problem import Problem
from flatfast.lab.runs import runs_of
from flatfast.lab.training.stability import steepest_curvature
from flatfast.law import GAMMA, MomentumLaw
from flatfast.timescales import stability_limit
from studies.calibration.cases import CASES, SMALL, Case
from studies.calibration.cases import QUICK as QUICK_CASE
from studies.sweeps import swept

SHARES = (0.3, 0.45, 0.6, 0.72, 0.82, 0.9, 0.95)
"""Of the stability limit."""

FACTORS = tuple(float(f) for f in np.geomspace(0.2, 3.0, 8).round(3))
"""Prefactors in units of the one that was calibrated at a small learning rate."""

DURATION = 30.0
"""Length of a run in units of ``lr^(-2/3) / C*`` at the limit."""

SHORTEST = 40
"""Steps of a run at least."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """A case whose pair is tried.

    Attributes:
        case: The problem, its goal and its floating-point type.
        seeds: Runs in a cell of the grid.
        own_seeds: Runs at a calibrated pair, which nothing is chosen by.
        records: Readings of a run.
        shares: Of the limit that are swept.
        development: Whether the margin was chosen by it.
    """

    case: Case
    seeds: int
    own_seeds: int
    records: int
    shares: tuple[float, ...] = SHARES
    development: bool = False

    def load(self) -> Problem:
        """The problem, with the case's goal."""
        problem = self.case.load()
        return problem if self.case.goal is None else replace(problem, goal=self.case.goal)


def _case(problem: str, **settings: Any) -> Case:
    return next(c for c in CASES if c.problem == problem and dict(c.settings) == settings)


RELU = {"activation": "relu", "init_seed": 1}
FEWER = (0.45, 0.72, 0.9, 0.95)
"""Shares of the limit where a step is dear."""

FEWEST = (0.72, 0.95)
"""The same where it is dearest."""

TRIALS: tuple[Trial, ...] = (
    Trial(_case("scalar-product", noise_std=0.5), 64, 64, 40, development=True),
    Trial(_case("matrix-sensing", noise_std=0.25), 8, 16, 32, development=True),
    Trial(_case("teacher-student", noise_std=1.0), 4, 12, 12, FEWER, development=True),
    Trial(_case("digits-mlp", **RELU, noise_std=0.5), 2, 4, 12, FEWER, development=True),
    Trial(_case("scalar-product", noise_std=0.1), 64, 64, 40),
    Trial(_case("matrix-sensing", noise_std=0.1), 8, 16, 32),
    Trial(_case("teacher-student", noise_std=0.5), 4, 12, 12, FEWER),
    Trial(_case("digits-mlp", noise_std=0.5), 2, 4, 12, FEWER),
    Trial(_case("digits-mlp", loss="cross-entropy", flip_probability=0.1), 2, 4, 12, FEWER),
    Trial(_case("digits-resnet", **SMALL, noise_std=0.5), 2, 2, 8, FEWEST),
)


QUICK = Trial(QUICK_CASE, 8, 8, 20, (0.9,))
"""The trial of a quick look."""


def rate_at(share: float, C: float, curvature: float) -> tuple[float, float]:
    """Learning rate and momentum of the law at a share of its own stability limit."""
    law = MomentumLaw(C)
    low, high = 0.0, 4 * share / curvature
    for _ in range(60):
        middle = (low + high) / 2
        stable = middle < share * float(stability_limit(law(middle), curvature))
        low, high = (middle, high) if stable else (low, middle)
    lr = float(f"{low:.4g}")
    return lr, law(lr)


def cells(trial: Trial, C: float, curvature: float) -> list[tuple[float, float]]:
    """Pairs of the grid; those that end at plain SGD, once."""
    found = [rate_at(s, f * C, curvature) for s in trial.shares for f in FACTORS]
    return list(dict.fromkeys(found))


def run_pairs(
    trial: Trial, pairs: list[tuple[float, float]], seeds: int, steps: int, folder: Path
) -> list[Row]:
    """Median steps to the goal of each pair, and how its runs ended."""
    table = swept(
        folder,
        trial.load(),
        runs_of(pairs, seeds, steps),
        records=trial.records,
        dtype=trial.case.dtype,
        metrics=(),
    )
    return [told(table, pair) for pair in pairs]


def told(table: pa.Table, pair: tuple[float, float]) -> Row:
    """What the runs at one pair came to."""
    lr, momentum = pair
    chosen = np.isclose(table["lr"].to_numpy(), lr, 1e-9) & np.isclose(
        table["momentum"].to_numpy(), momentum, 1e-9
    )
    rows = table.filter(pa.array(chosen))
    status = np.asarray(rows["status"].to_pylist())
    times: NDArray[np.float64] = np.where(
        status == Status.CONVERGED.value, rows["convergence_step"].to_numpy(), np.inf
    )
    median = float(np.median(times))
    return {
        "lr": lr,
        "momentum": momentum,
        "steps": median if np.isfinite(median) else None,
        "diverged": int((status == Status.DIVERGED.value).sum()),
        "unsettled": int((status == Status.NOT_CONVERGED.value).sum()),
        "runs": len(status),
    }


def length(critical: float, curvature: float) -> int:
    """Steps of a run."""
    steps: int = round(DURATION / critical * (4 / curvature) ** -GAMMA)
    return max(steps, SHORTEST)


def grid(trial: Trial, row: Row, folder: Path) -> Row:
    """The sweep of a trial.

    Args:
        trial: The case.
        row: What the study has of it at small learning rates: ``C``, and ``critical``.
        folder: Where runs are kept.
    """
    curvature = float(steepest_curvature(trial.load()))
    steps = length(row["critical"], curvature)
    pairs = cells(trial, row["C"][0], curvature)
    found = run_pairs(trial, pairs, trial.seeds, steps, folder)
    return {"curvature": curvature, "steps": steps, "cells": found}


__all__ = ["RELU", "TRIALS", "Trial", "grid", "length", "rate_at", "run_pairs"]
