"""Each rule's promise, checked by simulation on a quadratic whose gradients have noise.

SGD's mean and variance follow exactly from their recursion; Adam's are those of many chains. Paths
before and after a change of batch are compared at equal samples seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatfast.rescaling import Setting, rescale
from studies.study import Result

Array = NDArray[np.float64]

FACTORS = (0.25, 4.0, 16.0)
"""Of the batch."""

TIMES = 400
"""Points of a path that are compared."""


@dataclass(frozen=True)
class Quadratic:
    """A setting of SGD on ``½ curvature w²`` from w = 1.

    Attributes:
        name: The case in words.
        setting: Before the change, at a batch of 1.
        curvature: Of the loss.
        noise: Variance of an example's gradient.
        samples: Length of the path.
    """

    name: str
    setting: Setting
    curvature: float
    noise: float
    samples: int


QUADRATICS = (
    Quadratic("long memory", Setting(lr=1e-4, momentum=0.99), 1.0, 1.0, 1500),
    Quadratic("short memory", Setting(lr=1e-3, momentum=0.5), 1.0, 1.0, 4000),
)
"""At the first, time constants are 100 steps of memory and 100 of descent; at the second 2 and 500:
what ``path`` and ``linear`` are made for."""

SGD_RULES = ("path", "linear", "noise-scale", "law", "nothing")


def moments(setting: Setting, batch: float, case: Quadratic) -> tuple[Array, Array, Array]:
    """Samples seen, mean and variance of w after each step, (steps + 1,) each.

    Args:
        setting: SGD's.
        batch: Examples in a step, of the first batch's.
        case: The quadratic.
    """
    step, kick = _linear_step(setting, case.curvature)
    noise = np.outer(kick, kick) * case.noise / batch
    mean, covariance = np.array([1.0, 0.0]), np.zeros((2, 2))
    steps = int(case.samples / batch)
    means: Array = np.ones(steps + 1)
    variances: Array = np.zeros(steps + 1)
    for n in range(1, steps + 1):
        mean, covariance = step @ mean, step @ covariance @ step.T + noise
        means[n], variances[n] = mean[0], covariance[0, 0]
    times: Array = batch * np.arange(steps + 1, dtype=np.float64)
    return times, means, variances


def _linear_step(setting: Setting, curvature: float) -> tuple[Array, Array]:
    """The matrix that takes weight and velocity to the next, and what a gradient's noise adds."""
    lr, momentum = setting.lr, setting.momentum or 0.0
    step = np.array([[1 - lr * curvature, -lr * momentum], [curvature, momentum]])
    return step, np.array([-lr, 1.0])


def deviation(times: Array, values: Array, others: Array, own: Array) -> float:
    """Largest distance of two paths over the largest value of the first.

    Args:
        times: Of the first.
        values: Of the first.
        others: Times of the second.
        own: Values of the second.
    """
    end = min(times[-1], others[-1])
    at = np.linspace(0, end, TIMES)
    first, second = np.interp(at, times, values), np.interp(at, others, own)
    return float(np.abs(first - second).max() / np.abs(first).max())


def _changed(setting: Setting, factor: float, rule: str) -> tuple[Setting, tuple[str, ...]]:
    if rule == "nothing":
        return setting, ()
    if rule == "square root":
        return Setting(factor**0.5 * setting.lr, betas=setting.betas, eps=setting.eps), ()
    found = rescale(setting, batch=(1.0, factor), rule=rule)
    return found, found.doubts


def of_sgd() -> Iterator[Result]:
    """How far mean and variance per sample are from those before, by rule."""
    for case in QUADRATICS:
        times, means, variances = moments(case.setting, 1.0, case)
        for factor in FACTORS:
            for rule in SGD_RULES:
                setting, doubts = _changed(case.setting, factor, rule)
                own_times, own_means, own_variances = moments(setting, factor, case)
                yield {
                    "case": case.name,
                    "factor": factor,
                    "rule": rule,
                    "lr": setting.lr,
                    "momentum": setting.momentum,
                    "mean": _told(deviation(times, means, own_times, own_means)),
                    "variance": _told(deviation(times, variances, own_times, own_variances)),
                    "inside": not doubts,
                }


