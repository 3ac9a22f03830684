"""Convergence times without a run of SGD: the limit dynamics, judged as the lab judges runs.

In the limit ``lr -> 0`` with ``1 - momentum = C lr^(2/3)``, the convergence time in units of
``lr^(-2/3)`` steps is a function of C alone: that of the limit's path on the manifold of minimizers
(:mod:`flatfast.theory.limit`). Its least value is at the best C.
"""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.descent import descend
from flatfast.lab.estimation.convergence import MEMORIES_PAST, convergence, settled
from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Metric, Params, Problem
from flatfast.lab.threads import one_blas_thread
from flatfast.theory import (
    NotOnManifoldError,
    PathEndedError,
    SquaredError,
    flow_end,
    hessian_trace,
    limit_ensemble,
    limit_path,
    nearest,
)
from flatfast.theory.flow import method_for

UNIT = 1e6
"""Steps in a unit of the limit's time, for what counts in steps: a momentum near 1."""

RECORDS = 512
"""Readings of the goal's metric on a path."""

FEW_MODES = 16
"""Modes up to which their amplitudes are drawn: more average out, and the mean path serves."""

PATHS, FEWEST_PATHS = 256, 16
"""Draws of the amplitudes for one mode, and at least for several: M modes scatter the times by
``1 / sqrt(M)`` of what one does, and need 1 / M of the draws for the same error."""

STEP = 0.1
"""Step of their solver, in units of ``min(1, 1 / C)``. Medians of 4096 paths of the scalar product
differ by less than 2% from those at 0.04 and 0.2, without a trend."""

MARGIN = 2.0
"""How many times its convergence time a path must be followed (see ``settled``)."""

SLACK = 1.15
"""How much longer than needed for the time that is expected."""

SETTLED = 0.75
"""Share of the paths that must have settled for their median to be read."""

FLOOR = 1e-2
"""Modes below this share of the steepest fade: past a point where the model loses rank, paths
would stall. SGD there is held by its learning rate, at which such modes are slower than its
momentum forgets."""

TOLERANCE = 1e-3
"""Relative error of a step of the solver. On matrix sensing times differ by 0.6% at most, and by
0.2% mostly, from those at 1e-4."""

MAX_STEPS = 150
"""Steps of the solver on a path of up to :data:`LONG`, twice as many on one twice as long. Paths
that can be followed need a third of it; one that stalls shall not cost more than all the others."""

LONG = 300.0
"""In units of the limit's time. The pull back onto Γ, within one such unit, keeps steps below 3."""

TRIES, TRIES_NEAR = 6, 3
"""How often paths are followed, each time twice as long, until they settle; fewer times where they
have settled at a larger C, which tells how long it may take."""


NEAR = 0.2
"""Distance from Γ, as a share of a start's norm, below which the nearest point serves for the end
of the flow: they differ by its square."""

NEAREST_STEPS = 30

SAME_TRACE = 1e-6
"""Relative difference up to which a metric ``trace`` is the Hessian's."""

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


def model_of(problem: Problem) -> tuple[SquaredError, NDArray[np.float64], float]:
    """A problem as the theory sees it: its residuals, the end of its start's flow, its label noise.

    With minibatches the noise is that of the batch: its standard deviation is scaled so that
    ``noise_std^2 / P`` is that of a batch.

    Raises:
        ValueError: If the problem has no residuals or no label noise.
        NotOnManifoldError: If gradient flow does not lead from the start to zero loss.
    """
    if problem.residuals is None:
        raise ValueError(f"problem {problem.name!r} has no residuals: its loss is no squared error")
    noise_std = float(problem.settings.get("noise_std", 0.0))
    if not noise_std > 0:
        raise ValueError(f"noise_std must be positive for a drift, got {noise_std}")
    params = problem.start()
    model = SquaredError(problem.residuals, params, _own_trace(problem, params))
    batch = int(problem.settings.get("batch_size", 0)) or model.examples
    return (
        model,
        _on_manifold(problem, model),
        noise_std * (model.examples / batch) ** 0.5,
    )


