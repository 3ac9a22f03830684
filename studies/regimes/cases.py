"""The sweeps of the regime map: which problem, goal, noise and learning rates, and how long.

In every case ``mu = 1 - momentum`` is swept on one logarithmic lattice, at each learning rate over
one to two decades around a guess: wide enough that neither exponent, 1/2 or 2/3, is built in.

Noise levels are half decades apart and learning rates too, so that a noise level and the next
larger one share their value of ``noise^2 sqrt(lr)`` at learning rates a factor of 100 apart.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem, Scalar
from flatfast.lab.problems import load
from flatfast.lab.recipes.recipe import log_points
from studies.regimes.problems import (
    STUDENT_TO_THE_FLAT,
    TO_THE_FLAT,
    TO_THE_FLATTEST,
    TO_ZERO_LOSS,
    sensing,
    teacher,
    with_slow_mode,
)

PER_DECADE, FINE = 10, 22
"""Momenta per factor of ten in ``mu``, and the same where the best lies beside a cliff. A half
decade of learning rates moves ``lr^(1/2)`` and ``lr^(2/3)`` by 2.5 and 3.3 of them (5.5 and 7.3),
not by a whole number: the lattice lies differently about neighbouring optima."""

REACH, NEAR = 8.0, 4.0
"""The grid of ``mu`` reaches by this factor to either side of the guess: the second where a coarse
sweep showed the place of the optimum, which is as far as its fit looks."""

LARGEST = 0.5
"""Of a guess of ``mu``: about a larger one the grid would be little more than plain SGD."""

FEW = 8
"""Seeds of the cases that were given less computing."""

POWERS = (1 / 2, 2 / 3, 1.0)
"""Of the learning rate, in guesses and durations."""

LEVELS = tuple(10 ** (-k / 2) for k in range(4))
"""Label noise, from large to small: 1, 0.316, 0.1, 0.0316."""

RATES = tuple(4e-3 * 10 ** (-k / 2) for k in range(5))
"""Learning rates, from 0.004 to 0.00004."""


@dataclass(frozen=True)
class Case:
    """One sweep over learning rate and momentum.

    Attributes:
        name: Of its folder, and in the results.
        part: Which question it belongs to.
        noise: Standard deviation of the label noise.
        lr: Learning rates, those first that are to be run first.
        guess: ``(c, C)`` or ``(c, C, C1)``: the grid of mu is centred at
            ``c lr^(1/2) + C lr^(2/3) + C1 lr``.
        duration: Likewise: runs have ``a lr^(-1/2) + b lr^(-2/3) + b1 / lr`` steps.
        make: Gives the problem, with its goal.
        batch_size: Examples in a step, 0 for all.
        slow: Curvature of the slow mode, where one was added.
        seeds: Runs at each pair.
        records: How often metrics are read during a run.
        per_decade: Momenta per factor of ten in ``mu``.
        reach: Factor in ``mu`` by which the grid reaches to either side of the guess.
        least: Steps of a run besides the duration's: times that do not depend on ``lr``.
        needs: Tells what is missing to make the problem, such as data; empty if nothing is.
    """

    name: str
    part: str
    noise: float
    lr: tuple[float, ...]
    guess: tuple[float, ...]
    duration: tuple[float, ...]
    make: Callable[[], Problem] = field(repr=False)
    batch_size: int = 0
    slow: float = 0.0
    seeds: int = 24
    records: int = 160
    per_decade: int = PER_DECADE
    reach: float = REACH
    least: int = 0
    needs: Callable[[], str] = field(default=str, repr=False)

    def momenta(self, lr: float) -> tuple[float, ...]:
        """The momenta swept at a learning rate."""
        parts = zip(self.guess, POWERS, strict=False)
        centre = min(sum(part * lr**power for part, power in parts), LARGEST)
        return tuple(
            1 - mu
            for mu in log_points(
                centre / self.reach, min(centre * self.reach, 1.0), self.per_decade
            )
        )

    def steps(self, lr: float) -> int:
        """Length of a run at a learning rate, in steps."""
        parts = zip(self.duration, POWERS, strict=False)
        return self.least + math.ceil(sum(part * math.pow(lr, -power) for part, power in parts))


WITHOUT_NOISE = 2
"""Runs at each pair without any noise: they are all alike, and the estimators ask for two."""

SLOW = 3.6e-3, 4e-4
"""Curvatures of the slow mode; the least on matrix sensing, at the start, is 0.065."""


def label(value: float) -> str:
    """A number in a folder's name."""
    return f"{value:.3g}"


def _from_manifold() -> list[Case]:
    return [
        Case(
            f"manifold-noise-{label(noise)}",
            "manifold",
            noise,
            rates,
            guess=(0.0, 0.5 * noise ** (2 / 3)),
            duration=(0.0, 90 * (noise / 0.1) ** (-2 / 3)),
            make=sensing(TO_THE_FLAT, noise_std=noise),
        )
        for noise, rates in zip(LEVELS[:3], (RATES, RATES, RATES[:4]), strict=True)
    ]