def _told(value: float) -> float:
    return float(f"{value:.3g}")


LR_FACTORS = (0.25, 4.0)
LR_RULES = ("law", "critical", "effective-step", "nothing")
SLOW = 0.01
"""Curvature of a slow direction: of a fast one it is 1."""


def at_other_lr() -> Iterator[Result]:
    """Damping of a fast direction and rate of a slow one over those before, at another lr."""
    setting = QUADRATICS[0].setting
    damping, rate = _damping(setting), _rate(setting)
    for factor in LR_FACTORS:
        for rule in LR_RULES:
            lr = setting.lr * factor
            new = (
                Setting(lr=lr, momentum=setting.momentum)
                if rule == "nothing"
                else rescale(setting, lr=lr, rule=rule)
            )
            yield {
                "factor": factor,
                "rule": rule,
                "momentum": new.momentum,
                "damping": _told(_damping(new) / damping),
                "rate": _told(_rate(new) / rate),
            }


def _damping(setting: Setting) -> float:
    """Share of the critical damping, of the fast direction, from the step's own eigenvalues."""
    roots = np.log(np.linalg.eigvals(_linear_step(setting, 1.0)[0]).astype(complex))
    return float(-roots.real.sum() / 2 / np.sqrt(np.abs(np.prod(roots))))


def _rate(setting: Setting) -> float:
    """At which the slow direction decays, per step."""
    roots = np.linalg.eigvals(_linear_step(setting, SLOW)[0])
    return float(-np.log(np.abs(roots).max()))


ADAM = Setting(lr=0.01, betas=(0.95, 0.998), eps=1e-8)
ADAM_NOISE = 10.0
"""Standard deviation of a gradient at the first batch, against a drift of 1."""

ADAM_RULES = ("adam-sde", "half-life", "square root", "linear", "nothing")
CHAINS = 4000
ADAM_STEPS = 3000
"""At the first batch."""


def adam_path(
    setting: Setting, batch: float, steps: int, chains: int, seed: int
) -> tuple[Array, Array, Array]:
    """Samples seen, mean and standard deviation of w over the chains, (steps + 1,) each."""
    rng = np.random.default_rng(seed)
    first, second = setting.betas or (0.0, 0.0)
    w, m, v = np.ones(chains), np.zeros(chains), np.zeros(chains)
    means: Array = np.ones(steps + 1)
    spreads: Array = np.zeros(steps + 1)
    noise = ADAM_NOISE / np.sqrt(batch)
    for n in range(1, steps + 1):
        gradient = w + noise * rng.standard_normal(chains)
        m = first * m + (1 - first) * gradient
        v = second * v + (1 - second) * gradient**2
        size = np.sqrt(v / (1 - second**n)) + (setting.eps or 0.0)
        w = w - setting.lr * m / (1 - first**n) / size
        means[n], spreads[n] = w.mean(), w.std()
    times: Array = batch * np.arange(steps + 1, dtype=np.float64)
    return times, means, spreads


def of_adam(chains: int, steps: int) -> Iterator[Result]:
    """The same of Adam's mean and standard deviation; first by chance alone, nothing changed."""
    times, means, spreads = adam_path(ADAM, 1.0, steps, chains, seed=0)
    cases = [(1.0, "nothing"), *((f, rule) for f in FACTORS for rule in ADAM_RULES)]
    for factor, rule in cases:
        setting, doubts = _changed(ADAM, factor, rule)
        own = adam_path(setting, factor, int(steps / factor), chains, seed=1)
        betas = setting.betas or ()
        yield {
            "factor": factor,
            "rule": rule,
            "lr": setting.lr,
            "betas": list(betas),
            "mean": _told(deviation(times, means, *own[:2])),
            "spread": _told(deviation(times, spreads, own[0], own[2])),
            "inside": not doubts,
        }


def checked(quick: bool) -> dict[str, Any]:
    """All of it."""
    chains, steps = (200, 300) if quick else (CHAINS, ADAM_STEPS)
    return {
        "sgd": list(of_sgd()),
        "lr": list(at_other_lr()),
        "adam": list(of_adam(chains, steps)),
        "chains": chains,
    }
