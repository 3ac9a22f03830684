"""Chunks of runs on the devices of one process, within a memory budget: what every engine does."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.convergence import settled
from flatfast.lab.judge import judge
from flatfast.lab.machine import available_memory
from flatfast.lab.problem import Problem
from flatfast.lab.runs import Runs
from flatfast.lab.simulation.optimizers import Rule
from flatfast.lab.simulation.schedule import Schedule
from flatfast.lab.simulation.simulate import HEAVY_BALL, Spacing, footprint, simulate
from flatfast.lab.trajectories import Trajectories

MOST_RUNS = 256
"""Runs in a chunk where memory allows more.

Few enough that a crash costs little, enough to fill the tiles of some tens of cores.
"""

MEMORY_SHARE = 0.25
"""Share of the available memory that a chunk may take."""

DEVICE_SHARE = 0.8
"""The same of an accelerator's own memory, which nobody else needs."""


class Simulator:
    """Simulates chunks of runs with :func:`flatfast.lab.simulation.simulate.simulate`.

    Attributes:
        width: Most runs at once.
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
        optimizer: Rule = HEAVY_BALL,
        most_runs: int = MOST_RUNS,
        memory_budget: int | None = None,
    ) -> None:
        """Decide on the width.

        Args:
            problem: The experiment.
            records: How often metrics are read during a run.
            spacing: Whether records are regular or log-spaced.
            nesterov: Use Nesterov momentum, where the optimizer has it.
            dtype: Floating-point type of the runs.
            metrics: Metrics to record besides the goal's.
            schedule: How learning rate and momentum change during a run, which then goes to its
                planned end; by default they are constant, and a run ends when it has settled.
            optimizer: The update rule.
            most_runs: Most runs in a chunk.
            memory_budget: Bytes that a chunk may take; by default :func:`budget`.

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
            optimizer=optimizer,
            settled=partial(settled, goal=problem.goal) if schedule is None else None,
        )
        need = footprint(problem, records, nesterov, dtype, metrics, schedule, optimizer)
        if memory_budget is None:
            memory_budget = budget(jax.devices())
        fit = (memory_budget - need.at_once) // need.per_run
        if fit < 1:
            raise ValueError(
                f"memory_budget must hold {need.width} runs at once and the records of one, "
                f"{need.at_once + need.per_run:,} bytes, got {memory_budget:,}; with fewer devices "
                "(JAX_NUM_CPU_DEVICES) fewer run at once"
            )
        self.width = min(fit, max(most_runs, need.width))

    def rows(self, chunk: Runs) -> pa.Table:
        """Simulate and judge a chunk, in parts if it is wider than the memory allows.

        A run's row is the same whatever runs are simulated with it.

        Args:
            chunk: Runs of one planned length.

        Returns:
            Rows of the store.

        Raises:
            ValueError: As :meth:`run`.
        """
        parts = [chunk[k : k + self.width] for k in range(0, len(chunk), self.width)]
        return pa.concat_tables(judge(self.run(part), part, self.goal) for part in parts)

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


def budget(devices: Sequence[jax.Device]) -> int:
    """Bytes that a chunk may take: of the accelerators' free memory, or of this machine's.

    Args:
        devices: Those over which a chunk's runs are spread.
    """
    told = [None if d.platform == "cpu" else d.memory_stats() for d in devices]
    known = [stats for stats in told if stats and "bytes_limit" in stats]
    if len(known) < len(told):
        return int(MEMORY_SHARE * available_memory())
    free = min(stats["bytes_limit"] - stats.get("bytes_in_use", 0) for stats in known)
    return int(DEVICE_SHARE * len(known) * free)
