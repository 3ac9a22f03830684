"""tau_1 and tau_2 measured on SGD, against their closed forms, and where the two measured meet.

Over learning rates and momenta about the predicted crossing, and at one learning rate up to
momenta at which modes are overdamped:

* tau_1 from the autocorrelation of modes' coordinates where the drift has come to rest;
* tau_2 from the Hessian's trace on the manifold, as its mean over runs relaxes from the start;
* the limit dynamics' tau_2 beside it, which knows of the drift's inertia;
* the crossing of the measured curves at each learning rate, its exponent, and its ratio to the best
  momentum of the committed sweeps.

Every pair is written to ``results/timescales/timescales.json`` when it is done.

    python -m studies.timescales.run [--quick]
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast import timescales
from flatfast.lab.engines.devices import use_all_cores
from flatfast.lab.goal import COOLED, Goal
from flatfast.lab.machine import machine, versions
from flatfast.lab.prediction import model_of
from flatfast.lab.problem import Params, Problem
from flatfast.lab.problems import load
from flatfast.lab.simulation.simulate import simulate
from flatfast.law import GAMMA
from flatfast.theory import (
    MeasuredTime,
    Modes,
    PathEndedError,
    SquaredError,
    curvature_range,
    decay_time,
    flow_on_manifold,
    flow_relaxation,
    hessian_modes,
    hessian_trace,
    hessian_traces,
    limit_ensemble,
    limit_path,
    nearest,
    relaxation_time,
    settling_time,
)
from studies.timescales.analysis import summarise

RATIOS = (0.315, 0.5, 0.8, 1.25, 2.0, 3.15)
"""``C`` of the pairs about the crossing, in units of the predicted ``C``."""

BURN, LENGTH = 4.0, 16.0
"""Decay times before and during the record of a transverse coordinate."""

READINGS = 128
"""Of the trace, on the way down."""

PATHS = 4096
"""Of the limit with random amplitudes."""

MARGIN = 2.0
"""Length of the runs of a drift, in the time that it is expected to take."""

KEPT = 1e-6
"""Share of the largest curvature below which a mode is lost."""

FAINT = 0.1
"""Share of the largest singular value of a factor below which the drift removes it."""

SHARES = (1.0, 0.5, 0.25, 0.125)
"""Of the problem's noise, at the largest learning rate and the smallest C."""

MODES = ("softest", "steepest")


class Case(NamedTuple):
    """What is measured on a problem.

    Attributes:
        lrs: Learning rates.
        far_lr: The one at which momenta go on to where modes are overdamped.
        far: ``C`` there, in units of the predicted.
        runs: Runs of each pair.
        records: Of a transverse coordinate; an oscillation takes more than ten.
        trace: Name of the Hessian's trace, read on the manifold.
        longest: Steps up to which a drift is followed.
    """

    lrs: tuple[float, ...]
    far_lr: float
    far: tuple[float, ...]
    runs: int
    records: int
    trace: str
    longest: int


CASES = {
    "scalar-product": Case(
        (1e-6, 1e-5, 1e-4, 1e-3), 1e-3, (6.3, 12.5, 25.0), 128, 4096, "projected_trace", 2_000_000
    ),
    "matrix-sensing": Case(
        (5e-4, 1e-3, 2e-3, 4e-3),
        4e-3,
        (6.3, 12.5, 25.0),
        32,
        16384,
        f"{COOLED}trace",
        120_000,
    ),
}


class Setting(NamedTuple):
    """A problem, seen by the theory: its start, where its drift rests, and the flow between.

    Attributes:
        problem: From its start, for the simulator.
        resting: The same from where its drift rests, with modes' coordinates for metrics.
        model: For the theory.
        start: On the manifold, (D,).
        modes: The softest and the steepest where the drift rests.
        noise_std: Of the labels.
        flow_time: In which the flow brings the trace to 1/e of its excess.
        end: The trace at the flow's end.
        prefactor: ``C`` at which the closed forms of both times meet.
    """

    problem: Problem
    resting: Problem
    model: SquaredError
    start: NDArray[np.float64]
    modes: Modes
    noise_std: float
    flow_time: float
    end: float
    prefactor: float


def prepare(name: str) -> Setting:
    """Follow the flow from the problem's start to its rest."""
    problem = load(name)
    model, start, noise_std = model_of(problem)
    relaxed = flow_relaxation(model, start)
    # With this noise the flow's own time is the S of the relaxation.
    unit = 2 * model.examples**0.5
    times = np.linspace(0, 16 * relaxed.time, 3)
    flow = flow_on_manifold(model, start, noise_std=unit, times=times, tolerance=1e-4, floor=1e-2)
    rest = nearest(model, without_faint(model, flow.points[-1])).point
    modes = hessian_modes(model, rest)
    kept = np.flatnonzero(modes.curvature > KEPT * modes.curvature[-1])
    kept = np.unique(kept[[0, -1]])
    shown = modes._replace(
        curvature=modes.curvature[kept],
        direction=modes.direction[kept],
        residual=modes.residual[kept],
    )
    return Setting(
        problem,
        at_rest(problem, model, rest, shown),
        model,
        start,
        shown,
        noise_std,
        float(relaxed.time),
        relaxed.end,
        float(timescales.prefactor_from_curvature(noise_std, relaxed.rate, model.examples)),
    )