def _own_trace(problem: Problem, params: Params) -> Metric | None:
    """The problem's metric ``trace``, if that is the Hessian's on the manifold: a cheaper way."""
    metric = problem.metrics.get("trace")
    if metric is None or problem.residuals is None:
        return None
    exact = SquaredError(problem.residuals, params)
    cheap, point = replace(exact, trace=metric), exact.flat(params)
    agree = np.isclose(hessian_trace(cheap, point), hessian_trace(exact, point), rtol=SAME_TRACE)
    return metric if agree else None


def _on_manifold(problem: Problem, model: SquaredError) -> NDArray[np.float64]:
    """Where a run's start lies on Γ.

    The nearest point if the start interpolates, else its flow's end. Large models have modes so
    flat that neither is reached in any time that a run has; theirs is what the lab calls back on
    the manifold, the start after cooling.
    """
    point = model.flat(problem.start())
    if method_for(model) == "matrix-free":
        with jax.enable_x64(True):
            cooled = descend(problem.loss, model.tree_at(jnp.asarray(point)), problem.cooling)
        return model.flat(cooled)
    try:
        end = nearest(model, point, steps=NEAREST_STEPS)
    except NotOnManifoldError:
        return flow_end(model, point).point
    near = end.distance <= NEAR * float(np.linalg.norm(point))
    return end.point if near else flow_end(model, point).point


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
            are few (:data:`PATHS`), and 1 where they are many.
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
            tries = TRIES_NEAR if np.isfinite(known).any() else TRIES
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


def metric_on_points(
    problem: Problem, model: SquaredError
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The goal's metric on points (..., D) of the manifold, which need no cooling."""
    metric = problem.metrics[problem.goal.metric.removeprefix(COOLED)]
    each = jax.jit(lambda points: jax.lax.map(lambda w: metric(model.tree_at(w)), points))

    def read(points: NDArray[np.float64]) -> NDArray[np.float64]:
        with jax.enable_x64(True):
            values = each(jnp.asarray(points).reshape(-1, model.size))
            return np.asarray(values).reshape(points.shape[:-1])

    return read


class _Follower:
    """Follows the limit's paths of a problem to its goal, and counts what that takes."""

    def __init__(self, problem: Problem, paths: int | None, seed: int) -> None:
        self._problem, self._seed = problem, seed
        self._model, self._start, self._noise_std = model_of(problem)
        self._read = metric_on_points(problem, self._model)
        modes = self._model.residual_count
        few = max(PATHS // modes, FEWEST_PATHS) if modes <= FEW_MODES else 1
        self.draws = paths or few
        self.evaluations = 0

    def settling(self, C: float, expected: float, tries: int) -> tuple[float, float]:
        """Median convergence time, and that of the :data:`SETTLED` share of the paths."""
        duration = SLACK * max(MARGIN * expected, expected + MEMORIES_PAST / C)
        for _ in range(tries):
            times, values = self._values(C, duration)
            steps = np.rint(times * UNIT).astype(np.int64)
            momentum = np.full(len(values), 1 - C / UNIT)
            if settled(steps, values, momentum, self._problem.goal, MARGIN).mean() >= SETTLED:
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
        times = np.linspace(0, duration, RECORDS)
        about = {"C": C, "noise_std": self._noise_std}
        if self.draws > 1:
            self.evaluations += self.draws * 2 * round(duration / (STEP * min(1, 1 / C)))
            points = limit_ensemble(
                self._model,
                self._start,
                **about,
                times=times,
                runs=self.draws,
                key=jax.random.key(self._seed),
                step=STEP,
            )
            return times, self._read(points)
        try:
            path = limit_path(
                self._model,
                self._start,
                **about,
                times=times,
                tolerance=TOLERANCE,
                floor=FLOOR,
                max_steps=MAX_STEPS * 2 ** math.ceil(math.log2(max(duration / LONG, 1.0))),
            )
        except PathEndedError as ended:
            path = ended.path
        self.evaluations += path.evaluations
        return path.times, self._read(path.points[None])
