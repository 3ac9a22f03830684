"""Convergence times without a run of SGD: the limit dynamics, judged as the lab judges runs.

In the limit ``lr -> 0`` with ``1 - momentum = C lr^(2/3)``, the convergence time in units of
``lr^(-2/3)`` steps is a function of C alone: that of the limit's path on the manifold of minimizers
(:mod:`flatfast.theory.limit`). Its least value is at the best C.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.descent import descend
from flatfast.lab.estimation.convergence import convergence, settled
from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Metric, Params, Problem
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

PATHS = 256
"""Draws of the amplitudes."""

STEP = 0.04
"""Step of their solver, in units of ``min(1, 1 / C)``."""

MARGIN = 2.0
"""How many times its convergence time a path must be followed (see ``settled``)."""

SETTLED = 0.75
"""Share of the paths that must have settled for their median to be read."""

FLOOR = 1e-2
"""Modes below this share of the steepest fade: past a point where the model loses rank, paths
would stall. SGD there is held by its learning rate, at which such modes are slower than its
momentum forgets."""

TOLERANCE = 1e-4

MAX_STEPS = 300
"""Steps of the solver on a path."""

DOUBLINGS = 10
"""How often a path that has not settled is made twice as long, from a length of ``10 / C``."""


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


def predicted_times(
    problem: Problem, C: ArrayLike, *, paths: int | None = None, seed: int = 0
) -> Prediction:
    """Convergence times of the limit dynamics, from rest at the end of the start's flow.

    Args:
        problem: With residuals and a ``noise_std`` in its settings.
        C: Prefactors, (N,).
        paths: Draws of the modes' amplitudes, 1 for the mean path. By default
            :data:`PATHS` where modes are few, and 1 where they are many.
        seed: Of the draws.

    Returns:
        The prediction.

    Raises:
        ValueError: If the problem has no residuals or no label noise, the start meets the goal, or
            a C is not positive.
        NotOnManifoldError: If gradient flow does not lead from the start to zero loss.
    """
    model, start, noise_std = model_of(problem)
    constants = np.sort(np.atleast_1d(np.asarray(C, np.float64)))
    draws = paths or (PATHS if model.residual_count <= FEW_MODES else 1)
    read = metric_on_points(problem, model)
    made = 0

    def follow(constant: float, duration: float) -> tuple[Times, Values]:
        nonlocal made
        times = np.linspace(0, duration, RECORDS)
        if draws > 1:
            made += draws * 2 * round(duration / (STEP * min(1, 1 / constant)))
            points = limit_ensemble(
                model,
                start,
                C=constant,
                noise_std=noise_std,
                times=times,
                runs=draws,
                key=jax.random.key(seed),
                step=STEP,
            )
            return times, read(points)
        try:
            path = limit_path(
                model,
                start,
                C=constant,
                noise_std=noise_std,
                times=times,
                tolerance=TOLERANCE,
                floor=FLOOR,
                max_steps=MAX_STEPS,
            )
        except PathEndedError as ended:
            path = ended.path
        made += path.evaluations
        return path.times, read(path.points[None])

    found = np.full(len(constants), np.nan)
    # Less friction swings wider: below a path that cannot be followed, none is tried.
    for place in reversed(range(len(constants))):
        found[place] = _settling(problem, follow, float(constants[place]))
        if np.isnan(found[place]) and np.isfinite(found).any():
            break
    return Prediction(constants, found, draws, made)


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


def _settling(
    problem: Problem, follow: Callable[[float, float], tuple[Times, Values]], C: float
) -> float:
    duration = 10 / C
    for _ in range(DOUBLINGS):
        times, values = follow(C, duration)
        steps = np.rint(times * UNIT).astype(np.int64)
        momentum = np.full(len(values), 1 - C / UNIT)
        if settled(steps, values, momentum, problem.goal, MARGIN).mean() >= SETTLED:
            judged = convergence(
                steps,
                values,
                momentum,
                problem.goal,
                recorded=np.full(len(values), len(times)),
                diverged=np.zeros(len(values), bool),
            )
            return float(np.median(np.where(np.isfinite(judged.step), judged.step, np.inf))) / UNIT
        if times[-1] < duration:
            return float("nan")
        duration *= 2
    return float("inf")
