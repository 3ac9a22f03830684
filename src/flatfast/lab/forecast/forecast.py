"""The best momentum of a problem before any run of it.

Two answers, of which the second takes longer and holds more:

* from the flow along the manifold and the oscillator at its end: ``C``, one convergence time;
* from the limit dynamics at a row of prefactors: the curve of times, and its minimum.
"""

from collections.abc import Callable

import numpy as np

from flatfast.lab.estimation.optimum import DEFAULT_FIT
from flatfast.lab.forecast.limit_times import predicted_times
from flatfast.lab.forecast.model import (
    curvatures,
    effective_modes,
    metric_on_points,
    model_of,
)
from flatfast.lab.forecast.record import Forecast
from flatfast.lab.problem import Problem
from flatfast.lab.threads import one_blas_thread
from flatfast.theory import (
    PathEndedError,
    Prefactor,
    SquaredError,
    flow_relaxation,
    prefactor,
)
from flatfast.theory.flow import method_for

AROUND = tuple(float(factor) for factor in np.geomspace(0.5, 5.0, 7))
"""Prefactors of the curve, in units of the flow's; two more are put beside the best of them."""

LEAST_RATIO = 0.2
"""Of ``C*``, for the curve's unit at least: a goal that leaves much has no fastest C by the flow,
which then is none to look around."""

DENSE_UP_TO = 1_000_000
"""Entries of the Jacobian up to which the limit's paths are followed: they make thousands."""

FLOW_CURVE = 17
"""Points on the flow's curve, from its best prefactor to the last of these. Below the best one
oscillator overshoots its goal, and its time jumps as that of many modes does not."""

FEWEST = 4
"""Times on the curve that its minimum needs."""


@one_blas_thread()
def forecast(
    problem: Problem,
    *,
    limit: bool | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Forecast:
    """Predict the best prefactor and its convergence time.

    Args:
        problem: With residuals and label noise.
        limit: Whether to follow the limit's paths; by default where the Jacobian has at most
            :data:`DENSE_UP_TO` entries.
        progress: Told what is being done.

    Returns:
        The forecast.

    Raises:
        ValueError: If the problem has no residuals or no label noise, the start meets the goal, or
            the flow never does.
        NotOnManifoldError: If the start does not lead to zero loss.
        PathEndedError: If the flow cannot be followed to the goal.
    """
    progress("onto the manifold of minimizers")
    model, start, noise_std = model_of(problem)
    read = metric_on_points(problem, model)
    begin = float(read(start[None])[0])
    eigenvalues = curvatures(model, start)
    way = "" if method_for(model) == "dense" else ", by products with the Jacobian"
    progress(f"the flow along it: {model.residual_count:,} modes{way}")
    threshold = problem.goal.threshold_from(begin)
    try:
        relaxed = flow_relaxation(model, start, threshold=threshold, metric=read)
    except PathEndedError as ended:
        value = float(read(ended.path.points[-1:])[0])
        raise PathEndedError(
            f"the flow cannot be followed to the goal, {threshold:.4g}: near {value:.4g} the "
            "manifold has singular points, where the solver's steps are too small. A goal that "
            "leaves more is met before",
            ended.path,
        ) from None
    found = prefactor(relaxed.rate, noise_std, model.examples, relaxed.fraction)
    curve: tuple[tuple[float, ...], tuple[float | None, ...]] = ((), ())
    best_prefactor = best_time = paths = None
    evaluations = relaxed.evaluations
    if limit or (limit is None and model.size * model.residual_count <= DENSE_UP_TO):
        predicted = predicted_times(
            problem,
            max(found.C, LEAST_RATIO * found.critical) * np.array(AROUND),
            refine=True,
            expected=lambda C: float(found.time_at(C, relaxed.fraction)),
            progress=lambda C: progress(f"the limit dynamics at C {C:.3g}"),
        )
        evaluations += predicted.evaluations
        paths = predicted.paths
        times = tuple(float(t) if np.isfinite(t) else None for t in predicted.time)
        curve = (tuple(float(c) for c in predicted.C), times)
        best_prefactor, best_time = minimum_of(*curve)
    return Forecast(
        problem.name,
        model.residual_count,
        float(eigenvalues[-1]),
        float(eigenvalues[0]),
        noise_std,
        model.examples,
        float(relaxed.rate),
        relaxed.fraction,
        found.critical,
        found.C,
        found.time,
        _flow_curve(found, relaxed.fraction),
        *curve,
        best_prefactor,
        best_time,
        evaluations,
        effective_modes(eigenvalues),
        paths,
    )


def is_small(problem: Problem) -> bool:
    """Whether a problem's Jacobian is small enough for the limit's paths."""
    assert problem.residuals is not None
    model = SquaredError(problem.residuals, problem.start())
    return model.size * model.residual_count <= DENSE_UP_TO


def minimum_of(
    C: tuple[float, ...], time: tuple[float | None, ...]
) -> tuple[float | None, float | None]:
    """The minimum of a curve, fitted as that of a sweep; None if too few times are known."""
    known = [(c, t) for c, t in zip(C, time, strict=True) if t is not None]
    if len(known) < FEWEST:
        return None, None
    log_C, log_time = np.log(np.array(known)).T
    found = DEFAULT_FIT.minimum(log_C, log_time[None, None], np.array([log_time.max() + 1]))
    place = float(np.clip(found.log_mu[0, 0], log_C[0], log_C[-1]))
    return float(np.exp(place)), float(np.exp(found.log_time[0, 0]))


def _flow_curve(found: Prefactor, fraction: float) -> tuple[tuple[float, float], ...]:
    constants = found.C * np.geomspace(1, AROUND[-1], FLOW_CURVE)
    times = found.time_at(constants, fraction)
    return tuple(zip(constants.tolist(), times.tolist(), strict=True))
