"""Convergence times without a run of SGD: the limit dynamics, judged as the lab judges runs.

In the limit ``lr -> 0`` with ``1 - momentum = C lr^(2/3)``, the convergence time in units of
``lr^(-2/3)`` steps is a function of C alone: that of the limit's path on the manifold of minimizers
(:mod:`flatfast.theory.limit`). Its least value is at the best C.
"""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.estimation.convergence import MEMORIES_PAST, convergence, settled
from flatfast.lab.forecast.model import (
    curvatures,
    effective_modes,
    metric_on_points,
    model_of,
)
from flatfast.lab.problem import Problem
from flatfast.lab.threads import one_blas_thread
from flatfast.theory import PathEndedError, limit_ensemble, limit_path

UNIT = 1e6
"""Steps in a unit of the limit's time, for what counts in steps: a momentum near 1."""

SETTLED = 0.75
"""Share of the paths that must have settled for their median to be read."""

LONG = 300.0
"""A long path, in units of the limit's time. The pull back onto Γ, within one such unit, keeps
steps below 3."""


@dataclass(frozen=True)
class Following:
    """How paths of the limit are followed: how many, how far, how finely.

    Attributes:
        records: Readings of the goal's metric on a path.
        few_modes: Effective modes (:func:`.model.effective_modes`) up to which their amplitudes are
            drawn: more average out, and the mean path serves.
        most_modes: Modes in all up to which they are: a path's cost grows as the third power, and
            of a hundred modes paths would take hours.
        paths: Draws of the amplitudes for one mode. M modes scatter the times by ``1 / sqrt(M)`` of
            what one does, and need 1 / M of the draws for the same error.
        fewest_paths: Draws at least, where any are made.
        step: Step of their solver, in units of ``min(1, 1 / C)``. Medians of 4096 paths of the
            scalar product differ by less than 2% from those at 0.04 and 0.2, without a trend.
        margin: How many times its convergence time a path must be followed (see ``settled``).
        slack: How much longer than needed for the time that is expected.
        floor: Modes below this share of the steepest fade: past a point where the model loses rank,
            paths would stall. SGD there is held by its learning rate, at which such modes are
            slower than its momentum forgets.
        tolerance: Relative error of a step of the mean path's solver. On matrix sensing times
            differ by 0.6% at most, and by 0.2% mostly, from those at 1e-4.
        max_steps: Steps of that solver on a path of up to :data:`LONG`, twice as many on one twice
            as long. Paths that can be followed need a third of it; one that stalls shall not cost
            more than all the others.
        tries: How often paths are followed, each time twice as long, until they settle.
        tries_near: The same where they have settled at a larger C, which tells how long it may
            take.
    """

    records: int = 512
    few_modes: int = 16
    most_modes: int = 40
    paths: int = 256
    fewest_paths: int = 16
    step: float = 0.1
    margin: float = 2.0
    slack: float = 1.15
    floor: float = 1e-2
    tolerance: float = 1e-3
    max_steps: int = 150
    tries: int = 6
    tries_near: int = 3

    def draws(self, modes: int, effective: float) -> int:
        """Paths for each C with so many modes, of which so many count; 1 is the mean path."""
        if effective > self.few_modes or modes > self.most_modes:
            return 1
        return max(int(self.paths / effective), self.fewest_paths)

    def steps_on(self, duration: float) -> int:
        """Most steps of the solver on a path of a length in units of the limit's time."""
        return self.max_steps << math.ceil(math.log2(max(duration / LONG, 1.0)))


FOLLOWING = Following()
"""What the docs' numbers were made with."""

