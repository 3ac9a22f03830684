"""One experiment from end to end: the grid, the law's constant from it, the methods compared."""

import math
from dataclasses import asdict, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from flatfast.lab.adaptive.plan import Plan, patience_of
from flatfast.lab.adaptive.sweep import Rounds, sweep_adaptively
from flatfast.lab.analysis import methods_of
from flatfast.lab.cycles import sweep_all_cycles
from flatfast.lab.engines.choose import MakeEngine
from flatfast.lab.engines.job import Job
from flatfast.lab.engines.local import LocalEngine
from flatfast.lab.estimation.exponent import ExponentFit, fit_exponent
from flatfast.lab.estimation.methods import SCAN, Method, constant_momentum
from flatfast.lab.estimation.ranges import NEAR, compared_rates, rates_beyond
from flatfast.lab.estimation.selection import comparable
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.problem import Problem
from flatfast.lab.problems import load
from flatfast.lab.recipes.recipe import Recipe, log_points
from flatfast.lab.runs import Runs, runs_of, together
from flatfast.lab.simulation.optimizers import SGD, Rule
from flatfast.lab.simulation.optimizers import identity_of as identity_of_rule
from flatfast.lab.simulation.simulate import HEAVY_BALL, Spacing
from flatfast.lab.store import Store
from flatfast.lab.sweep import Progress, sweep
from flatfast.lab.training.stability import steepest_curvature
from flatfast.law import GAMMA

PATIENCE = 100
"""How many times as long as the law's best run a compared method may take."""

PATIENCE_NEAR = 30
"""The same close to a method's stability limit and above it, where learning rates lie densely."""

SCAN_PATIENCE = 8
"""The same for the oracles' row of momenta: what takes longer is no candidate."""

SCAN_PER_DECADE = 6
"""Momenta per factor of ten in ``1 - momentum`` among which the oracles choose."""

SCAN_BELOW = 8
"""How far below the law's ``1 - momentum`` the scan goes near the limit."""


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
    optimizer: Rule = HEAVY_BALL,
) -> dict[str, Any]:
    """What identifies the runs of a sweep, for the store's manifest.

    SGD, which was all there was at first, adds nothing to it.
    """
    named = {} if isinstance(optimizer, SGD) else {"optimizer": identity_of_rule(optimizer)}
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
        **named,
    }


def identity_of(recipe: Recipe, problem: Problem) -> dict[str, Any]:
    """What identifies the runs of a recipe, those of its comparison among them."""
    known = identity(
        problem,
        records=recipe.records,
        nesterov=recipe.nesterov,
        metrics=recipe.metrics,
        dtype=recipe.dtype,
        optimizer=recipe.optimizer,
    )
    return {**known, "comparison": comparison_of(recipe, problem)}


def comparison_of(recipe: Recipe, problem: Problem) -> dict[str, Any]:
    """What identifies the runs of a recipe's comparison.

    Among it is the largest curvature where the runs start, by which the compared methods have their
    ranges of learning rates, to three digits.
    """
    compared: dict[str, Any] = {"records": recipe.comparison_records, "spacing": "log"}
    if recipe.comparison_lr:
        compared["curvature"] = float(f"{steepest_curvature(problem):.3g}")
    return compared


def grid_runs(recipe: Recipe) -> Runs:
    """The runs of the main sweep."""
    pairs = [(lr, momentum) for lr in recipe.lr for momentum in recipe.momenta(lr)]
    return runs_of(pairs, recipe.seeds, recipe.steps)


def method_runs(
    recipe: Recipe, methods: tuple[Method, ...], best_scaled_time: float, curvature: float
) -> Runs:
    """The runs of the compared methods, each up to its own stability limit and above it.

    At each learning rate a method may take :data:`PATIENCE` times as long as the law's best run
    (:data:`PATIENCE_NEAR` close to its limit), up to the recipe's longest; a method that needs
    longer is reported as such.

    Args:
        recipe: Learning rates, seeds and longest run.
        methods: The methods, the law first.
        best_scaled_time: ``T_c lr^(2/3)`` of the best runs of the grid.
        curvature: Largest Hessian eigenvalue where the runs start.
    """
    common, seeds = recipe.comparison_lr, recipe.comparison_seeds

    def length(lr: float, patience: float) -> int:
        return math.ceil(
            min(patience * best_scaled_time * float(lr**-GAMMA), recipe.comparison_steps)
        )

    # No method's close learning rates begin lower than those of plain SGD.
    lowest = NEAR[-1] * 2 / curvature
    parts = [_scan_runs(recipe, methods[0], best_scaled_time, curvature)]
    for method in methods:
        near = [lr for lr in compared_rates(method, curvature, common) if lr not in common]
        for lr in (*common, *near, *rates_beyond(method, curvature)):
            if lr in common and lr > max(near):
                continue
            if lr in common:
                steps = length(lr, PATIENCE)
            else:
                steps = length(lowest if recipe.comparison_shared_length else lr, PATIENCE_NEAR)
            pair = [(lr, method.setting(lr).momentum)]
            parts.append(runs_of(pair, seeds, steps, method.name))
    return together(parts)