def _from_init() -> list[Case]:
    def case(noise: float, **settings: Any) -> Case:
        return Case(
            f"init-noise-{label(noise)}",
            "init",
            noise,
            RATES,
            make=sensing(TO_THE_FLAT, noise_std=noise, start="init"),
            per_decade=FINE,
            **settings,
        )

    wide: dict[str, Any] = {"guess": (0.3,), "duration": (150.0,)}
    near: dict[str, Any] = {"guess": (0.42,), "duration": (60.0,), "reach": NEAR, "records": 64}
    return [
        case(0.0, seeds=WITHOUT_NOISE, **wide),
        *(case(noise, **wide) for noise in LEVELS[:1:-1]),
        *(case(noise, seeds=FEW, **near) for noise in LEVELS[1::-1]),
    ]


def _to_a_strict_goal() -> list[Case]:
    shapes = ((0.38, 140.0, RATES), (0.2, 220.0, RATES), (0.11, 400.0, RATES[:4]))
    return [
        Case(
            f"init-strict-noise-{label(noise)}",
            "init-strict",
            noise,
            rates,
            guess=(c,),
            duration=(time,),
            make=sensing(TO_THE_FLATTEST, noise_std=noise, start="init"),
            seeds=FEW,
            records=64,
            per_decade=FINE if noise == 1 else PER_DECADE,
            reach=NEAR,
        )
        for noise, (c, time, rates) in zip(LEVELS, shapes, strict=False)
    ]


def _in_batches() -> list[Case]:
    def case(size: int, name: str, lr: tuple[float, ...], make: Any, **settings: Any) -> Case:
        return Case(
            f"batch-{size}-{name}",
            "minibatch",
            0.0,
            lr,
            make=make,
            batch_size=size,
            seeds=FEW,
            records=64,
            reach=NEAR,
            **settings,
        )

    def batches(goal: Goal, size: int, **settings: Scalar) -> Callable[[], Problem]:
        return sensing(goal, noise_std=0.0, batch_size=size, **settings)

    faster = (RATES[0] * math.sqrt(10), *RATES)
    return [
        *(
            case(
                size,
                "loss",
                faster,
                batches(TO_ZERO_LOSS, size, start="init"),
                guess=(1.05, 0.0, 8.0),
                duration=(60.0,),
            )
            for size in (12, 60)
        ),
        case(
            30,
            "test",
            RATES,
            batches(TO_THE_FLAT, 30, start="init"),
            guess=(0.45, 0.0, 8.0),
            duration=(60.0,),
            per_decade=FINE,
        ),
        case(
            12,
            "manifold-test",
            RATES[:4],
            batches(TO_THE_FLAT, 12),
            guess=(0.0, 0.0, 14.0),
            duration=(0.0, 0.0, 4.0),
            per_decade=FINE,
        ),
    ]


def _with_slow_mode() -> list[Case]:
    shapes: tuple[tuple[float, float, int, dict[str, Any]], ...] = (
        (SLOW[0], 0.1, 3, {"guess": (0.0, 0.12), "duration": (280.0,)}),
        (SLOW[1], 0.1, 4, {"guess": (0.02,), "duration": (300.0,)}),
        (SLOW[1], 1.0, 4, {"guess": (0.0, 0.22), "duration": (600.0,), "per_decade": FINE}),
    )
    return [
        Case(
            f"slow-{label(slow)}-noise-{label(noise)}",
            "overdamped",
            noise,
            RATES[:rates],
            make=partial(with_slow_mode, slow=slow, noise_std=noise),
            slow=slow,
            seeds=FEW,
            records=64,
            reach=NEAR,
            **settings,
        )
        for slow, noise, rates, settings in shapes
    ]


def _student() -> list[Case]:
    rates = tuple(3e-2 * 10 ** (-k / 2) for k in range(5))
    shared: dict[str, Any] = {"seeds": FEW, "records": 32, "per_decade": 8, "reach": 5.0}
    return [
        Case(
            "student-init",
            "student",
            0.5,
            rates[:3],
            guess=(0.06,),
            duration=(0.0, 120.0),
            make=teacher(STUDENT_TO_THE_FLAT, noise_std=0.5, start="init"),
            **shared,
        ),
        Case(
            "student-batch-20-loss",
            "student",
            0.0,
            rates,
            guess=(0.35,),
            duration=(200.0,),
            make=teacher(Goal("loss", 0.01), noise_std=0.0, batch_size=20, start="init"),
            batch_size=20,
            **{**shared, "records": 160},
        ),
    ]


CASES: tuple[Case, ...] = (
    Case(
        "deterministic-loss",
        "deterministic",
        0.0,
        (*RATES, 4e-3 * 10**-2.5, 4e-6),
        guess=(0.6,),
        duration=(150.0,),
        make=sensing(TO_ZERO_LOSS, noise_std=0.0, start="init"),
        seeds=WITHOUT_NOISE,
    ),
    *_from_init(),
    *_from_manifold(),
    *_in_batches(),
    *_to_a_strict_goal(),
    *_with_slow_mode(),
    *_student(),
)
"""All sweeps."""

QUICK_CASES: tuple[Case, ...] = tuple(
    Case(
        f"quick-noise-{label(noise)}",
        "manifold",
        noise,
        (4e-2, 1.2e-2, 4e-3),
        guess=(0.0, 0.9 * noise ** (2 / 3)),
        duration=(0.0, 28 * noise ** (-2 / 3)),
        make=partial(load, "scalar-product", {"noise_std": noise}),
        seeds=32,
        records=60,
        per_decade=8,
    )
    for noise in (0.5, 0.5 * math.sqrt(10))
)
"""Of a quick look: another problem, of two weights."""