Times: TypeAlias = NDArray[np.float64]
Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Convergence times of the limit dynamics.

    Attributes:
        C: Prefactors, ascending, (N,).
        time: Convergence times (the median of the paths), (N,), in units of ``lr^(-2/3)`` steps;
            infinite where paths do not settle, NaN where one could not be followed
            for long enough.
        paths: How many paths for each C; 1 for the mean path.
        evaluations: Frames of the manifold made for all of them.
    """

    C: NDArray[np.float64]
    time: NDArray[np.float64]
    paths: int
    evaluations: int


@one_blas_thread()
def predicted_times(
    problem: Problem,
    C: ArrayLike,
    *,
    paths: int | None = None,
    seed: int = 0,
    refine: bool = False,
    expected: Callable[[float], float] = lambda C: 5 / C,
    progress: Callable[[float], None] = lambda C: None,
) -> Prediction:
    """Convergence times of the limit dynamics, from rest at the end of the start's flow.

    Args:
        problem: With residuals and a ``noise_std`` in its settings.
        C: Prefactors, (N,).
        paths: Draws of the modes' amplitudes, 1 for the mean path. By default many where modes
            are few, and 1 where they are many (:meth:`Following.draws`).
        seed: Of the draws.
        refine: Whether to add the two prefactors half-way from the best of these to its neighbours.
        expected: A guess of the time at a prefactor, for the length of the paths: a wrong one costs
            time, not accuracy.
        progress: Told of every prefactor before its paths are followed.

    Returns:
        The prediction.

    Raises:
        ValueError: If the problem has no residuals or no label noise, the start meets the goal, or
            a C is not positive.
        NotOnManifoldError: If gradient flow does not lead from the start to zero loss.
    """
    constants = np.sort(np.atleast_1d(np.asarray(C, np.float64)))
    follow = _Follower(problem, paths, seed)
    found: dict[float, float] = {}
    scale = 1.0

    def fill(wanted: Iterable[float]) -> None:
        nonlocal scale
        for constant in sorted(wanted, reverse=True):
            known = np.array(list(found.values()))
            above = np.array([time for c, time in found.items() if c > constant])
            # Less friction swings wider: below paths that cannot be followed, or that no longer
            # settle, none are tried.
            if np.isnan(above).any():
                found[constant] = np.nan
                continue
            if np.isinf(above).any() and np.isfinite(known).any():
                found[constant] = np.inf
                continue
            progress(constant)
            near = np.isfinite(known).any()
            tries = FOLLOWING.tries_near if near else FOLLOWING.tries
            median, most = follow.settling(constant, scale * expected(constant), tries)
            found[constant] = median
            if np.isfinite(most):
                scale = most / expected(constant)

    fill(constants.tolist())
    if refine:
        fill(_beside_the_best(found))
    ordered = sorted(found)
    times = np.array([found[constant] for constant in ordered])
    return Prediction(np.array(ordered), times, follow.draws, follow.evaluations)


def _beside_the_best(found: dict[float, float]) -> list[float]:
    known = {C: time for C, time in found.items() if np.isfinite(time)}
    if not known:
        return []
    best = min(known, key=known.__getitem__)
    return [
        float(np.sqrt(low * high))
        for low, high in itertools.pairwise(sorted(found))
        if best in (low, high)
    ]


class _Follower:
    """Follows the limit's paths of a problem to its goal, and counts what that takes."""

    def __init__(self, problem: Problem, paths: int | None, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self._model, self._start, self._noise_std = model_of(problem)
        self._read = metric_on_points(problem, self._model)
        effective = effective_modes(curvatures(self._model, self._start))
        self.draws = paths or FOLLOWING.draws(self._model.residual_count, effective)
        self.evaluations = 0

    def settling(self, C: float, expected: float, tries: int) -> tuple[float, float]:
        """Median convergence time, and that of the :data:`SETTLED` share of the paths."""
        margin = FOLLOWING.margin
        duration = FOLLOWING.slack * max(margin * expected, expected + MEMORIES_PAST / C)
        for _ in range(tries):
            times, values = self._values(C, duration)
            steps = np.rint(times * UNIT).astype(np.int64)
            momentum = np.full(len(values), 1 - C / UNIT)
            if settled(steps, values, momentum, self._problem.goal, margin).mean() >= SETTLED:
                judged = convergence(
                    steps,
                    values,
                    momentum,
                    self._problem.goal,
                    recorded=np.full(len(values), len(times)),
                    diverged=np.zeros(len(values), bool),
                )
                known = np.where(np.isfinite(judged.step), judged.step, np.inf) / UNIT
                return float(np.median(known)), float(np.quantile(known, SETTLED, method="lower"))
            if times[-1] < duration:
                return float("nan"), float("nan")
            duration *= 2
        return float("inf"), float("inf")

    def _values(self, C: float, duration: float) -> tuple[Times, Values]:
        times = np.linspace(0, duration, FOLLOWING.records)
        about = {"C": C, "noise_std": self._noise_std}
        if self.draws > 1:
            steps = round(duration / (FOLLOWING.step * min(1, 1 / C)))
            self.evaluations += 2 * self.draws * steps
            points = limit_ensemble(
                self._model,
                self._start,
                **about,
                times=times,
                runs=self.draws,
                key=jax.random.key(self._seed),
                step=FOLLOWING.step,
            )
            return times, self._read(points)
        try:
            path = limit_path(
                self._model,
                self._start,
                **about,
                times=times,
                tolerance=FOLLOWING.tolerance,
                floor=FOLLOWING.floor,
                max_steps=FOLLOWING.steps_on(duration),
            )
        except PathEndedError as ended:
            path = ended.path
        self.evaluations += path.evaluations
        return path.times, self._read(path.points[None])
