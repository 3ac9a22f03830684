"""One experiment from end to end: the grid, the law's constant from it, the methods compared."""

import math
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from flatfast.lab.analysis import methods_for
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.methods import SCAN, Method
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.problem import Problem
from flatfast.lab.problems import load
from flatfast.lab.recipes import Recipe, log_points
from flatfast.lab.simulation.simulate import Spacing
from flatfast.lab.store import Store
from flatfast.lab.sweep import Progress, Runs, runs_of, sweep, together
from flatfast.law import GAMMA

PATIENCE = 100
"""How many times as long as the law's best run a compared method may take."""

SCAN_PATIENCE = 8
"""The same for the oracles' row of momenta: what takes longer is no candidate."""

SCAN_PER_DECADE = 6
"""Momenta per factor of ten in ``1 - momentum`` among which the oracles choose."""


def problem_of(recipe: Recipe) -> Problem:
    """The recipe's problem, with the recipe's goal if it has one."""
    problem = load(recipe.problem, recipe.settings)
    return problem if recipe.goal is None else replace(problem, goal=recipe.goal)


def identity(
    problem: Problem,
    *,
    records: int,
    spacing: Spacing = "linear",
    nesterov: bool = False,
    dtype: Literal["float32", "float64"] = "float32",
    metrics: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What identifies the runs of a sweep, for the store's manifest."""
    return {
        "problem": {
            "name": problem.name,
            "version": problem.version,
            "settings": dict(problem.settings),
            "goal": asdict(problem.goal),
        },
        "records": records,
        "spacing": spacing,
        "nesterov": nesterov,
        "dtype": dtype,
        "metrics": list(metrics),
    }


def identity_of(recipe: Recipe, problem: Problem) -> dict[str, Any]:
    """What identifies the runs of a recipe."""
    known = identity(problem, records=recipe.records, metrics=recipe.metrics, dtype=recipe.dtype)
    return {**known, "comparison": {"records": recipe.comparison_records, "spacing": "log"}}


def grid_runs(recipe: Recipe) -> Runs:
    """The runs of the main sweep."""
    pairs = [(lr, momentum) for lr in recipe.lr for momentum in recipe.momenta(lr)]
    return runs_of(pairs, recipe.seeds, recipe.steps)


def method_runs(recipe: Recipe, methods: tuple[Method, ...], best_scaled_time: float) -> Runs:
    """The runs of the compared methods.

    At each learning rate a method may take ``PATIENCE`` times as long as the law's best run, up to
    the recipe's limit; a method that needs longer is reported as such. For the oracles, a row of
    momenta is run at every one of these learning rates, from plain SGD to half the law's
    ``1 - momentum`` at the least of them.

    Args:
        recipe: Learning rates, seeds and longest run.
        methods: The methods, the law first.
        best_scaled_time: ``T_c lr^(2/3)`` of the best runs of the grid.
    """
    parts = []
    least = (1 - methods[0].setting(min(recipe.comparison_lr)).momentum) / 2
    for lr in recipe.comparison_lr:
        row = [(lr, 1 - mu) for mu in log_points(least, 1.0, SCAN_PER_DECADE)]
        length = math.ceil(SCAN_PATIENCE * best_scaled_time * lr**-GAMMA)
        parts.append(runs_of(row, recipe.comparison_seeds, length, SCAN))
    for method in methods:
        for lr in recipe.comparison_lr:
            used = method.setting(lr)
            patience = PATIENCE * best_scaled_time * lr**-GAMMA
            length = math.ceil(min(patience, recipe.comparison_steps))
            pair = [(used.lr, used.momentum)]
            parts.append(runs_of(pair, recipe.comparison_seeds, length, method.name))
    return together(parts)


def reproduce(
    recipe: Recipe, problem: Problem, store: Store, progress: Progress | None = None
) -> pa.Table:
    """Run a recipe: first the grid, then the methods with the constant that the grid gives.

    Args:
        recipe: What to run.
        problem: The recipe's problem.
        store: Where the runs go; those it has are not made again.
        progress: Is told of every chunk, once for the grid and once for the methods.

    Returns:
        All rows. Without a fit (too few learning rates with a located optimum) there are no runs
        of methods; :func:`flatfast.lab.analysis.analyse` says why.

    Raises:
        InterruptedSweepError: On Ctrl-C.
        StoreError: If the store cannot write.
    """
    options: dict[str, Any] = {"metrics": recipe.metrics, "dtype": recipe.dtype}
    grid_engine = LocalEngine(problem, records=recipe.records, **options)
    grid = sweep(grid_runs(recipe), store, grid_engine, progress)
    if not recipe.comparison_lr:
        return grid
    try:
        fit = fit_exponent(time_grid(grid))
    except ValueError:
        return grid
    scaled = [
        time.estimate * lr**GAMMA
        for time, lr, located in zip(fit.best_time, fit.lr, fit.located, strict=True)
        if located
    ]
    methods = methods_for(fit.prefactor.estimate, fit.lr)
    compared = method_runs(recipe, methods, float(np.median(scaled)))
    records = recipe.comparison_records
    engine = LocalEngine(problem, records=records, spacing="log", **options)
    return pa.concat_tables([grid, sweep(compared, store, engine, progress)])
