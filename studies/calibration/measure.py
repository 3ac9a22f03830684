"""One case: sweep around a calibration, and keep both."""

import json
from pathlib import Path
from typing import Any

from jax.flatten_util import ravel_pytree

from flatfast.calibration import Calibration
from flatfast.lab.calibration import calibrate_problem
from flatfast.lab.engines.job import Job
from flatfast.lab.problem import Problem
from flatfast.lab.reproduce import identity
from flatfast.lab.runs import Runs, runs_of, together
from flatfast.lab.store import Store
from flatfast.lab.sweep import sweep
from flatfast.law import GAMMA
from studies.calibration.cases import (
    CENTRE_BUDGET,
    CONSTANTS,
    DURATION,
    FACTORS,
    Case,
)
from studies.engines import engine_of
from studies.study import write_json

WIDEST = 4096
"""Runs in a chunk: on an accelerator, as many as there are."""


def centre_file() -> str:
    """Where the calibration is kept that a sweep is laid around."""
    return f"calibrations-{CENTRE_BUDGET}.json"


def centre(case: Case, folder: Path) -> Calibration:
    """The calibration that the case's sweep is laid around, made once."""
    path = folder / centre_file()
    if path.exists():
        return Calibration.from_json(json.dumps(json.loads(path.read_text())["calibrations"][0]))
    problem = case.load()
    found = calibrate_problem(problem, case.lr, budget=CENTRE_BUDGET)
    entries: dict[str, Any] = {
        "weights": ravel_pytree(problem.start())[0].size,
        "calibrations": [json.loads(found.to_json())],
    }
    write_json(path, entries)
    return found


def planned(case: Case, found: Calibration) -> Runs:
    """The runs around a calibration."""
    parts = []
    for share in case.lr_factors:
        lr = case.lr * share
        length = round(DURATION / found.critical * lr**-GAMMA)
        momenta = [1 - found.C * factor * lr**GAMMA for factor in FACTORS]
        rows = [(lr, momentum) for momentum in momenta if momentum > 0]
        parts.append(runs_of(rows, case.seeds, length))
        constant = [(lr, momentum) for momentum in CONSTANTS]
        parts.append(runs_of(constant, case.seeds, length, "constant"))
    return together(parts)


def metrics_of(problem: Problem) -> tuple[str, ...]:
    """What is recorded besides the goal: the cooled trace, for the pilot's reading of the drift."""
    return () if problem.goal.metric in ("cooled:trace",) else ("cooled:trace",)


def measure(case: Case, folder: Path) -> int:
    """Sweep around a calibration, as far as that has not been done.

    Returns:
        How many runs the sweep has.
    """
    problem = case.load()
    found = centre(case, folder)
    options: dict[str, Any] = {
        "records": case.records,
        "dtype": case.dtype,
        "metrics": metrics_of(problem),
    }
    runs = planned(case, found)
    # A doubted calibration is kept as it is; the sweep needs a range to go over all the same.
    with Store(folder / "runs", identity(problem, **options)) as store:
        engine = engine_of(Job(problem, **options), WIDEST)
        return len(sweep(runs, store, engine))


def steps_planned(case: Case, critical: float) -> float:
    """Steps of the longest runs of all learning rates at this ``C*``, cooling included."""
    problem = case.load()
    cooling = problem.cooling.steps * case.records if "cooled" in problem.goal.metric else 0
    return float(
        sum(DURATION / critical * (case.lr * s) ** -GAMMA + cooling for s in case.lr_factors)
    )
