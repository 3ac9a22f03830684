"""The local engine: chunks of runs on this machine's devices."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import numpy as np
import pyarrow as pa

from flatfast.lab.estimation.convergence import convergence, settled
from flatfast.lab.machine import available_memory
from flatfast.lab.problem import Problem
from flatfast.lab.rows import METRIC, conform
from flatfast.lab.simulation.simulate import Spacing, Trajectories, bytes_per_run, simulate
from flatfast.lab.sweep import Runs

MOST_RUNS = 256
"""Runs in a chunk where memory allows more.

Few enough that the runs of a chunk, neighbours in momentum, settle together, and that a crash costs
little; enough that a step is mostly arithmetic.
"""

LARGEST = float(np.finfo(np.float32).max)
"""Bound of the metrics in the store, which keeps them in single precision."""

MEMORY_SHARE = 0.25
"""Share of the available memory that a chunk may take."""


class LocalEngine:
    """Simulates chunks of runs with :func:`flatfast.lab.simulation.simulate.simulate`.

    A chunk is filled up with copies of its last run to one of a few widths, so that chunks of
    about the same size share a compiled program.

    Attributes:
        width: Most runs in a chunk, a multiple of the number of devices.
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
            most_runs: Most runs in a chunk.
            memory_budget: Bytes that a chunk may take; by default a quarter of what is available.

        Raises:
            ValueError: If a setting is out of range, or one run on each device is over budget.
        """
        self._problem = problem
        self._simulate = partial(
            simulate,
            problem,
            records=records,
            spacing=spacing,
            nesterov=nesterov,
            dtype=dtype,
            metrics=metrics,
        )
        devices = len(jax.devices())
        need = bytes_per_run(problem, records, dtype, metrics)
        if memory_budget is None:
            memory_budget = int(MEMORY_SHARE * available_memory())
        fit = memory_budget // need // devices * devices
        if fit < devices:
            raise ValueError(
                f"memory_budget must hold one run on each of {devices} devices, "
                f"{devices * need:,} bytes, got {memory_budget:,}"
            )
        self._devices = devices
        self.width = min(fit, max(most_runs // devices, 1) * devices)

    def _filled(self, count: int) -> int:
        """The width at which ``count`` runs are simulated: 1, 2, 3, 4, 6, 8, 12, ... a device.

        At most a third of the batch is filling.
        """
        each = -(-count // self._devices)
        power = 1 << (each - 1).bit_length()
        step = 3 * power // 4
        return self._devices * (step if each <= step and power > 2 else power)

    def run(self, chunk: Runs) -> pa.Table:
        """Simulate a chunk and judge its runs.

        Args:
            chunk: Runs of one planned length, at most ``width`` of them.

        Returns:
            Rows of the store.

        Raises:
            ValueError: If the runs differ in planned length, or the start meets the goal.
            ProblemError: If the problem's functions do not fit together.
        """
        if len(np.unique(chunk.steps)) != 1:
            raise ValueError(f"a chunk has one planned length, got {np.unique(chunk.steps)}")
        count = len(chunk)
        filled = np.minimum(np.arange(self._filled(count)), count - 1)
        paths = self._simulate(
            chunk.lr[filled],
            chunk.momentum[filled],
            chunk.seed[filled],
            steps=int(chunk.steps[0]),
            settled=partial(settled, goal=self._problem.goal),
        )
        return _rows(self._problem, chunk, paths)


def _rows(problem: Problem, chunk: Runs, paths: Trajectories) -> pa.Table:
    count = len(chunk)
    recorded, diverged_step = paths.recorded[:count], paths.diverged_step[:count]
    diverged = diverged_step >= 0
    result = convergence(
        paths.steps,
        paths.values[problem.goal.metric][:count],
        chunk.momentum,
        problem.goal,
        recorded=recorded,
        diverged=diverged,
    )
    last = paths.steps[recorded - 1]
    columns = {
        "method": pa.array(chunk.method.tolist()),
        "lr": chunk.lr,
        "momentum": chunk.momentum,
        "seed": chunk.seed,
        "steps": chunk.steps,
        "steps_run": np.where(diverged, diverged_step, last),
        "status": pa.array(result.status.tolist()),
        "convergence_step": pa.array(result.step, mask=np.isnan(result.step)),
        "diverged_step": pa.array(diverged_step, mask=~diverged),
        "metric_start": result.start,
        "metric_end": pa.array(result.end, mask=~np.isfinite(result.end)),
        "threshold": result.threshold,
        "record_step": pa.array([paths.steps[:end] for end in recorded]),
    }
    for name, values in paths.values.items():
        # A float64 run on its way to divergence can be finite and beyond float32.
        narrow = np.clip(values[:count], -LARGEST, LARGEST).astype(np.float32)
        kept = [row[:end] for row, end in zip(narrow, recorded, strict=True)]
        columns[f"{METRIC}{name}"] = pa.array(kept)
    return conform(pa.table(columns))
