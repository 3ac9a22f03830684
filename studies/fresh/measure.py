"""Sweeps, calibrations and readings of the noise."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow.parquet as pq

from flatfast.calibration import Calibration
from flatfast.lab.atomic import atomically
from flatfast.lab.calibration import calibrate_problem
from flatfast.lab.engines.job import Job
from flatfast.lab.recipes.recipe import log_points
from flatfast.lab.reproduce import identity
from flatfast.lab.runs import Runs, runs_of
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from flatfast.law import GAMMA
from studies.calibration.together import Together
from studies.engines import engine_of
from studies.fresh.cases import (
    BUDGETS,
    CENTRE,
    CREEPING,
    DATA_SEEDS,
    DRAWS,
    DURATION,
    FACTORS,
    FALL,
    LARGE_POOL,
    MARGIN,
    NOISE_BUDGET,
    Case,
)
from studies.fresh.flow import flow
from studies.fresh.problems import PROBLEMS, SQUARED_NOISE, softmax_regression

Row = dict[str, Any]

COLUMNS = ("lr", "momentum", "seed", "steps", "status", "convergence_step", "method")
"""What is kept of a run."""


def middle(case: Case) -> float:
    """The learning rate at which a case is calibrated."""
    return sorted(case.lr)[len(case.lr) // 2]


def noise(case: Case) -> list[Row]:
    """``s^2 = tr Σ / tr G`` at the start for several teachers, beside what is predicted."""
    rows = []
    for seed in DATA_SEEDS:
        problem = PROBLEMS[case.name](batch=case.batch, data_seed=seed)
        found = calibrate_problem(problem, middle(case), budget=NOISE_BUDGET, noise="all")
        start = jax.tree.map(lambda leaf: jax.numpy.asarray(leaf), problem.start())
        trace = float(problem.metrics["trace"](start))
        rows.append(
            {
                "data_seed": seed,
                "predicted": _strength(case),
                "measured": float(found.noise / trace),
                "error": float(found.noise.error / trace),
            }
        )
    return rows


def calibrations(case: Case) -> dict[str, list[Row]]:
    """C by the budget, each drawn several times."""

    def drawn(budget: int, seed: int) -> Row:
        options: dict[str, Any] = {"budget": budget, "noise": "all", "seed": seed}
        return _told(calibrate_problem(case.problem, middle(case), **options))

    return {str(budget): [drawn(budget, seed) for seed in range(DRAWS)] for budget in BUDGETS}


def linear(case: Case) -> list[Row]:
    """Softmax regression: well specified too, but flat directions have no slope."""
    rows = []
    for seed in DATA_SEEDS:
        problem = softmax_regression(batch=case.batch, data_seed=seed)
        rows.append(_told(calibrate_problem(problem, middle(case), noise="all", seed=seed)))
    return rows


def _told(found: Calibration) -> Row:
    return {
        "ok": found.ok,
        "C": float(found.C) if found.ok else None,
        "interval": list(found.interval) if found.ok else None,
        "verdicts": [str(doubt.verdict) for doubt in found.doubts],
    }


def planned(case: Case, found: Calibration) -> Runs:
    """The runs around a calibration."""
    low, high = (float(found.C) * factor for factor in FACTORS)
    pairs = [
        (lr, 1 - mu)
        for lr in case.lr
        for mu in log_points(low * lr**GAMMA, high * lr**GAMMA, case.per_decade)
        if mu < 1
    ]
    return runs_of(pairs, case.seeds, lambda lr: round(DURATION / found.critical * lr**-GAMMA))


def runs_file(folder: Path) -> Path:
    """Where the rows of a sweep's runs are kept."""
    return folder / "runs.parquet"


def swept(case: Case, folder: Path) -> Path:
    """Sweep, and keep the rows of all runs in one file.

    Args:
        case: What is swept.
        folder: In which runs are kept as they are made.

    Returns:
        The file.

    Raises:
        CalibrationError: If the calibration around which it lies found no law.
    """
    centre = calibrate_problem(case.problem, middle(case), budget=CENTRE, noise="all")
    centre.law  # noqa: B018 - says why there is none
    options: dict[str, Any] = {"records": case.records, "dtype": "float32", "metrics": ()}
    with Store(folder / "runs", identity(case.problem, **options)) as store:
        table = sweep(planned(case, centre), store, engine_of(Job(case.problem, **options)))
    path = runs_file(folder)
    with atomically(path) as partial:
        pq.write_table(table.select(COLUMNS), partial)
    return path


def drift(case: Case) -> list[Row]:
    """How fast the cooled trace falls in creeping runs, over how fast it does along the flow.

    From two memories after the start, once the noise has come up, to where the flow has lost a
    share of :data:`FALL`: the flow's time between the two traces over the runs' own.
    """
    lr, problem = case.lr[0], case.on(LARGE_POOL)
    found = calibrate_problem(case.problem, lr, budget=NOISE_BUDGET, noise="all")
    times, shares = flow(problem, _strength(case), 1 - FALL - MARGIN)
    end = float(np.interp(-(1 - FALL), -shares, times))
    rows = []
    for friction in CREEPING:
        mu = friction * found.C * lr**GAMMA
        steps = round(2 / mu), round(2 / mu + end * (mu / lr) ** 2)
        together = Together(problem, lr, np.arange(case.seeds), "float32")
        begin, reached = together.goal(), []
        for step in steps:
            together.to(step, np.full(case.seeds, mu))
            reached.append(np.interp(-together.goal() / begin, -shares, times))
        ratios = (reached[1] - reached[0]) / ((lr / mu) ** 2 * (steps[1] - steps[0]))
        error = float(np.std(ratios, ddof=1) / case.seeds**0.5)
        mean = float(np.mean(ratios))
        told = {"friction": friction, "lr": lr, "mu": mu, "steps": list(steps)}
        rows.append({**told, "ratio": mean, "error": error})
    return rows


def _strength(case: Case) -> float:
    """``s^2`` as it is predicted."""
    return (SQUARED_NOISE**2 if case.name == "fresh-squared" else 1.0) / case.batch
