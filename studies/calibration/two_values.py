"""The best schedule of two values of C: how much could one gain that knew the landscape?

A run has one C up to a switch and another after it, at the calibration's learning rate, from the
start of the case's sweep. The best of a grid of such schedules is chosen by some seeds and judged
by others, beside the sweep's best constant with the same seeds. It is no method, as it takes a
search: it bounds from below what following the landscape can be worth.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import numpy as np

from flatfast.lab.estimation.convergence import convergence, settled
from flatfast.lab.problem import Problem
from flatfast.lab.simulation.simulate import record_steps
from flatfast.law import GAMMA
from studies.calibration.cases import Case
from studies.calibration.rows import rate_at
from studies.calibration.together import Floats, Together
from studies.missing import or_infinite

Row = dict[str, Any]

FIRST = (1.0, 1.4, 2.0, 3.0)
SECOND = (0.5, 0.7, 1.0, 1.4)
"""C before and after the switch, in units of the best constant."""

SWITCH = (0.15, 0.35, 0.6)
"""Steps to the switch, in units of those that the best constant takes to the goal."""

LENGTH = 2.5
"""Length of the runs in the same units: a schedule that takes longer is none of the best."""

RECORDS = 64
"""Readings of a run, at most: eight times as dense as those of a sweep, whose runs are longer."""

CHOOSING, JUDGING = range(1000, 1004), range(1004, 1016)
"""Seeds of the runs by which a schedule is chosen and judged; none of a sweep's."""


@dataclass(frozen=True)
class Schedule:
    """Two values of C and when one follows the other.

    Attributes:
        first: C at the start, in units of the best constant.
        second: C from the switch on.
        at: The switch, in units of the best constant's steps to the goal.
    """

    first: float = 1.0
    second: float = 1.0
    at: float = 0.0


CONSTANT = Schedule()

SCHEDULES = (
    CONSTANT,
    *(Schedule(*each) for each in product(FIRST, SECOND, SWITCH) if each[0] != each[1]),
)


QUICK = SCHEDULES[:4]
"""Those of a quick look."""


def two_values(
    case: Case, sweep: Row, schedules: tuple[Schedule, ...] = SCHEDULES, judging: range = JUDGING
) -> Row:
    """The best schedule, judged.

    Args:
        case: The problem.
        sweep: What its sweep has found.
        schedules: Those to be tried, the constant first.
        judging: Seeds of the runs that judge.

    Raises:
        ValueError: If the sweep lacks the calibration's learning rate.
    """
    rate = rate_at(sweep, 1.0)
    if rate is None:
        raise ValueError(f"{case.label} is not swept at the calibration's learning rate")
    C, located = rate["best_C"], rate["located"]
    if not located:
        C = rate["C"][int(np.argmin(or_infinite(rate["time"])))]
    best = rate["best_time"]
    problem = case.load()
    tried = arrivals(problem, case, schedules, C, best, CHOOSING)
    chosen = schedules[int(np.argmin(middles(tried)))]
    judged = arrivals(problem, case, (CONSTANT, chosen), C, best, judging)
    return {
        "C": C,
        "located": located,
        "schedules": [vars(schedule) for schedule in schedules],
        "tried": _steps(tried),
        "chosen": vars(chosen),
        "constant": _steps(judged[0]),
        "steps": _steps(judged[1]),
    }


def middles(steps: Floats) -> Floats:
    """Medians over the last axis; infinite where half of the runs do not settle."""
    return np.asarray(np.quantile(steps, 0.5, axis=-1, method="higher"))


def arrivals(
    problem: Problem,
    case: Case,
    schedules: tuple[Schedule, ...],
    C: float,
    best: float,
    seeds: range,
) -> Floats:
    """Steps to the goal of every schedule with every seed.

    Args:
        problem: The case's problem.
        case: Its learning rate, goal and floating-point type.
        schedules: S of them.
        C: The best constant.
        best: The steps that it takes.
        seeds: N seeds.

    Returns:
        (S, N), infinite where a run has not settled.
    """
    goal = case.goal or problem.goal
    of_run = [schedule for schedule in schedules for _ in seeds]
    unit = C * case.lr**GAMMA
    first = np.minimum([unit * schedule.first for schedule in of_run], 1.0)
    second = np.minimum([unit * schedule.second for schedule in of_run], 1.0)
    switch = np.array([round(schedule.at * best) for schedule in of_run])
    marks = record_steps(round(LENGTH * best), min(case.records, RECORDS))
    with jax.enable_x64(case.dtype == "float64"):
        together = Together(problem, case.lr, np.tile(seeds, len(schedules)), case.dtype)
        values = [together.goal()]
        for mark in marks[1:]:
            stops = np.unique(switch[(switch > together.done) & (switch < mark)])
            for stop in (*stops, mark):
                together.to(int(stop), np.where(together.done < switch, first, second))
            values.append(together.goal())
            shown = np.array(values).T
            done = settled(marks[: len(values)], _finite(shown), 1 - second, goal)
            lost = ~np.isfinite(shown).all(axis=1)
            if bool(((done & (switch < mark)) | lost).all()):
                break
    found = np.array(values).T
    judged = convergence(
        marks[: len(values)],
        found,
        1 - second,
        goal,
        recorded=np.full(len(of_run), len(values)),
        diverged=~np.isfinite(found).all(axis=1),
    )
    steps = np.where(np.isfinite(judged.step), judged.step, np.inf)
    return np.asarray(steps.reshape(len(schedules), len(seeds)))


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.inf)


def _steps(steps: Floats) -> Any:
    """As JSON has them: None for a run that has not settled."""
    return [_steps(row) if np.ndim(row) else (row if np.isfinite(row) else None) for row in steps]
