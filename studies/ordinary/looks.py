"""What is to be seen at points of a training: both bounds, and the best momentum beside them."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from flatfast.calibration.noise import Noise
from flatfast.calibration.plan import plan
from flatfast.calibration.sharpness import sharpness_of
from flatfast.calibration.window import window_of
from flatfast.lab.calibration import ProblemLandscape
from studies.calibration.walk import Walk
from studies.ordinary.cases import SEEDS, SHARES
from studies.regimes.cases import Case

BUDGET = 60
"""Gradient evaluations of a look, of which products come on top."""

PAIRS, PRODUCTS = 10, 12

Row = dict[str, Any]


def looks(case: Case, swept: Row) -> list[Row]:
    """A row for each learning rate whose best momentum is located.

    Args:
        case: The sweep.
        swept: What is known of it: ``lr``, ``best_c``, ``scaled_time``.
    """
    problem = case.make()
    # The walk asks for a trace that is not read.
    walked = replace(problem, metrics={**problem.metrics, "trace": problem.loss})
    rows = []
    with jax.enable_x64(False):
        landscape = ProblemLandscape(problem)
        for lr, best, time in zip(swept["lr"], swept["best_c"], swept["scaled_time"], strict=True):
            if best is None:
                continue
            mu, steps = best["estimate"] * lr**0.5, time * lr**-0.5
            points: dict[float, list[Row]] = {share: [] for share in SHARES}
            for seed in range(SEEDS):
                walk = Walk(walked, lr, mu, seed)
                for share in SHARES:
                    walk.to(round(share * steps))
                    points[share].append(_look(landscape.at(walk.params, seed), lr))
            rows.append(
                {
                    "lr": lr,
                    "best_mu": mu,
                    "low": best["low"] * lr**0.5,
                    "high": best["high"] * lr**0.5,
                    "steps": steps,
                    "points": [{"share": share, "seen": seen} for share, seen in points.items()],
                }
            )
    return rows


def _look(landscape: ProblemLandscape, lr: float) -> Row:
    noise = Noise()
    for _ in range(PAIRS):
        noise.add(landscape)
    sharpness = float(sharpness_of(landscape, plan(BUDGET), lambda made: None).trace)
    window, _ = window_of(landscape, noise, sharpness, lr, PRODUCTS)
    damps = None if np.isnan(window.damps) else window.damps
    return {"sharpness": sharpness, "settles": window.settles, "damps": damps}
