"""The flow along a case's manifold, and h by every way there is to say what it is."""

import time
from typing import Any

from flatfast.lab.forecast.limit_times import FOLLOWING
from flatfast.lab.forecast.model import metric_on_points, model_of
from flatfast.theory import (
    NotOnManifoldError,
    SquaredError,
    drift_curvature,
    excess_rate,
    flow_relaxation,
    hessian_trace,
    nearest,
    trace_curvature,
    trace_curvatures,
)
from flatfast.theory.flow import method_for
from flatfast.theory.model import Array
from studies.prefactor.cases import Case


def geometry(case: Case) -> dict[str, Any]:
    """The flow from a problem's start, and h by all the ways there are for a model of its size."""
    begun = time.perf_counter()
    problem = case.load()
    model, start, _ = model_of(problem)
    read = metric_on_points(problem, model)
    begin = float(read(start[None])[0])
    threshold = problem.goal.threshold_from(begin)
    options: dict[str, Any] = {"tolerance": FOLLOWING.tolerance, "floor": FOLLOWING.floor}
    relaxed = flow_relaxation(model, start, threshold=threshold, metric=read, **options)
    trace, trace_end = hessian_trace(model, start), hessian_trace(model, relaxed.point)
    found: dict[str, Any] = {
        "parameters": model.size,
        "modes": model.residual_count,
        "examples": model.examples,
        "floor": FOLLOWING.floor,
        "metric": problem.goal.metric,
        "start": begin,
        "end": relaxed.end,
        "fraction": relaxed.fraction,
        "time": relaxed.time,
        "evaluations": relaxed.evaluations,
        "trace": trace,
        "trace_end": trace_end,
        "h": {
            "flow": float(relaxed.rate),
            "excess": excess_rate(model, start, trace_end, floor=FOLLOWING.floor),
            "drift": drift_curvature(model, start, floor=FOLLOWING.floor),
        },
    }
    if method_for(model) == "dense":
        if not problem.goal.metric.endswith("trace"):
            goal = trace_end + relaxed.fraction * (trace - trace_end)
            by_trace = flow_relaxation(model, start, threshold=goal, **options)
            found["h"]["flow of the trace"] = float(by_trace.rate)
        found["h"] |= _at_the_end(model, start, relaxed.point)
    return found | {"seconds": time.perf_counter() - begun}


def _at_the_end(model: SquaredError, start: Array, end: Array) -> dict[str, float]:
    """Curvatures at the end of the flow: towards the start, and the largest; none if it is off Γ.

    With a floor the flow may leave Γ where modes fade, as at a point of lost rank.
    """
    try:
        point = nearest(model, end).point
        found = {"end, from the start": trace_curvature(model, point, start - point)}
    except NotOnManifoldError:
        return {}
    if model.size > 2:
        found["end, largest"] = float(trace_curvatures(model, point, 1)[0])
    return found
