"""Momentum that is measured while training goes on, against momentum 0.9 and one calibration."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from numpy.typing import NDArray

from flatfast.lab.descent import descend
from flatfast.lab.estimation.convergence import convergence
from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Problem
from flatfast.lab.problems import load
from flatfast.law import GAMMA
from flatfast.torch import SGD, calibrate
from studies.calibration.cases import CASES, SMALL
from studies.calibration.twins import Twin, twin

SEEDS = 3
RECORDS = 40
DURATION = 40.0
"""Length of a run in units of ``lr^(-2/3)`` steps over ``C*``."""


@dataclass(frozen=True)
class Trial:
    """A problem at a learning rate."""

    problem: str
    settings: dict[str, Any]
    lr: float

    @property
    def key(self) -> str:
        """Its name in the result."""
        return f"{self.problem} {json.dumps(self.settings)} {self.lr:g}"


TRIALS = (
    Trial("matrix-sensing", {}, 0.03),
    Trial("matrix-sensing", {"noise_std": 0.25}, 0.03),
    Trial("teacher-student", {}, 0.06),
    Trial("teacher-student", {"noise_std": 1.0}, 0.06),
    Trial("scalar-product", {}, 1e-3),
    Trial("digits-mlp", {}, 0.01),
    Trial("digits-mlp", {"noise_std": 1.0}, 0.01),
    Trial("digits-mlp", {"activation": "relu", "init_seed": 1}, 0.01),
    # Away from zero loss.
    Trial("digits-mlp", {"start": "init", "noise_std": 0.2}, 0.01),
    Trial("digits-mlp", {"loss": "cross-entropy"}, 0.02),
    Trial("digits-resnet", {**SMALL}, 3e-3),
)
QUICK = Trial("scalar-product", {}, 0.01)

GOALS = {case.settings.get("loss"): case.goal for case in CASES if case.goal is not None}
"""Goals by the loss, where they are not the problem's own."""


def made(kind: str, twinned: Twin, lr: float) -> torch.optim.Optimizer:
    """The optimizer of a method."""
    model, loss_fn, data, _ = twinned
    if kind == "momentum 0.9":
        return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)

    def measure(lr: float) -> Any:
        return calibrate(model, loss_fn, data, lr)

    if kind == "auto":
        return SGD(model.parameters(), lr=lr, C="auto", measure=measure)
    return SGD(model.parameters(), lr=lr, C=measure(lr))


def run(
    problem: Problem, kind: str, lr: float, steps: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[float], int]:
    """Steps, the goal's metric at them, the prefactors in use, and the calibrations' cost."""
    torch.manual_seed(seed)
    twinned = twin(problem, seed)
    model, loss_fn, (inputs, targets), params = twinned
    optimizer = made(kind, twinned, lr)
    name = problem.goal.metric
    metric = problem.metrics[name.removeprefix(COOLED)]

    @jax.jit
    def read(at: Any) -> jax.Array:
        cold = descend(problem.loss, at, problem.cooling) if name.startswith(COOLED) else at
        return jnp.asarray(metric(cold))

    marks = np.unique(np.concatenate([[0], np.geomspace(10, steps, RECORDS)]).round().astype(int))
    values, used = [float(read(params(model)))], []
    for before, after in pairwise(marks):
        for _ in range(after - before):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(inputs), targets).backward()
            optimizer.step()
        values.append(float(read(params(model))))
        momentum = float(optimizer.param_groups[0]["momentum"])
        used.append((1 - momentum) * lr**-GAMMA)
    state = optimizer.param_groups[0].get("auto", {})
    return marks, np.array(values), used, int(state.get("spent", 0))


def compared(trial: Trial, seeds: int = SEEDS) -> dict[str, Any]:
    """All methods on one problem."""
    torch.set_num_threads(1)
    lr, problem = trial.lr, load(trial.problem, trial.settings)
    problem = replace(problem, goal=GOALS.get(trial.settings.get("loss"), problem.goal))
    with jax.enable_x64(False):
        begin = twin(problem, 0)
        found = calibrate(begin.model, begin.loss_fn, begin.data, lr)
        steps = round(DURATION / found.critical * lr**-GAMMA)
        methods: dict[str, Any] = {}
        for kind in ("momentum 0.9", "calibrated once", "auto"):
            if kind == "calibrated once" and not found.ok:
                continue
            rows = [run(problem, kind, lr, steps, seed) for seed in range(seeds)]
            judged = convergence(
                rows[0][0],
                np.stack([row[1] for row in rows]),
                np.full(seeds, 0.9),
                problem.goal,
                recorded=np.full(seeds, len(rows[0][0])),
                diverged=np.array([not np.isfinite(row[1]).all() for row in rows]),
            )
            methods[kind] = {
                "steps": [float(t) if np.isfinite(t) else None for t in judged.step],
                "C": [row[2] for row in rows],
                "marks": rows[0][0].tolist(),
                "metric": [row[1].tolist() for row in rows],
                "spent": [row[3] for row in rows],
            }
    return {
        "problem": trial.problem,
        "settings": trial.settings,
        "lr": lr,
        "limit": steps,
        "ok": found.ok,
        "C_at_start": found.C,
        "methods": methods,
    }
