"""The next round of an adaptive sweep, from the runs of the rounds before it."""

import math

import numpy as np
import pyarrow as pa

from flatfast.lab.adaptive.allocate import allocate
from flatfast.lab.adaptive.plan import FIRST_SEEDS, PILOT, ROOM, Plan
from flatfast.lab.adaptive.round import Round, runs_at
from flatfast.lab.adaptive.row import BESIDE, Row, row_of
from flatfast.law import GAMMA

REACH = 2
"""First momenta on either side of the guess, every other cell of the grid."""

STILL_ENOUGH = 0.85
"""Share of the patience below which a row is run anew: medians move as seeds come, and a damped
motion comes back less than the undamped one for which patience is told."""

PILOT_PER_DECADE, PILOT_SEEDS = 3, 2
"""Momenta of the pilot per factor of ten, and runs at each."""


def next_round(rows: pa.Table, plan: Plan) -> Round:
    """What to run next.

    Args:
        rows: Rows of all rounds so far, complete; none at first.
        plan: What is wanted.

    Returns:
        Its runs and why; no runs at the end.
    """
    spent = int(np.sum(rows["steps_run"].to_numpy()))
    if plan.budget is not None and spent >= plan.budget:
        return Round(None, f"the budget of {plan.budget:,} steps is spent: {spent:,} are run")
    first = plan.rates[0]
    pilot = row_of(rows, first, plan, PILOT)
    found = _pilot_round(pilot, plan)
    if found is not None:
        return found
    assert pilot is not None  # or the pilot's round would have been wanted
    centre, time = float(pilot.cells[pilot.best]), pilot.best_time
    lr_before = first
    for lr in plan.rates:
        carried = (lr / lr_before) ** GAMMA
        centre, time = centre + plan.cell(carried), time / carried
        row = row_of(rows, lr, plan)
        found = _row_round(lr, row, centre, time, plan)
        if found is not None:
            return found
        assert row is not None
        if row.known:
            centre, time = float(row.cells[row.best]), row.best_time
        lr_before = lr
    return allocate(rows, plan)


def _pilot_round(pilot: Row | None, plan: Plan) -> Round | None:
    """Momenta far apart at the greatest learning rate, until the best lies between others."""
    lr = plan.rates[0]
    apart = max(round(plan.per_decade / PILOT_PER_DECADE), 1)
    if pilot is None:
        low, high = (plan.cell(min(scaled * lr**GAMMA, 1.0)) for scaled in plan.scaled_mu)
        highest = int(np.floor(high + 1e-9))
        cells = list(range(highest, int(np.ceil(low - 1e-9)) - 1, -apart))
    elif not pilot.known:
        return Round(
            None,
            f"no run of the pilot at lr {lr:g} reached the goal within {pilot.steps:,} steps; "
            "allow longer runs, other momenta or a goal that is easier to reach",
        )
    else:
        cells = _beyond(pilot, 1, apart, plan)
        if not cells:
            return None
    wanted = dict.fromkeys(cells, range(PILOT_SEEDS))
    return Round(runs_at(plan, lr, wanted, plan.longest(lr), PILOT), f"pilot at lr {lr:g}")


def _row_round(lr: float, row: Row | None, centre: float, time: float, plan: Plan) -> Round | None:
    """What a learning rate's row still needs before seeds are worth their steps."""
    if row is None:
        middle = max(round(centre / 2), math.ceil(_lowest(lr, plan) / 2) + REACH) * 2
        cells = [c for c in range(middle - 2 * REACH, middle + 2 * REACH + 1, 2) if c <= 0]
        wanted = dict.fromkeys(cells, range(FIRST_SEEDS))
        return Round(runs_at(plan, lr, wanted, plan.length(lr, time)), f"first look at lr {lr:g}")
    longest = plan.longest(lr)
    enough = STILL_ENOUGH * plan.patience
    if row.steps < longest and row.best_time * enough > row.steps:
        guess = row.best_time if row.known else 2 * row.steps / (ROOM * plan.patience)
        return _longer(row, plan.length(lr, guess), plan)
    if not row.known:
        return None  # as long as they may be: this learning rate stays without an optimum
    cells = _beyond(row, BESIDE, 2, plan)
    if not cells:
        return None
    wanted = dict.fromkeys(cells, range(max(row.seeds)))
    return Round(runs_at(plan, lr, wanted, row.steps), f"the best at lr {lr:g} lies at the end")


def _beyond(row: Row, beside: int, apart: int, plan: Plan) -> list[int]:
    """Cells to be added until ``beside`` cells lie on either side of the best.

    None past 0, and none below :func:`_lowest`: where the time is the same at all momenta, a row
    would go down forever.
    """
    best = row.best
    below, above = beside - best, beside - (len(row.cells) - 1 - best)
    down = [row.cells[0] - apart * (k + 1) for k in range(max(below, 0))]
    up = [row.cells[-1] + apart * (k + 1) for k in range(max(above, 0))]
    if up and up[0] > 0 and row.cells[-1] < 0:
        up = [0]  # plain SGD, between two cells of the grid that is looked at
    lowest = _lowest(row.lr, plan)
    return [*(cell for cell in down if cell >= lowest), *(cell for cell in up if cell <= 0)]


def _lowest(lr: float, plan: Plan) -> float:
    """Where the memory, ``1 / (1 - momentum)`` steps, is as long as the longest run, in cells."""
    return -plan.cell(plan.longest(lr))


def _longer(row: Row, steps: int, plan: Plan) -> Round:
    """All of a row's runs once more, longer."""
    wanted = {cell: range(seeds) for cell, seeds in zip(row.cells, row.seeds, strict=True)}
    return Round(runs_at(plan, row.lr, wanted, steps), f"longer runs at lr {row.lr:g}")