def without_faint(model: SquaredError, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """A factor without the singular values that the drift has all but removed."""
    params = model.tree(point)
    if "U" not in params:
        return point
    left, values, right = np.linalg.svd(params["U"])
    return model.flat({"U": (left * np.where(values > FAINT * values[0], values, 0.0)) @ right})


def at_rest(
    problem: Problem, model: SquaredError, rest: NDArray[np.float64], modes: Modes
) -> Problem:
    """The problem from a point, with the coordinates of modes for metrics."""
    assert problem.residuals is not None
    residuals = problem.residuals

    def coordinate(mode: int) -> Callable[[Params], jax.Array]:
        weights = modes.residual[mode] / (modes.examples * modes.curvature[mode]) ** 0.5

        def read(params: Params) -> jax.Array:
            found = jnp.ravel(residuals(params))
            return jnp.vdot(jnp.asarray(weights, found.dtype), found)

        return read

    metrics = {
        name: coordinate(mode)
        for name, mode in zip(MODES, range(len(modes.curvature)), strict=False)
    }
    point = model.tree(rest)
    return dataclasses.replace(
        problem, start=lambda: point, metrics=metrics, goal=Goal(MODES[0], 0.5)
    )


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


def limit_along(setting: Setting, C: float, expected: float) -> float | None:
    """tau_2 of the limit dynamics, in ``lr^(-2/3)`` steps."""
    times = np.linspace(0, MARGIN * expected, READINGS + 1)
    options: dict[str, Any] = {"C": C, "noise_std": setting.noise_std, "times": times}
    model, start = setting.model, setting.start
    if model.residual_count == 1:
        key = jax.random.key(0)
        points = limit_ensemble(model, start, runs=PATHS, key=key, **options)
    else:
        try:
            path = limit_path(model, start, tolerance=1e-4, floor=1e-2, **options)
        except PathEndedError as ended:
            path = ended.path
        points, times = np.tile(path.points, (4, 1, 1)), path.times
    traces = hessian_traces(model, points.reshape(-1, model.size)).reshape(points.shape[:2])
    try:
        return relaxation_time(times, traces, end=setting.end).time
    except ValueError:  # ended too early
        return None


def as_json(time: MeasuredTime) -> dict[str, float]:
    """Plain numbers."""
    return {name: float(value) for name, value in time._asdict().items()}


def measure(name: str, case: Case, result: dict[str, Any], save: Callable[[], None]) -> None:
    """All pairs of a problem that are not in the result yet."""
    pairs = [(lr, q) for lr in case.lrs for q in RATIOS]
    pairs += [(case.far_lr, q) for q in case.far]
    rows = result.setdefault("rows", {})
    if all(f"{lr:g} {q:g}" in rows for lr, q in pairs) and "noise" in result:
        return
    setting = prepare(name)
    softest, steepest = curvature_range(setting.model, setting.start)
    result |= {
        "flow_time": setting.flow_time,
        "prefactor": setting.prefactor,
        "trace": {"start": hessian_trace(setting.model, setting.start), "end": setting.end},
        "curvature_at_start": [softest, steepest],
        "curvature_at_rest": [float(c) for c in setting.modes.curvature],
        "runs": case.runs,
    }
    limit = result.setdefault("limit", {})
    for number, (lr, q) in enumerate(pairs):
        # Noise of their own keeps the errors of two pairs apart.
        seeds = np.arange(case.runs) + number * case.runs
        key, C = f"{lr:g} {q:g}", q * setting.prefactor
        if key in rows:
            continue
        mu, scale = C * lr**GAMMA, lr**-GAMMA
        # In a parabola, with the drift's inertia.
        expected = float(settling_time(q, np.exp(-1))) / setting.prefactor
        if f"{q:g}" not in limit and q in RATIOS:
            limit[f"{q:g}"] = limit_along(setting, C, expected)
        row = {"lr": lr, "ratio": q, "mu": mu, "oscillator": expected * scale}
        begun = time.perf_counter()
        row["tau_1"] = measure_across(setting, case, lr, 1 - mu, seeds)
        if MARGIN * expected * scale <= case.longest:
            row["tau_2"] = measure_along(setting, case, lr, 1 - mu, seeds, expected * scale)
        print(f"{name} {key}: {time.perf_counter() - begun:.1f} s", flush=True)
        rows[key] = row
        save()
    result["noise"] = less_noise(setting, case)
    save()


def less_noise(setting: Setting, case: Case) -> list[dict[str, Any]]:
    """tau_1 where it is off the most, with less and less noise: its closed form has none in it."""
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


def main() -> None:
    """Measure, summarise and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results/timescales/timescales.json"))
    parser.add_argument("--quick", action="store_true", help="few runs, one problem, two rates")
    chosen = parser.parse_args()
    use_all_cores()
    cases = CASES
    if chosen.quick:
        few = CASES["scalar-product"]._replace(lrs=(1e-4, 1e-3), runs=16, far=(12.5,))
        cases = {"scalar-product": few}
        chosen.out = chosen.out.with_stem(chosen.out.stem + "-quick")
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = json.loads(chosen.out.read_text()) if chosen.out.exists() else {}

    def save() -> None:
        chosen.out.write_text(json.dumps(result, indent=1) + "\n")

    result |= {"machine": machine(), "versions": versions()}
    for name, case in cases.items():
        entry = result.setdefault(name, {})
        measure(name, case, entry, save)
        summarise(name, entry, case.lrs)
        save()


if __name__ == "__main__":
    main()
