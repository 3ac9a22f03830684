"""Synthetic studies for the tests of the report.

The slow coordinate of each run is a damped oscillator in scaled time, ``x'' = -C x' - C*^3/(4C) x``
with ``C = mu / lr^(2/3)``: the limit equations of the law. Its square, with seed noise, is the
metric. Times, statuses, fits come from the lab's own functions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from flatfast.lab.analysis import analyse, methods_of
from flatfast.lab.estimation.convergence import convergence
from flatfast.lab.estimation.exponent import fit_exponent
from flatfast.lab.estimation.ranges import compared_rates, rates_beyond
from flatfast.lab.estimation.times import time_grid
from flatfast.lab.goal import Goal
from flatfast.lab.report import Study

BEST_C = 0.24
LRS = np.geomspace(2e-3, 0.1, 7)
GOAL = Goal("test_error", 0.1)
RESAMPLES = 100
CURVATURE = 18.0


def oscillator(t: NDArray[np.float64], friction: NDArray[np.float64]) -> NDArray[np.float64]:
    """x(t) from x(0) = 1, x'(0) = 0 with friction C; shapes broadcast."""
    root = np.sqrt(friction.astype(complex) ** 2 - BEST_C**3 / friction + 1e-12) / 2
    fast, slow = -friction / 2 - root, -friction / 2 + root
    return np.asarray(((slow * np.exp(fast * t) - fast * np.exp(slow * t)) / (slow - fast)).real)


