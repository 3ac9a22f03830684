"""The local engine: chunks of runs on this machine's devices."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from flatfast.lab.estimation.convergence import settled
from flatfast.lab.machine import available_memory
from flatfast.lab.problem import Problem
from flatfast.lab.runs import Runs
from flatfast.lab.simulation.schedule import Schedule
from flatfast.lab.simulation.simulate import Spacing, footprint, simulate
from flatfast.lab.trajectories import Trajectories

MOST_RUNS = 256
"""Runs in a chunk where memory allows more.

Few enough that a crash costs little, enough to fill the tiles of some tens of cores.
"""

MEMORY_SHARE = 0.25
"""Share of the available memory that a chunk may take."""


class LocalEngine:
    """Simulates chunks of runs with :func:`flatfast.lab.simulation.simulate.simulate`.

    Attributes:
        width: Most runs in a chunk.
        goal: The problem's.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        records: int = 256,
        spacing: Spacing = "linear",
        nesterov: bool = False,
        dtype: Literal["float32", "float64"] = "float32",
        metrics: Sequence[str] = (),
        schedule: Schedule | None = None,
        most_runs: int = MOST_RUNS,
        memory_budget: int | None = None,
    ) -> None:
        """Decide on the width.

        Args:
            problem: The experiment.
            records: How often metrics are read during a run.
            spacing: Whether records are regular or log-spaced.
            nesterov: Use Nesterov momentum.
            dtype: Floating-point type of the runs.
            metrics: Metrics to record besides the goal's.
            schedule: How learning rate and momentum change during a run, which then goes to its
                planned end; by default they are constant, and a run ends when it has settled.
            most_runs: Most runs in a chunk.
            memory_budget: Bytes that a chunk may take; by default a quarter of what is available.

        Raises:
            ValueError: If a setting is out of range, or the runs that advance at once are over
                budget.
        """
        self.goal = problem.goal
        self._simulate = partial(
            simulate,
            problem,
            records=records,
            spacing=spacing,
            nesterov=nesterov,
            dtype=dtype,
            metrics=metrics,
            schedule=schedule,
            settled=partial(settled, goal=problem.goal) if schedule is None else None,
        )
        need = footprint(problem, records, nesterov, dtype, metrics, schedule)
        if memory_budget is None:
            memory_budget = int(MEMORY_SHARE * available_memory())
        fit = (memory_budget - need.at_once) // need.per_run
        if fit < 1:
            raise ValueError(
                f"memory_budget must hold {need.width} runs at once and the records of one, "
                f"{need.at_once + need.per_run:,} bytes, got {memory_budget:,}; with fewer devices "
                "(JAX_NUM_CPU_DEVICES) fewer run at once"
            )
        self.width = min(fit, max(most_runs, need.width))

    def run(self, chunk: Runs) -> Trajectories:
        """Simulate a chunk.

        Args:
            chunk: Runs of one planned length, at most ``width`` of them.

        Returns:
            What was recorded of them.

        Raises:
            ValueError: If the runs differ in planned length, or the start meets the goal.
            ProblemError: If the problem's functions do not fit together.
        """
        if len(np.unique(chunk.steps)) != 1:
            raise ValueError(f"a chunk has one planned length, got {np.unique(chunk.steps)}")
        return self._simulate(chunk.lr, chunk.momentum, chunk.seed, steps=int(chunk.steps[0]))
