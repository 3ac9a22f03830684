"""Runs whose times are known, made when they are asked for.

As in :mod:`studies.statistics.cases`; but the time of a run depends on its learning rate, momentum
and seed alone, whoever asks first, so that an adaptive sweep and a grid see the same runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from flatfast.lab.adaptive.choose import next_round
from flatfast.lab.adaptive.plan import Plan, even_grid
from flatfast.lab.estimation.convergence import Status
from flatfast.lab.estimation.exponent import LAW
from flatfast.lab.runs import Runs, runs_of
from studies.statistics.cases import Design
from studies.statistics.shapes import SHAPES, Array, Shape

LEAST_LR = 1e-3
STATUSES = (Status.CONVERGED.value, Status.NOT_CONVERGED.value)
MARGIN = 3.0
"""Times its T_c after which a run ends, as :func:`.convergence.settled` has it."""

DURATION = 100.0
BEST_SCALED_TIME = 10.0
"""Longest run, and the best time, in units of ``lr^(-2/3)`` steps."""

SCALED_MU = (0.02, 1.0)
"""Where the pilot looks; the best is drawn from the tenth about the middle in logarithm."""


@dataclass(frozen=True)
class Synthetic:
    """Runs whose times are known.

    Attributes:
        shape: Curve of log T_c over log mu.
        design: Noise, exponent, learning rates.
        log_c: Log of the true C, at the geometric mean of the learning rates.
        number: Seed of the noise.
    """

    shape: Shape
    design: Design
    log_c: float
    number: int

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates."""
        top = LEAST_LR * 10**self.design.decades
        return tuple(np.geomspace(LEAST_LR, top, self.design.rates).tolist())

    def rows(self, runs: Runs) -> pa.Table:
        """What an engine would store of these runs."""
        time = np.exp(self._log_time(runs))
        within = time <= runs.steps
        steps = np.where(within, np.minimum(MARGIN * time, runs.steps), runs.steps)
        return pa.table(
            {
                "method": pa.array(runs.method.tolist(), pa.string()),
                "lr": runs.lr,
                "momentum": runs.momentum,
                "seed": runs.seed,
                "steps": runs.steps,
                "steps_run": np.ceil(steps).astype(np.int64),
                "status": pa.array(np.where(within, *STATUSES).tolist(), pa.string()),
                "convergence_step": np.where(within, time, np.nan),
            }
        )

    def log_best(self, lr: Array) -> Array:
        """Log of the true best ``1 - momentum`` at learning rates."""
        middle = float(np.mean(np.log(self.rates)))
        return np.asarray(self.log_c + self.design.gamma * (np.log(lr) - middle))

    def _log_time(self, runs: Runs) -> Array:
        design = self.design
        log_lr, log_mu = np.log(runs.lr), np.log(1 - runs.momentum)
        rows, cells = (np.round(1e6 * at).astype(np.int64) % 2**31 for at in (log_lr, log_mu))
        own, moved, common = (
            np.array([self._draw(*place) for place in zip(runs.seed, *where, strict=True)])
            for where in ((rows, cells), (rows,), ())
        )
        centre = self.log_best(runs.lr) + design.moves * moved
        best, least = self._bottom
        noise = design.shared * common + np.sqrt(1 - design.shared**2) * own
        base = np.log(BEST_SCALED_TIME) - LAW * log_lr
        return np.asarray(base + self.shape(log_mu - centre + best) - least + design.noise * noise)

    def _draw(self, *where: np.int64) -> float:
        rng = np.random.default_rng([self.number, *map(int, where)])
        return float(rng.standard_normal())

    @cached_property
    def _bottom(self) -> tuple[float, float]:
        """Where the curve has its least value, and that value."""
        places = np.linspace(-2, 2, 4001)
        curve = self.shape(places)
        return float(places[np.argmin(curve)]), float(np.min(curve))


def synthetic(name: str, design: Design, number: int) -> Synthetic:
    """The runs of a shape and design, C drawn anew, so that grids lie anywhere about the optima."""
    rng = np.random.default_rng([7, number])
    spread = np.log(10) / 20
    middle = 0.5 * float(np.sum(np.log(SCALED_MU)))
    top = np.log(LEAST_LR) + 0.5 * design.decades * np.log(10)
    log_c = middle + LAW * top + rng.uniform(-spread, spread)
    return Synthetic(SHAPES[name], design, log_c, number)


def plan_of(runs: Synthetic, width: float, most_seeds: int = 24) -> Plan:
    """The adaptive sweep of synthetic runs."""
    return Plan(
        runs.rates,
        SCALED_MU,
        DURATION,
        per_decade=even_grid(runs.rates),
        most_seeds=most_seeds,
        width=width,
    )


def adaptive(runs: Synthetic, plan: Plan) -> tuple[pa.Table, list[str]]:
    """All rows of an adaptive sweep, and what each round was for."""
    rows = runs.rows(runs_of([], 1, 1))
    told = []
    while True:
        chosen = next_round(rows, plan)
        told.append(chosen.why)
        if chosen.runs is None:
            return rows, told
        rows = pa.concat_tables([rows, runs.rows(chosen.runs)])


def dense(
    runs: Synthetic, seeds: int, per_decade: int = 9, steps: Callable[[float], int] | None = None
) -> pa.Table:
    """All rows of a grid over the whole range that a pilot looks at.

    Args:
        runs: What is run.
        seeds: Runs at each pair.
        per_decade: Momenta per factor of ten in ``1 - momentum``, as the recipes have them.
        steps: Learning rate to length; the longest unless given.
    """
    plan = replace(plan_of(runs, 1.0), per_decade=per_decade)
    low, high = SCALED_MU
    pairs = [
        (lr, plan.momentum(cell))
        for lr in runs.rates
        for cell in range(
            int(np.ceil(plan.cell(low * lr**LAW))), int(np.floor(plan.cell(high * lr**LAW))) + 1
        )
    ]
    return runs.rows(runs_of(pairs, seeds, steps or plan.longest))


def steps_of(rows: pa.Table) -> int:
    """Steps that runs have taken, of all together."""
    return int(np.sum(rows["steps_run"].to_numpy()))
