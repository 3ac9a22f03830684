"""Both times measured on SGD, and tau_2 of the limit dynamics."""

import dataclasses
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from flatfast import timescales
from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate
from flatfast.law import GAMMA
from flatfast.theory import (
    MeasuredTime,
    PathEndedError,
    decay_time,
    hessian_traces,
    limit_ensemble,
    limit_path,
    relaxation_time,
    settling_time,
)
from studies.timescales.cases import RATIOS, SHARES, Case
from studies.timescales.setting import MODES, Setting, prepare

BURN, LENGTH = 4.0, 16.0
"""Decay times before and during the record of a transverse coordinate."""

READINGS = 128
"""Of the trace, on the way down."""

MARGIN = 2.0
"""Length of the runs of a drift, in the time that it is expected to take."""


def measured_start(name: str, case: Case) -> dict[str, Any]:
    """A problem's start, where its drift rests, and the runs of each pair."""
    return {**prepare(name).numbers(), "runs": case.runs}


def measured_pair(name: str, case: Case, number: int) -> dict[str, Any]:
    """Both times at a pair of a problem, by its number."""
    setting = prepare(name)
    lr, ratio = case.pairs[number]
    mu, scale = ratio * setting.prefactor * lr**GAMMA, lr**-GAMMA
    expected = expected_time(setting, ratio)
    # Noise of their own keeps the errors of two pairs apart.
    seeds = np.arange(case.runs) + number * case.runs
    row = {"lr": lr, "ratio": ratio, "mu": mu, "oscillator": expected * scale}
    row["tau_1"] = measure_across(setting, case, lr, 1 - mu, seeds)
    if MARGIN * expected * scale <= case.longest:
        row["tau_2"] = measure_along(setting, case, lr, 1 - mu, seeds, expected * scale)
    return row


def expected_time(setting: Setting, ratio: float) -> float:
    """tau_2 in a parabola, with the drift's inertia, in ``lr^(-2/3)`` steps."""
    return float(settling_time(ratio, np.exp(-1))) / setting.prefactor


def measure_across(
    setting: Setting, case: Case, lr: float, momentum: float, seeds: NDArray[np.int64]
) -> dict[str, Any]:
    """tau_1 of the softest and the steepest mode where the drift rests."""
    told = [float(timescales.tau_1(lr, momentum, c)) for c in setting.modes.curvature]
    stride = max(1, round((BURN + LENGTH) * max(told) / case.records))
    runs = simulate(
        setting.resting,
        lr,
        momentum,
        seeds,
        steps=stride * case.records,
        records=case.records,
        metrics=list(setting.resting.metrics),
    )
    first = round(case.records * BURN / (BURN + LENGTH))
    result = {}
    for name, tau, curvature in zip(MODES, told, setting.modes.curvature, strict=False):
        measured = decay_time(runs.values[name][:, first:], stride)
        result[name] = {
            **as_json(measured.decay),
            "frequency": measured.frequency,
            "misfit": measured.misfit,
            "predicted": tau,
            "regime": timescales.regime(lr, momentum, float(curvature)),
        }
    return result


def measure_along(
    setting: Setting,
    case: Case,
    lr: float,
    momentum: float,
    seeds: NDArray[np.int64],
    expected: float,
) -> dict[str, Any]:
    """tau_2 from the mean trace over runs, and by its closed form."""
    runs = simulate(
        setting.problem,
        lr,
        momentum,
        seeds,
        steps=round(MARGIN * expected),
        records=READINGS,
        metrics=[case.trace],
    )
    measured = relaxation_time(runs.steps, runs.values[case.trace], end=setting.end)
    told = timescales.tau_2(
        lr, momentum, setting.flow_time, setting.noise_std, setting.model.examples
    )
    return {**as_json(measured), "predicted": float(told)}


def measured_limit(name: str, case: Case, ratio: float) -> dict[str, float | None]:
    """tau_2 of the limit dynamics, in ``lr^(-2/3)`` steps; None if the limit ends too early."""
    setting = prepare(name)
    model, start = setting.model, setting.start
    times = np.linspace(0, MARGIN * expected_time(setting, ratio), READINGS + 1)
    C = ratio * setting.prefactor
    options: dict[str, Any] = {"C": C, "noise_std": setting.noise_std, "times": times}
    if case.paths:
        key = jax.random.key(0)
        points = limit_ensemble(model, start, runs=case.paths, key=key, **options)
    else:
        try:
            path = limit_path(model, start, tolerance=1e-4, floor=1e-2, **options)
        except PathEndedError as ended:
            path = ended.path
        points, times = np.tile(path.points, (4, 1, 1)), path.times
    traces = hessian_traces(model, points.reshape(-1, model.size)).reshape(points.shape[:2])
    try:
        return {"tau_2": float(relaxation_time(times, traces, end=setting.end).time)}
    except ValueError:
        return {"tau_2": None}


def as_json(time: MeasuredTime) -> dict[str, float]:
    """Plain numbers."""
    return {name: float(value) for name, value in time._asdict().items()}


def less_noise(name: str, case: Case) -> list[dict[str, Any]]:
    """tau_1 where it is off the most, with less and less noise: its closed form has none in it."""
    setting = prepare(name)
    lr, C = case.lrs[-1], RATIOS[0] * setting.prefactor
    found = []
    for share in SHARES:
        noise = {"noise_std": share * setting.noise_std}
        weak = setting._replace(
            resting=dataclasses.replace(
                setting.resting, gradient=load(setting.problem.name, noise).gradient
            )
        )
        row = measure_across(weak, case, lr, 1 - C * lr**GAMMA, np.arange(case.runs))
        found.append({"lr": lr, "share": share, **row[MODES[0]]})
    return found
