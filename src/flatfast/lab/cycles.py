"""One cycle in the comparison: the shortest cycle that arrives, at several peak learning rates.

Lengths are tried in ascending order, an octave at a time: at a peak learning rate all of whose
seeds have arrived no longer cycle is run, and none anywhere that is :data:`SLOWER` times as long as
the best.
"""

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flatfast.lab.engines.choose import MakeEngine
from flatfast.lab.engines.job import Job
from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.cycles import with_shortest_cycles
from flatfast.lab.estimation.methods import ONE_CYCLE, PEAK_MOMENTUM, one_cycle
from flatfast.lab.estimation.ranges import SAFE, compared_rates, rates_beyond
from flatfast.lab.estimation.times import COLUMNS, columns_of
from flatfast.lab.problem import Problem
from flatfast.lab.recipes.recipe import Recipe
from flatfast.lab.records import cooling_steps
from flatfast.lab.runs import runs_of, together
from flatfast.lab.simulation.schedule import OneCycle
from flatfast.lab.store import Store
from flatfast.lab.sweep import Progress, sweep
from flatfast.law import GAMMA

CYCLE = OneCycle()
"""PyTorch's defaults. The method's name stands for this cycle: another needs another name."""

RECORDS = 16
"""Records of a run: only what it has reached at its end counts."""

COOLED_RECORDS = 4
"""The same where a record takes a descent of its own, which is most of what a cycle costs."""

PEAKS = tuple(SAFE * 2 ** (-k / 4) for k in range(8))
"""Peak learning rates, as shares of the stability limit."""

PER_OCTAVE = 8
"""Lengths in a factor of two: a time is known to 9%, and on the long side."""

LEAST = 0.5
"""The shortest cycle, in units of the law's best time at the greatest peak learning rate."""

SLOWER = 4
"""How many times as long as the best cycle a cycle may be: what takes longer is no candidate."""

SHORTEST = 10
"""Steps below which a cycle is none."""


def cycle_peaks(curvature: float) -> tuple[list[float], list[float]]:
    """Peak learning rates up to the stability limit and, with catapults, above it.

    Args:
        curvature: Largest Hessian eigenvalue where the runs start.
    """
    return (
        compared_rates(one_cycle(), curvature, (), PEAKS),
        rates_beyond(one_cycle(), curvature),
    )


def sweep_all_cycles(
    recipe: Recipe,
    problem: Problem,
    store: Store,
    curvature: float,
    best_scaled_time: float,
    engines: MakeEngine,
    progress: Progress | None = None,
) -> tuple[pa.Table, pa.Table]:
    """The cycles of a recipe's comparison: at peaks up to the stability limit, and above it.

    Above it none is longer than the longest below.

    Args:
        recipe: Seeds, metrics, precision and the longest cycle.
        problem: The recipe's problem.
        store: Where the runs go; those it has are not made again.
        curvature: Largest Hessian eigenvalue where the runs start.
        best_scaled_time: ``T_c lr^(2/3)`` of the best runs of the grid.
        engines: Gives what makes them.
        progress: Is told of every chunk.

    Returns:
        The rows below the limit, and those above.
    """
    within, beyond = cycle_peaks(curvature)

    def swept(peaks: Sequence[float], longest: float) -> pa.Table:
        return sweep_cycles(
            recipe, problem, store, peaks, best_scaled_time, longest, engines, progress
        )

    below = swept(within, recipe.comparison_steps)
    return below, swept(beyond, max(below["steps"].to_pylist()))


def sweep_cycles(
    recipe: Recipe,
    problem: Problem,
    store: Store,
    peaks: Sequence[float],
    best_scaled_time: float,
    longest: float,
    engines: MakeEngine,
    progress: Progress | None = None,
) -> pa.Table:
    """Run cycles of ascending length until it is known which is the shortest that arrives.

    Args:
        recipe: Seeds, metrics and precision.
        problem: The recipe's problem.
        store: Where the runs go; those it has are not made again.
        peaks: Peak learning rates.
        best_scaled_time: ``T_c lr^(2/3)`` of the best runs of the grid.
        longest: Steps of the longest cycle.
        engines: Gives what makes them.
        progress: Is told of every chunk.

    Returns:
        The runs' rows.
    """
    records = COOLED_RECORDS if cooling_steps(problem, recipe.metrics) else RECORDS
    engine = engines(
        Job(problem, records=records, dtype=recipe.dtype, metrics=recipe.metrics, schedule=CYCLE)
    )
    open_peaks = set(peaks)
    shortest = max(LEAST * best_scaled_time * max(peaks) ** -GAMMA, SHORTEST)
    rows: list[pa.Table] = []
    step = 0
    while open_peaks:
        points = [
            math.ceil(shortest * 2 ** (k / PER_OCTAVE)) for k in range(step, step + PER_OCTAVE)
        ]
        lengths = sorted({point for point in points if point <= longest})
        if not lengths:
            break
        plans = [
            runs_of(
                [(lr, PEAK_MOMENTUM) for lr in sorted(open_peaks)],
                recipe.comparison_seeds,
                length,
                ONE_CYCLE,
            )
            for length in lengths
        ]
        rows.append(sweep(together(plans), store, engine, progress))
        times = _times(pa.concat_tables(rows))
        open_peaks = {lr for lr in open_peaks if not np.isfinite(times[lr]).all()}
        longest = min(longest, SLOWER * min(float(np.median(own)) for own in times.values()))
        step += PER_OCTAVE
    return pa.concat_tables(rows)


def _times(table: pa.Table) -> dict[float, NDArray[np.float64]]:
    """Peak learning rate to the length of each seed's shortest cycle, infinite where none is."""
    judged = with_shortest_cycles(columns_of(table, (*COLUMNS, "method")))
    arrived = judged["status"].astype(np.str_) == Status.CONVERGED.value
    time = np.where(arrived, judged["convergence_step"].astype(np.float64), np.inf)
    lr = judged["lr"].astype(np.float64)
    return {float(peak): time[lr == peak] for peak in np.unique(lr)}
