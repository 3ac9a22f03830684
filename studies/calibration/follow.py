"""A prefactor that follows the landscape, on the lab's problems, beside the constants of a sweep.

The runs are those of a case's sweep at the calibration's own learning rate: the same start, seeds,
records and goal; but C is a :class:`flatfast.calibration.following.Following`'s, each run with its
own calibrations and gauges at its own iterate, fluctuations and all.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import numpy as np

from flatfast.calibration import calibrate
from flatfast.calibration.fall import PROBES, READING, sharpness_read
from flatfast.calibration.following import Following
from flatfast.calibration.spending import Spending
from flatfast.lab.calibration import ProblemLandscape
from flatfast.lab.estimation.convergence import convergence, settled
from flatfast.lab.goal import Goal
from flatfast.lab.simulation.simulate import record_steps
from flatfast.law import GAMMA
from studies.calibration.cases import Case
from studies.calibration.rows import rate_at
from studies.calibration.together import Floats, Together

Row = dict[str, Any]

LOOK = 0.5
"""Fall to which the first calibration looks ahead."""

MOST_SEEDS = 16
"""Runs of a case: those of a sweep's first seeds, since each calibrates for itself."""

KEPT = 0.9
"""Momentum of a run whose calibration was refused, as where nothing has been measured."""


@dataclass
class Follower:
    """The controller of one run.

    Attributes:
        base: The landscape at the run's start; its probes are those of all later ones.
        lr: Learning rate.
        seed: Draws the probes of its calibrations.
        path: ``(step, share of the sharpness, C)`` when something was measured.
    """

    base: ProblemLandscape
    lr: float
    seed: int
    known: Following = field(default_factory=Following)
    spent: Spending = field(default_factory=Spending)
    path: list[tuple[int, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Calibrate at the start."""
        self._first = sharpness_read(self.base)
        self._calibrate(self.base)
        self.first_cost = self.spent.total
        self.path.append((0, 1.0, self.prefactor))

    @property
    def prefactor(self) -> float:
        """C in use: until a law has been found, what momentum 0.9 amounts to."""
        return self.known.prefactor if self.known.start > 0 else (1 - KEPT) * self.lr**-GAMMA

    def _calibrate(self, landscape: ProblemLandscape) -> None:
        first = self.spent.made == 0
        found = calibrate(landscape, self.lr, fall=LOOK if first else None)
        self.spent = self.spent.calibrated(found.evaluations)
        if found.ok:
            self.known = self.known.calibrated(found)

    def _due(self, steps: int) -> bool:
        """Whether a calibration is: the first again, once paid for, or one that is wanted."""
        if not self.known.start:
            return self.spent.may_try_again(steps)
        return self.known.wants_calibration and self.spent.may_calibrate(steps)

    def look(self, params: Any, steps: int) -> None:
        """Measure what is due at these weights."""
        here = self.base.at(params, self.seed)
        self.known = self.known.gauged(sharpness_read(here) / self._first)
        self.spent = self.spent.gauged(PROBES * READING)
        if self._due(steps):
            self._calibrate(here)
        self.path.append((steps, self.known.share, self.prefactor))


def followed(case: Case, sweep: Row) -> Row:
    """Runs whose C follows, judged as those of the case's sweep.

    Args:
        case: The problem.
        sweep: What its sweep has found.

    Raises:
        ValueError: If the sweep lacks the calibration's learning rate.
    """
    rate = rate_at(sweep, 1.0)
    if rate is None:
        raise ValueError(f"{case.label} is not swept at the calibration's learning rate")
    problem = case.load()
    goal = case.goal or problem.goal
    seeds = min(case.seeds, MOST_SEEDS)
    with jax.enable_x64(False):
        base = ProblemLandscape(problem)
        runs = [Follower(base.at(problem.start(), s), case.lr, s) for s in range(seeds)]
    marks = record_steps(int(rate["limit"]), case.records)
    pace = partial(_due, runs[0].spent.share)
    with jax.enable_x64(case.dtype == "float64"):
        together = Together(problem, case.lr, np.arange(seeds), case.dtype)
        values = [together.goal()]
        used = [_prefactors(runs)]
        for mark in marks[1:]:
            while together.done < mark:
                step = min(int(mark), pace(together.done))
                together.to(step, np.minimum(used[-1] * case.lr**GAMMA, 1.0))
                if step == pace(step - 1):
                    with jax.enable_x64(False):
                        for number, run in enumerate(runs):
                            run.look(together.params(number), step)
                    used[-1] = _prefactors(runs)
            values.append(together.goal())
            used.append(used[-1])
            if _over(marks, np.array(values).T, used[-1], case, goal):
                break
    return _told(case, runs, marks[: len(values)], np.array(values).T, np.array(used).T, goal)


def _due(share: float, done: int) -> int:
    """The step of the next reading: the first after ``done`` at which one more is paid for."""
    spent = Spending(share)
    every = 1
    while not spent.may_gauge(every, PROBES * READING):
        every += 1
    return (done // every + 1) * every


def _prefactors(runs: list[Follower]) -> Floats:
    return np.array([run.prefactor for run in runs])


def _momenta(C: Floats, lr: float) -> Floats:
    return np.asarray(np.clip(1 - C * lr**GAMMA, 0.0, 1 - 1e-9), np.float64)


def _over(marks: Any, values: Floats, C: Floats, case: Case, goal: Goal) -> bool:
    """Whether all runs have settled, as in the sweep, or are lost."""
    lost = ~np.isfinite(values).all(axis=1)
    shown = np.where(np.isfinite(values), values, np.inf)
    at = marks[: values.shape[1]]
    return bool((settled(at, shown, _momenta(C, case.lr), goal) | lost).all())


def _told(
    case: Case, runs: list[Follower], marks: Any, values: Floats, used: Floats, goal: Goal
) -> Row:
    """The result; a run is smoothed over the memory of the momentum at its first arrival."""
    below = values <= goal.threshold_from(float(values[0, 0]))
    first = np.where(below.any(axis=1), below.argmax(axis=1), values.shape[1] - 1)
    at_arrival = used[np.arange(len(runs)), first]
    judged = convergence(
        marks,
        values,
        _momenta(at_arrival, case.lr),
        goal,
        recorded=np.full(len(runs), len(marks)),
        diverged=~np.isfinite(values).all(axis=1),
    )
    return {
        "lr": case.lr,
        "steps": [float(t) if np.isfinite(t) else None for t in judged.step],
        "run": int(marks[-1]),
        "C_start": [run.known.start for run in runs],
        "C_at_goal": at_arrival.tolist(),
        "exponent": [_finite(run.known.exponent) for run in runs],
        "calibrations": [run.spent.made for run in runs],
        "evaluations": [run.spent.total for run in runs],
        "first_cost": [run.first_cost for run in runs],
        "gauges": [run.spent.gauges for run in runs],
        "path": [list(entry) for entry in runs[0].path],
        "marks": marks.tolist(),
        "metric": values[0].tolist(),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
