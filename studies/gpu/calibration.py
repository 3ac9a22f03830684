"""A calibration of one network on the card and on the CPU: the same C within their errors?"""

import math
import time

import torch

from flatfast.calibration import Calibration
from flatfast.calibration.calibrate import BUDGET
from flatfast.lab.problem import Problem
from flatfast.torch import calibrate
from studies.calibration.cases import QUICK, Case
from studies.calibration.twins import twin
from studies.gpu.apart import Job
from studies.gpu.devices import torch_device
from studies.study import Result

WHOLE = Case("digits-mlp", {"noise_std": 0.5}, lr=3e-3)
"""A case of the calibration study, as is the one of a quick look."""

SEEDS, NORMAL_95 = 4, 1.96


def measure(job: Job) -> Result:
    """Calibrate with several seeds on each device.

    The same probes cannot be had on both: devices draw by generators of their own. What can be said
    is whether the means of ``log C`` differ by more than their errors explain.
    """
    case = QUICK if job.quick else WHOLE
    seeds, budget = (2, 100) if job.quick else (SEEDS, BUDGET)
    card = "cuda" if torch.cuda.is_available() else "cpu"
    problem = case.load()
    found, seconds = {}, {}
    for place, (name, device) in enumerate((("card", card), ("cpu", "cpu"))):
        begin = time.perf_counter()
        # Other seeds on the CPU: where there is no card, the two are not to be the same.
        own = range(place * seeds, (place + 1) * seeds)
        found[name] = [_calibrated(problem, case.lr, device, seed, budget) for seed in own]
        seconds[name] = time.perf_counter() - begin
    means = {name: _mean_log(every) for name, every in found.items()}
    ratio = means["card"][0] - means["cpu"][0]
    spread = NORMAL_95 * math.hypot(means["card"][1], means["cpu"][1])
    told = {"estimate": math.exp(ratio), "low": math.exp(ratio - spread)}
    told["high"] = math.exp(ratio + spread)
    return {
        "told": (
            f"C on {card} over C on the CPU {told['estimate']:.3f} "
            f"({told['low']:.3f} to {told['high']:.3f}), {seeds} seeds each"
        ),
        "ratio": told,
        "same": told["low"] <= 1 <= told["high"],
        "C": {
            name: [{"value": float(c.C), "error": c.C.error, "ok": c.ok} for c in every]
            for name, every in found.items()
        },
        "seconds": seconds,
        "problem": case.problem,
        "settings": dict(case.settings),
        "lr": case.lr,
        "budget": budget,
        "device": torch_device(),
    }


def _calibrated(problem: Problem, lr: float, device: str, seed: int, budget: int) -> Calibration:
    made = twin(problem, seed)
    inputs, targets = made.data
    data = inputs.to(device), targets.to(device)
    return calibrate(made.model.to(device), made.loss_fn, data, lr, budget=budget, seed=seed)


def _mean_log(every: list[Calibration]) -> tuple[float, float]:
    """Mean of ``log C`` and its standard error, from each calibration's own."""
    logs = [math.log(c.C) for c in every]
    error = math.sqrt(sum(c.C.relative**2 for c in every)) / len(every)
    return sum(logs) / len(logs), error