def _scan_runs(recipe: Recipe, law: Method, best_scaled_time: float, curvature: float) -> Runs:
    """The oracles' runs: a row of momenta, each at common learning rates and at its own end.

    From plain SGD to half the law's ``1 - momentum`` at the least common learning rate. Near the
    limits, very long memories (:data:`SCAN_BELOW`) are left out: they swing there, and are at their
    best at smaller learning rates.
    """
    common = recipe.comparison_lr
    least = (1 - law.setting(min(common)).momentum) / 2
    row = log_points(least, 1.0, SCAN_PER_DECADE)
    shared = compared_rates(constant_momentum(1 - least), curvature, common, NEAR[::2])
    parts = []
    for mu in row:
        own = compared_rates(constant_momentum(1 - mu), curvature, common, NEAR[:1])
        for lr in (*(lr for lr in shared if lr <= own[-1]), own[-1]):
            if lr not in common and mu < (1 - law.setting(lr).momentum) / SCAN_BELOW:
                continue
            shared_length = recipe.comparison_shared_length and lr not in common
            at = NEAR[0] * 2 / curvature if shared_length else lr
            steps = math.ceil(SCAN_PATIENCE * best_scaled_time * at**-GAMMA)
            parts.append(runs_of([(lr, 1 - mu)], recipe.comparison_seeds, steps, SCAN))
    return together(parts)


def plan_of(recipe: Recipe, problem: Problem) -> Plan:
    """The adaptive sweep of a recipe: its learning rates, range and longest run."""
    return Plan(
        recipe.lr,
        recipe.scaled_mu,
        recipe.duration,
        patience=patience_of(problem.goal),
        per_decade=recipe.per_decade,
        most_seeds=recipe.seeds,
        width=recipe.width,
        budget=recipe.budget,
    )


def reproduce(
    recipe: Recipe,
    problem: Problem,
    store: Store,
    progress: Progress | None = None,
    rounds: Rounds | None = None,
    engines: MakeEngine = LocalEngine,
) -> pa.Table:
    """Run a recipe: first the grid, then the methods with the constant that the grid gives.

    Args:
        recipe: What to run.
        problem: The recipe's problem.
        store: Where the runs go; those it has are not made again.
        progress: Is told of every chunk: of the grid, of the methods, and of the cycles, an octave
            of lengths at a time.
        rounds: Is told of every round of an adaptive sweep, and why it ended.
        engines: Gives what makes the runs of a job.

    Returns:
        All rows. Without a fit (too few learning rates with a located optimum) there are no runs
        of methods; :func:`flatfast.lab.analysis.analyse` says why.

    Raises:
        InterruptedSweepError: On Ctrl-C.
        FailedRunsError: If some runs could not be made.
        StoreError: If the store cannot write.
    """
    options: dict[str, Any] = {"metrics": recipe.metrics, "dtype": recipe.dtype}
    grid_engine = engines(
        Job(
            problem,
            records=recipe.records,
            nesterov=recipe.nesterov,
            optimizer=recipe.optimizer,
            **options,
        )
    )
    if recipe.adaptive:
        grid = sweep_adaptively(plan_of(recipe, problem), store, grid_engine, progress, rounds)
    else:
        grid = sweep(grid_runs(recipe), store, grid_engine, progress)
    return compare(recipe, problem, store, grid, progress, engines)


def typical_scaled_time(fit: ExponentFit) -> float:
    """The median of the best ``T_c lr^(2/3)`` over the learning rates whose optimum is located."""
    scaled = [
        time.estimate * lr**GAMMA
        for time, lr, located in zip(fit.best_time, fit.lr, fit.located, strict=True)
        if located
    ]
    return float(np.median(scaled))


def compare(
    recipe: Recipe,
    problem: Problem,
    store: Store,
    grid: pa.Table,
    progress: Progress | None = None,
    engines: MakeEngine = LocalEngine,
) -> pa.Table:
    """Run the methods that a recipe compares, with the constant that the runs of a grid give.

    Args:
        recipe: Says what is compared: its fields ``comparison_*``, ``metrics`` and ``dtype``.
        problem: The problem of the runs.
        store: Where they go.
        grid: The runs of a grid or of an adaptive sweep.
        progress: As in :func:`reproduce`.
        engines: Gives what makes the runs of a job.

    Returns:
        The grid's rows and those of the methods; the grid's alone where nothing is to be compared,
        or the grid gives no fit.

    Raises:
        InterruptedSweepError, FailedRunsError, StoreError: As :func:`reproduce`.
    """
    if not recipe.comparison_lr:
        return grid
    try:
        fit = fit_exponent(time_grid(comparable(grid)[0]))
    except ValueError:
        return grid
    curvature = comparison_of(recipe, problem)["curvature"]
    typical = typical_scaled_time(fit)
    options: dict[str, Any] = {"metrics": recipe.metrics, "dtype": recipe.dtype}
    records = recipe.comparison_records
    engine = engines(Job(problem, records=records, spacing="log", **options))
    compared = sweep(
        method_runs(recipe, methods_of(fit), typical, curvature), store, engine, progress
    )
    if not recipe.comparison_cycles:
        return pa.concat_tables([grid, compared])
    cycles = sweep_all_cycles(recipe, problem, store, curvature, typical, engines, progress)
    parts = [grid, compared, *cycles]
    return pa.concat_tables(parts, promote_options="default")
