"""What is computed: rates, times over both betas, minima, and trainings from scratch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.goal import COOLED
from flatfast.lab.simulation.simulate import simulate as simulate_sgd
from flatfast.theory import AdamSettings, SquaredError, adam_drift, nearest, root_trace
from studies.adam import cases
from studies.adam.cases import Swept
from studies.adam.simulation import Runs, Settings, marks, simulate
from studies.transfer.optimizers import Hyper
from studies.transfer.tasks import tasks
from studies.transfer.train import train

Row = dict[str, Any]
Array = NDArray[np.float64]

LEAST = 1e-9
"""In place of a decay of 0, of which the correction would take the logarithm."""

READINGS = 80, 300.0
"""Of a run, over so large a factor in steps; where each takes a cooling:"""

COOLED_READINGS = 24, 30.0


def swept(case: Swept, lr: float) -> list[Row]:
    """Times to the goal over beta1 at one learning rate, a row a cell."""
    rates = sorted({*(m * case.edge * lr**2 for m in case.multiples), *cases.FIXED})
    mu = np.array([rate for rate in rates if rate <= 1])
    steps = int(cases.LENGTH * case.time / lr**2)
    found = _times(case, lr, 1 - mu, np.full(len(mu), case.beta2), case.seeds, steps)
    return [
        {"mu": float(m), "multiple": float(m / case.edge / lr**2), "times": known(times)}
        for m, times in zip(mu, found, strict=True)
    ]


def over_beta2(lr: float, seeds: int, length: float) -> list[Row]:
    """Times of the scalar product over beta2, measured and told."""
    case = cases.SCALAR
    cells = [(b1, b2) for b1 in cases.BETA2_BETA1 for b2 in cases.BETA2]
    beta1, beta2 = np.array(cells).T
    found = _times(case, lr, beta1, beta2, seeds, int(length * case.time / lr**2))
    return [
        {"beta1": b1, "beta2": b2, "times": known(times), "told": told_time(case, lr, b1, b2)}
        for (b1, b2), times in zip(cells, found, strict=True)
    ]


def over_squares(case: Swept, lr: float, beta1: float) -> list[Row]:
    """Times of a problem of many weights over beta2, and the speeds told at its start."""
    beta2 = np.array(cases.SQUARES)
    steps = int(cases.LENGTH * case.time / lr**2)
    found = _times(case, lr, np.full(len(beta2), beta1), beta2, case.seeds, steps)
    speed = told_speeds(case, [AdamSettings(lr, beta1, float(each)) for each in beta2])["speed"]
    return [
        {"beta2": float(b2), "times": known(times), "told": told}
        for b2, times, told in zip(beta2, found, speed, strict=True)
    ]


def told_time(case: Swept, lr: float, beta1: float, beta2: float) -> float:
    """Steps to the goal on the hyperbola by the drift that is told, with v where it settles."""
    problem = case.problem()
    start = problem.start()
    assert problem.residuals is not None
    model = SquaredError(problem.residuals, start)
    noise = float(problem.settings["noise_std"])
    begin = float(np.log(start["u"][0] / start["v"][0]) / 2)
    end = float(np.arcsinh(case.share * np.sinh(begin)))
    places = np.linspace(begin, end, 13)
    settings = AdamSettings(lr, beta1, beta2)
    speeds = []
    for q in places:
        point = np.array([np.exp(q), np.exp(-q)])
        along = np.array([point[0], -point[1]])
        speeds.append(-(adam_drift(model, point, noise, settings).drift @ along) / (along @ along))
    return float(np.trapezoid(1 / np.array(speeds)[::-1], places[::-1]))


def rates(
    lr: float, runs: int, noises: Sequence[float], betas: Sequence[tuple[float, float]]
) -> list[Row]:
    """The drift's rate on the scalar product, ``- d ln(u - v) / dk``, measured and told."""
    rows = []
    for noise in noises:
        case = Swept(**{**vars(cases.SCALAR), "settings": {"noise_std": noise}})
        beta1, beta2 = np.repeat(np.array(betas), runs, axis=0).T
        seed = np.arange(len(beta1))
        begin, end = int(0.15 / lr**2), int(0.55 / lr**2)
        at = np.array([0, begin, (begin + end) // 2, end])
        own = Settings(lr, np.maximum(beta1, LEAST), beta2)
        found = simulate(case.problem(), own, seed, at, ["difference", "sum"], corrected=False)
        apart = found.values["difference"].reshape(-1, runs, len(at))
        total = found.values["sum"].reshape(-1, runs, len(at))[:, :, 1:].mean(axis=(1, 2))
        for (b1, b2), d, both in zip(betas, apart, total, strict=True):
            each = np.log(d[:, 1] / d[:, -1]) / (end - begin)
            rows.append(
                {
                    "lr": lr,
                    "noise": noise,
                    "beta1": b1,
                    "beta2": b2,
                    "rate": float(np.log(d[:, 1].mean() / d[:, -1].mean()) / (end - begin)),
                    "error": float(each.std() / runs**0.5),
                    **_told_rate(case, float(both), noise, AdamSettings(lr, b1, b2)),
                }
            )
    return rows


def _told_rate(case: Swept, total: float, noise: float, settings: AdamSettings) -> Row:
    """At the place of the hyperbola where the weights add up to that."""
    problem = case.problem()
    assert problem.residuals is not None
    q = float(np.arccosh(total / 2))
    point = np.array([np.exp(q), np.exp(-q)])
    model = SquaredError(problem.residuals, problem.start())
    found = adam_drift(model, point, noise, settings)
    apart = np.array([1.0, -1.0])
    return {
        "told": float(-(found.drift @ apart) / (point @ apart)),
        "held": float(-(found.held @ apart) / (point @ apart)),
        "swing": float(found.rates.max()),
    }


def told_speed(case: Swept) -> Row:
    """How fast the drift that is told brings ``tr Diag(H)^(1/2)`` down at the start, by lr.

    Without momentum to speak of; in a share of the start's a step, with the swing's largest rate.
    """
    each = [AdamSettings(lr, 0.9, case.beta2) for lr in case.lr]
    return {"lr": list(case.lr), **told_speeds(case, each)}


def told_speeds(case: Swept, each: Sequence[AdamSettings]) -> Row:
    """The same at given settings, in their order."""
    problem = case.problem()
    assert problem.residuals is not None
    model = SquaredError(problem.residuals, problem.start())
    at = nearest(model, model.flat(problem.start())).point
    noise = float(problem.settings["noise_std"])
    found: Row = {"speed": [], "swing": []}
    for settings in each:
        near = adam_drift(model, at, noise, settings)
        length = 1e-4 * float(np.linalg.norm(at)) / float(np.linalg.norm(near.drift))
        ends = [root_trace(model, at + sign * length * near.drift) for sign in (-1, 1)]
        found["speed"].append((ends[0] - ends[1]) / 2 / length / root_trace(model, at))
        found["swing"].append(float(near.rates.max()))
    return found


def minima(case: Swept, lr: float, sgd_lr: float, seeds: int, longer: int) -> Row:
    """Both traces and the test error where Adam ends, and where SGD does, at momentum 0.9."""
    problem = case.problem()
    metrics = [f"cooled:{name}" for name in ("trace", "root_trace", "test_error")]
    steps = int(cases.MINIMA_LENGTH * case.time / lr**2)
    seed = np.arange(seeds)
    own = Settings(np.full(seeds, lr), np.full(seeds, 0.9), np.full(seeds, case.beta2))
    adam = simulate(problem, own, seed, np.array([0, steps // 2, steps]), metrics)
    ended = simulate_sgd(
        problem, np.full(seeds, sgd_lr), np.full(seeds, 0.9), seed,
        steps=longer * steps, records=2, metrics=metrics,
    )  # fmt: skip
    sgd = Runs(np.asarray(ended.steps), {name: np.asarray(ended.values[name]) for name in metrics})
    return {
        "steps": {"adam": steps, "sgd": longer * steps},
        "start": {name: float(adam.values[name][0, 0]) for name in metrics},
        "adam": {name: adam.values[name][:, -2:].tolist() for name in metrics},
        "sgd": {name: sgd.values[name][:, -2:].tolist() for name in metrics},
    }


def scratch(task: str, beta1: float, seeds: int) -> Row:
    """Test losses at the end over learning rates, (lr, seed), of AdamW from scratch."""
    settings = [Hyper(lr, beta1, cases.SCRATCH_BETA2) for lr in cases.SCRATCH_LR]
    own = tasks()[task]
    runs = [train(own, "AdamW", "cosine", own.batch, settings, seed) for seed in range(seeds)]
    return {"losses": np.stack([run.losses[:, -1] for run in runs], axis=1).tolist()}


def known(times: Array) -> list[float | None]:
    """Times as plain JSON, which has no infinity."""
    return [float(time) if np.isfinite(time) else None for time in times]


def _times(
    case: Swept, lr: float, beta1: Array, beta2: Array, seeds: int, steps: int
) -> NDArray[np.float64]:
    """Times to the goal, (cells, seeds); infinite where it is not reached for good."""
    own = Settings(lr, np.repeat(np.maximum(beta1, LEAST), seeds), np.repeat(beta2, seeds))
    seed = np.tile(np.arange(seeds), len(beta1))
    usual = COOLED_READINGS if case.goal.startswith(COOLED) else READINGS
    at = marks(steps, *(case.readings or usual))
    found = simulate(case.problem(), own, seed, at, [case.goal], corrected=case.corrected)
    return settled(at, found.values[case.goal], case.share).reshape(len(beta1), seeds)


def settled(at: NDArray[np.int64], values: Array, share: float) -> Array:
    """When the size of a metric (N, R) has fallen to a share of its start for good, (N,).

    Straight in logarithms between readings.
    """
    size = np.abs(values)
    over = ~(size <= share * size[:, :1])
    last = over.shape[1] - 1 - np.argmax(over[:, ::-1], axis=1)
    found = np.full(len(values), np.inf)
    for run in np.flatnonzero(last < len(at) - 1):
        k = int(last[run])
        high, low = np.log(size[run, k]), np.log(max(size[run, k + 1], 1e-30))
        part = (high - np.log(share * size[run, 0])) / (high - low)
        found[run] = np.exp(np.log(max(at[k], 1)) + part * np.log(at[k + 1] / max(at[k], 1)))
    return found