def make_runs(
    lrs: Sequence[float] = tuple(LRS),
    seeds: int = 6,
    *,
    method: str = "grid",
    pairs: Sequence[tuple[float, float]] | None = None,
    metrics: Callable[..., Mapping[str, NDArray[np.float64]]] | None = None,
    goal: Goal = GOAL,
    length: float = 8.0,
    records: int = 256,
    floor: float = 0.0,
    trajectories: bool = True,
    random: int = 0,
) -> pa.Table:
    """A table of runs; ``pairs`` of (lr, mu) instead of the full grid."""
    rng = np.random.default_rng(random)
    if pairs is None:
        constants = np.geomspace(0.03, 2.4, 14)
        pairs = [(lr, mu) for lr in lrs for mu in np.unique(_grid_mu(lrs, constants)) if mu < 1]
    lr = np.repeat([p[0] for p in pairs], seeds)
    mu = np.repeat([p[1] for p in pairs], seeds)
    seed = np.tile(np.arange(seeds), len(pairs))
    limit = np.maximum(np.rint(length * 57 * lr ** (-2 / 3)), 2 * records).astype(np.int64)
    pace = np.exp(0.1 * np.random.default_rng(7).standard_normal(seeds))[seed]
    step = np.rint(np.linspace(0, 1, records + 1) * limit[:, None])
    t = step * (lr ** (2 / 3) * pace * np.exp(0.08 * rng.standard_normal(len(lr))))[:, None]
    x = oscillator(t, (mu / lr ** (2 / 3))[:, None])
    noise = rng.standard_normal(x.shape) * np.sqrt(np.minimum(t, 1))
    made = dict((metrics or _test_error)(x, noise, lr))
    # Runs diverge where the effective step is too large for the curvature.
    diverged = ((lr / mu > 7.0) | (lr > 0.4)) & (seed % 3 != 0)
    recorded = np.where(diverged, records // 8, records + 1)
    rows: dict[str, list[Any]] = {"step": [], "status": [], "threshold": [], "start": [], "end": []}
    for i in range(len(lr)):
        one = convergence(
            step[i].astype(np.int64),
            made[goal.metric][i : i + 1],
            1 - mu[i : i + 1],
            goal,
            recorded=recorded[i : i + 1],
            diverged=diverged[i : i + 1],
        )
        time = float(one.step[0])
        rows["step"].append(time if np.isfinite(time) else None)
        rows["status"].append(str(one.status[0]))
        rows["threshold"].append(float(one.threshold[0]))
        rows["start"].append(float(one.start[0]))
        rows["end"].append(None if diverged[i] else float(one.end[0]))
    columns: dict[str, Any] = {
        "lr": lr,
        "momentum": 1 - mu,
        "seed": seed,
        "steps": limit,
        "steps_run": np.take_along_axis(step, recorded[:, None] - 1, 1)[:, 0].astype(np.int64),
        "status": rows["status"],
        "convergence_step": pa.array(rows["step"], pa.float64()),
        "diverged_step": pa.array(
            [int(limit[i] // 8) if d else None for i, d in enumerate(diverged)], pa.int64()
        ),
        "metric_start": rows["start"],
        "metric_end": pa.array(rows["end"], pa.float64()),
        "threshold": rows["threshold"],
        "method": [method] * len(lr),
    }
    if trajectories:
        columns["record_step"] = [
            s[:r].astype(np.int64) for s, r in zip(step, recorded, strict=True)
        ]
        for name, values in made.items():
            columns[f"metric:{name}"] = [
                v[:r].astype(np.float32) for v, r in zip(values, recorded, strict=True)
            ]
    return pa.table(columns)


def _grid_mu(lrs: Sequence[float], constants: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = constants[0] * min(lrs) ** (2 / 3), min(constants[-1] * max(lrs) ** (2 / 3), 0.8)
    return np.geomspace(low, high, len(constants) + 4)


def _test_error(
    x: NDArray[np.float64], noise: NDArray[np.float64], lr: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {
        "test_error": 0.55 * (x**2 + 0.01 * (lr[:, None] ** (1 / 3)) * (1 + 0.4 * np.abs(noise)))
    }


def scalar_metrics(
    x: NDArray[np.float64], noise: NDArray[np.float64], lr: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    across = 1 + 0.12 * noise * lr[:, None] ** (1 / 6)
    return {
        "projected_trace": 2 * np.cosh(2 * x),
        "u_norm": np.exp(x) * across,
        "v_norm": np.exp(-x) * across,
    }


def cooled_metrics(
    x: NDArray[np.float64], noise: NDArray[np.float64], lr: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    return {"cooled:trace": 75 + 305 * x**2 * (1 + 0.02 * noise)}


def tested_metrics(
    x: NDArray[np.float64], noise: NDArray[np.float64], lr: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """A goal, and a test error that falls with it and is a percent lower at larger rates."""
    return {
        **cooled_metrics(x, noise, lr),
        "cooled:test_error": 0.2 + 0.15 * x**2 * (1 + 0.05 * noise) - 0.01 * (lr[:, None] > 0.01),
    }


def make_comparison(
    grid: pa.Table, lrs: Sequence[float], seeds: int = 6, **options: Any
) -> pa.Table:
    """Runs of the methods that the lab compares with the law fitted to ``grid``."""
    fit = fit_exponent(time_grid(grid), n_boot=RESAMPLES)
    tables = []
    for method in methods_of(fit):
        rates = {
            *compared_rates(method, CURVATURE, tuple(lrs)),
            *rates_beyond(method, CURVATURE),
        }
        pairs = [(lr, 1 - method.setting(lr).momentum) for lr in sorted(rates)]
        made = {"trajectories": False, **options}
        tables.append(make_runs(pairs=pairs, method=method.name, seeds=seeds, **made))
    return pa.concat_tables(tables)


def manifest(name: str, goal: Goal, **settings: Any) -> dict[str, Any]:
    return {
        "problem": {
            "name": name,
            "version": 1,
            "settings": settings,
            "goal": {
                "metric": goal.metric,
                "threshold": goal.threshold,
                "relative": goal.relative,
                "smoothing": goal.smoothing,
            },
        },
        "machine": {"processor": "an example", "cores": 4},
        "versions": {"flatfast": "0.0", "numpy": "2"},
        "command": "flatfast reproduce example",
        "created": "2026-01-01T00:00:00Z",
        "dtype": "float32",
    }


@pytest.fixture(scope="session")
def full() -> Study:
    """Everything: a sweep with trajectories and compared methods."""
    grid = make_runs()
    compared = make_comparison(grid, LRS.tolist())
    runs = pa.concat_tables([grid, compared], promote_options="default")
    about = manifest("matrix-sensing", GOAL, dimension=20)
    return analyse(runs, about | {"comparison": {"curvature": CURVATURE}}, n_boot=RESAMPLES)


@pytest.fixture(scope="session")
def scalar() -> Study:
    """The scalar product's metrics, no comparison."""
    goal = Goal("projected_trace", 2.5, relative=False)
    runs = make_runs(metrics=scalar_metrics, goal=goal)
    return analyse(runs, manifest("scalar-product", goal, target=1.0), n_boot=RESAMPLES)


@pytest.fixture(scope="session")
def deep() -> Study:
    """A metric of the cooled iterate, momenta that follow the law, few seeds."""
    goal = Goal("cooled:trace", 0.35)
    lrs = 2e-3 * 1.5 ** (1.5 * np.arange(4))
    pairs = [(lr, c * lr ** (2 / 3)) for lr in lrs for c in 0.05 * 1.5 ** np.arange(9)]
    runs = make_runs(pairs=pairs, metrics=cooled_metrics, goal=goal, seeds=3, records=40, length=3)
    return analyse(runs, manifest("digits-mlp", goal), n_boot=RESAMPLES)


@pytest.fixture(scope="session")
def tested() -> Study:
    """A test error beside the goal, recorded of the compared methods too."""
    made = {"metrics": tested_metrics, "goal": Goal("cooled:trace", 0.35), "records": 64}
    rates = tuple(LRS[::3])
    grid = make_runs(rates, seeds=5, **made)
    compared = make_comparison(grid, rates, seeds=5, trajectories=True, **made)
    about = manifest("digits-mlp", made["goal"]) | {"comparison": {"curvature": CURVATURE}}
    return analyse(pa.concat_tables([grid, compared]), about, n_boot=RESAMPLES)


@pytest.fixture(scope="session")
def single() -> Study:
    """One learning rate, no trajectories: what a first sweep of one's own may look like."""
    runs = make_runs(lrs=[0.01], trajectories=False)
    return analyse(runs, manifest("my_problem.py:problem", GOAL), n_boot=RESAMPLES)


@pytest.fixture(scope="session")
def unreached() -> Study:
    """A goal that no run reaches."""
    goal = Goal("test_error", 1e-7)
    runs = make_runs(lrs=tuple(LRS[:3]), seeds=3, goal=goal)
    return analyse(runs, manifest("matrix-sensing", goal), n_boot=RESAMPLES)


@pytest.fixture(scope="session")
def tiny() -> Study:
    """One run, and a manifest that says nothing."""
    return analyse(make_runs(pairs=[(0.01, 0.1)], seeds=1), {}, n_boot=RESAMPLES)


STUDIES = ("full", "scalar", "deep", "tested", "single", "unreached", "tiny")


@pytest.fixture(params=STUDIES)
def study(request: pytest.FixtureRequest) -> Study:
    """Each of the studies."""
    made: Study = request.getfixturevalue(request.param)
    return made
