"""The comparison of methods as plain values, for the summary."""

from dataclasses import asdict
from typing import Any

import numpy as np

from flatfast.lab.estimation.comparison import MethodTime, SpeedUp
from flatfast.lab.report.study import Study


def comparison_summary(study: Study) -> dict[str, Any]:
    """The summary's entries ``comparison``, ``speedup_at_eta`` and ``speedup_best_eta``.

    Returns:
        ``comparison`` is None, and the others are empty, where no methods were compared.
    """
    found = study.comparison
    if found is None:
        return {"comparison": None, "speedup_at_eta": {}, "speedup_best_eta": {}}
    methods = []
    for method in found.methods:
        own = [time for time in found.best if time.method == method.name]
        methods.append(
            {
                "name": method.name,
                "source": method.source,
                "stability_limit": method.stable_below,
                "at_eta": [_time(time) for time in found.at_lr if time.method == method.name],
                "best": _time(own[0]) if own and np.isfinite(own[0].lr) else None,
                "beyond": [_time(time) for time in found.beyond if time.method == method.name],
            }
        )
    at_eta: dict[str, list[dict[str, Any]]] = {}
    for speedup in found.speedup_at_lr:
        at_eta.setdefault(speedup.method, []).append({"eta": speedup.lr, **_speed_up(speedup)})
    return {
        "comparison": {
            "reference": found.reference,
            "etas": list(found.lr),
            "curvature": found.curvature,
            "level": found.level,
            "resamples": found.n_boot,
            "seed": found.seed,
            "methods": methods,
        },
        "speedup_at_eta": at_eta,
        "speedup_best_eta": {
            s.method: {**_speed_up(s), "faster": s.faster} for s in found.speedup_best
        },
    }


def _time(time: MethodTime) -> dict[str, Any]:
    return {
        "eta": time.lr,
        "momentum": time.momentum,
        "outcome": time.outcome,
        "time": asdict(time.time),
        "limit": time.limit,
        "runs": time.runs,
        "converged": time.converged,
        "diverged": time.diverged,
        "end": time.end,
        "note": time.note,
    }


def _speed_up(speedup: SpeedUp) -> dict[str, Any]:
    return {**asdict(speedup.ratio), "relation": speedup.relation, "text": speedup.text}
