"""A round of an adaptive sweep: runs, and why they are wanted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flatfast.lab.adaptive.plan import Plan
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.runs import Runs, runs_of, together


@dataclass(frozen=True, eq=False)
class Round:
    """What is run next.

    Attributes:
        runs: The runs; None at the end of the sweep.
        why: What they are for, or why the sweep ends, in words.
    """

    runs: Runs | None
    why: str


def runs_at(
    plan: Plan, lr: float, wanted: Mapping[int, range], steps: int, method: str = GRID
) -> Runs | None:
    """Runs at one learning rate: cells of the grid, and the seeds wanted at each; None if none."""
    parts = []
    for cell, seeds in wanted.items():
        runs = runs_of([(lr, plan.momentum(cell))], max(seeds.stop, 1), steps, method)
        parts.append(runs[np.isin(runs.seed, np.asarray(seeds))])
    return together(parts) if parts else None
