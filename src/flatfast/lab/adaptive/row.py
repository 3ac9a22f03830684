"""What is known at one learning rate: the cells run there, their medians, what a run costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flatfast.lab.adaptive.plan import Plan
from flatfast.lab.estimation.arrays import Floats
from flatfast.lab.estimation.local_fit import pilot
from flatfast.lab.estimation.methods import GRID
from flatfast.lab.estimation.resampling import median
from flatfast.lab.estimation.times import same, time_grid

BESIDE = 2
"""Cells that must lie on either side of the best: what :func:`.optimum.locate` asks for."""


@dataclass(frozen=True, eq=False)
class Row:
    """The runs at one learning rate and of one length.

    Attributes:
        lr: Learning rate.
        steps: Planned length of the runs.
        cells: Cells run, ascending in ``1 - momentum``, C of them.
        seeds: Runs at each, (C,).
        log_time: Log of the median T_c, (C,); +inf where it is beyond the length.
        cost: Steps that a run takes on average.
    """

    lr: float
    steps: int
    cells: tuple[int, ...]
    seeds: tuple[int, ...]
    log_time: Floats
    cost: float

    @property
    def known(self) -> bool:
        """Whether any median lies within the length."""
        return bool(np.isfinite(self.log_time).any())

    @property
    def best(self) -> int:
        """Index of the best cell: of the least average of itself and its neighbours.

        Censored neighbours count as the length.
        """
        place, _ = pilot(self.log_time[None, None], np.log([self.steps]))
        return int(place[0, 0])

    @property
    def inside(self) -> bool:
        """Whether the best lies between cells enough for an optimum to be located."""
        return self.known and BESIDE <= self.best < len(self.cells) - BESIDE

    @property
    def best_time(self) -> float:
        """Least median T_c, in steps; infinite where none is known."""
        return float(np.exp(np.min(self.log_time)))

    def window(self, half: int) -> list[int]:
        """Indices of the cells within ``half`` cells of the best, and of those beside it."""
        best, last = self.best, len(self.cells) - 1
        near = [i for i, c in enumerate(self.cells) if abs(c - self.cells[best]) <= half]
        beside = range(max(best - BESIDE, 0), min(best + BESIDE, last) + 1)
        return sorted({*near, *beside})


def row_of(rows: pa.Table, lr: float, plan: Plan, method: str = GRID) -> Row | None:
    """The longest runs at a learning rate, None where there are none."""
    own = _longest(rows, lr, method)
    if not len(own):
        return None
    grid = time_grid(own, method)
    times = grid.log_time[0]
    cells = [round(plan.cell(mu)) for mu in grid.mu]
    counts = np.sum(~np.isnan(times), axis=-1)
    cost = float(np.mean(own["steps_run"].to_numpy()))
    steps = int(grid.limit[0])
    return Row(lr, steps, tuple(cells), tuple(counts.tolist()), median(times), cost)


def current(rows: pa.Table, rates: Sequence[float]) -> pa.Table:
    """Of the main sweep's rows those of the greatest length at each learning rate."""
    return pa.concat_tables([_longest(rows, lr, GRID) for lr in rates])


def _longest(rows: pa.Table, lr: float, method: str) -> pa.Table:
    """The rows of the greatest length at a learning rate; none where there are none."""
    named = pc.equal(rows["method"], method).to_numpy()
    own = rows.filter(pa.array(named & same(rows["lr"].to_numpy(), lr)))
    steps = own["steps"].to_numpy()
    return own.filter(pa.array(steps == steps.max(initial=0), pa.bool_()))
