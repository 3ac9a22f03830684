"""Where further runs shrink the exponent's interval most per step.

Candidates are the momenta in the gaps of one learning rate, seeds at one, and a seed or more at all
that have the fewest; the one for which the logarithm of the interval's width falls most per step of
SGD is run (:mod:`.precision`). Where the best momentum lies at the end of what can be run, at plain
SGD say, seeds would locate nothing, and none are spent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from flatfast.lab.adaptive.plan import Plan
from flatfast.lab.adaptive.precision import GAPS, LEVEL, SEEDS, Part, Precision
from flatfast.lab.adaptive.round import Round, runs_at
from flatfast.lab.adaptive.row import Row, current, row_of
from flatfast.lab.estimation.exponent import exponent_interval
from flatfast.lab.estimation.optimum import MedianTimes, Optima, locate, median_times
from flatfast.lab.estimation.power_law import PowerLaw, fit_power_law
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.runs import together

RESAMPLES = 200
"""Resamples of the seeds by which a round is chosen."""

WINDOW = 0.5
"""Half-width, in factors of ten of ``1 - momentum``, of what gets more seeds about the best."""

FEWEST_RATES = 3
"""Learning rates with a located optimum from which there is an exponent with an interval."""

UNEVEN = 2
"""Seeds at one learning rate over those at another, at most: seeds are resampled together."""


def allocate(rows: pa.Table, plan: Plan) -> Round:
    """More seeds or momenta at one learning rate, or the end of the sweep.

    Args:
        rows: Rows of all rounds so far; every learning rate has a row.
        plan: What is wanted.
    """
    spent = int(np.sum(rows["steps_run"].to_numpy()))
    found = [row for lr in plan.rates[::-1] if (row := row_of(rows, lr, plan)) is not None]
    served = [index for index, row in enumerate(found) if row.inside]
    if len(served) < FEWEST_RATES:
        return Round(
            None,
            "no exponent yet: the best momentum lies between others that could be run at "
            f"{len(served)} of {len(found)} learning rates, and {FEWEST_RATES} are needed",
        )
    times = median_times(time_grid(current(rows, plan.rates)), n_boot=RESAMPLES, seed=0)
    optima, at = locate(times), np.log(times.lr)
    law = None
    if optima.located.sum() >= FEWEST_RATES:
        law = fit_power_law(at, optima.log_mu, optima.boot_log_mu)
    told = None if law is None else _state(times, optima, law)
    # Three optima can lie on a line by chance: none that could be had is left out of it.
    gaps = [i for i in served if _wanted(found[i], plan, GAPS).new]
    lost = [i for i in gaps if not optima.located[i]]
    if told is not None and told.width <= plan.width and not lost:
        return Round(
            None, f"the interval of the exponent is {told.width:.3f} wide, as was asked for"
        )
    state = told.words if told else "no exponent yet"

    if told is not None and not gaps and told.scatter > plan.width:
        return Round(
            None,
            f"{state}: more runs would narrow it little, since the best momenta scatter about a "
            "power law by more than their seeds; more learning rates would",
        )
    seeds = tuple(max(row.seeds) for row in found)
    precision = None if law is None else Precision.of(at, optima, law, seeds)
    best: tuple[float, Round] | None = None
    for kind, members in _candidates(seeds, served, lost):
        parts = {index: _wanted(found[index], plan, kind) for index in members}
        cost = sum(part.new * found[index].cost for index, part in parts.items())
        if not cost or (plan.budget is not None and spent + cost > plan.budget):
            continue
        gain = 1.0 if lost or precision is None else precision.gain(kind, parts)
        if best is None or gain / cost > best[0]:
            runs = [part.runs for part in parts.values() if part.runs is not None]
            one = len(members) == 1
            where = f"lr {found[members[0]].lr:g}" if one else f"{len(members)} learning rates"
            best = gain / cost, Round(together(runs), f"{kind} at {where} ({state})")
    if best is not None:
        return best[1]
    ended = "all seeds are used"
    if plan.budget is not None and any(_wanted(found[i], plan, SEEDS).new for i in served):
        ended = f"the budget of {plan.budget:,} steps is spent"
    return Round(None, f"{ended}: {state}")


def _candidates(
    seeds: Sequence[int], served: list[int], lost: list[int]
) -> Iterator[tuple[str, list[int]]]:
    """What could be run next: the kind, and at which learning rates.

    Gaps alone where they could locate an optimum that is lost: it has no part in the exponent yet.
    """
    if lost:
        yield from ((GAPS, [index]) for index in lost)
        return
    fewest = min(seeds[index] for index in served)
    for index in served:
        yield GAPS, [index]
        if seeds[index] < UNEVEN * fewest:
            yield SEEDS, [index]
    behind = [index for index in served if seeds[index] == fewest]
    if len(behind) > 1:
        yield SEEDS, behind


def _wanted(row: Row, plan: Plan, kind: str) -> Part:
    """What a row gets of one kind: its window's gaps with its seeds, or half as many more seeds."""
    near = row.window(round(WINDOW * plan.per_decade))
    have = sum(row.seeds[i] for i in near)
    seeds = max(row.seeds)
    if kind == GAPS:
        low, high = row.cells[near[0]], row.cells[near[-1]]
        missing = {c: range(seeds) for c in range(low, high + 1) if c not in row.cells}
    else:
        seeds = max(min(seeds + max(seeds // 2, 1), plan.most_seeds), seeds)
        missing = {row.cells[i]: range(row.seeds[i], seeds) for i in near if row.seeds[i] < seeds}
    new = sum(len(own) for own in missing.values())
    runs = runs_at(plan, row.lr, missing, row.steps)
    return Part(runs, new, new / max(have + new, 1), seeds)


@dataclass(frozen=True)
class _State:
    """The exponent so far, the width of its interval, and the width that no seed can narrow."""

    exponent: float
    width: float
    scatter: float

    @property
    def words(self) -> str:
        return f"exponent {self.exponent:.3f}, interval {self.width:.3f} wide"


def _state(times: MedianTimes, optima: Optima, law: PowerLaw) -> _State:
    """Where the sweep stands: what :func:`.exponent.fit_exponent` gives, without the rest of it."""
    free = int(optima.located.sum()) - 2
    exponent = exponent_interval(law, LEVEL, times.n_seeds - 1, free)
    at = np.log(times.lr[optima.located])
    scatter = law.scatter / float(np.sqrt(np.sum((at - np.mean(at)) ** 2)))
    beyond = 2 * scatter * t_quantile(LEVEL, [(scatter**2, free)])
    return _State(exponent.estimate, exponent.high - exponent.low, beyond)
