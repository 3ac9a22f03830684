"""The sweeps of the regime map: which problem, goal, noise and learning rates, and how long.

In every case ``mu = 1 - momentum`` is swept on one logarithmic lattice, at each learning rate over
nearly two decades around a guess: wide enough that neither exponent, 1/2 or 2/3, is built in.

Noise levels are half decades apart and learning rates too, so that a noise level and the next
larger one share their value of ``noise^2 sqrt(lr)`` at learning rates a factor of 100 apart.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem, Scalar
from flatfast.lab.problems import load
from flatfast.lab.recipes import log_points

PER_DECADE, FINE = 10, 22
"""Momenta per factor of ten in ``mu``, and the same where the best lies beside a cliff. A half
decade of learning rates moves ``lr^(1/2)`` and ``lr^(2/3)`` by 2.5 and 3.3 of them (5.5 and 7.3),
not by a whole number: the lattice lies differently about neighbouring optima."""

REACH = 8.0
"""The grid of ``mu`` reaches by this factor to either side of the guess."""

POWERS = (1 / 2, 2 / 3, 1.0)
"""Of the learning rate, in guesses and durations."""

LEVELS = tuple(10 ** (-k / 2) for k in range(5))
"""Label noise, from large to small: 1, 0.316, 0.1, 0.0316, 0.01."""

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

    def momenta(self, lr: float) -> tuple[float, ...]:
        """The momenta swept at a learning rate."""
        centre = sum(part * lr**power for part, power in zip(self.guess, POWERS, strict=False))
        return tuple(
            1 - mu for mu in log_points(centre / REACH, min(centre * REACH, 1.0), self.per_decade)
        )

    def steps(self, lr: float) -> int:
        """Length of a run at a learning rate, in steps."""
        parts = zip(self.duration, POWERS, strict=False)
        return math.ceil(sum(part * math.pow(lr, -power) for part, power in parts))

    def quick(self) -> "Case":
        """The same question with little computing: few seeds, the largest learning rates."""
        return replace(self, lr=self.lr[:3], seeds=min(self.seeds, 4), records=80)


SENSING_GOAL = 0.17
"""A tenth of the test error at the end of the flow from the initial point, on matrix sensing."""

STRICT_GOAL = 0.01
"""Flatter than where noise-free descent from the initial point ends, at any momentum."""

GENTLE = Descent(lr=0.03, momentum=0.5, steps=100)
"""Cooling of matrix sensing from points far from the manifold. Heavier descent rings, and ringing
alone carries the iterate to flatter minima: what is read would not be the iterate's own."""


def sensing(goal: Goal, **settings: Scalar) -> Callable[[], Problem]:
    """Matrix sensing with a goal."""
    return lambda: replace(load("matrix-sensing", settings), goal=goal, cooling=GENTLE)


def teacher(goal: Goal, **settings: Scalar) -> Callable[[], Problem]:
    """Teacher and student with a goal."""
    return lambda: replace(load("teacher-student", settings), goal=goal)


def with_slow_mode(*, slow: float, noise_std: float) -> Problem:
    """Matrix sensing from its interpolating start, beside one slow mode that has to relax.

    One more example, linear in one more weight: the residual ``sqrt(slow) x``, added to the loss as
    half its square, so that the mode's curvature is ``slow``. ``x`` starts at 1; it bears no noise.

    Args:
        slow: Curvature of the slow mode.
        noise_std: Label noise of matrix sensing.

    Returns:
        A problem whose metric ``left`` is the larger of the test error and of ``x^2``, each in
        units of its start.
    """
    base = load("matrix-sensing", {"noise_std": noise_std})
    begin = base.start()
    before = float(base.metrics["test_error"](begin))

    def start() -> Params:
        return {**begin, "x": np.ones(())}

    def split(params: Params) -> tuple[Params, jax.Array]:
        return {"U": params["U"]}, params["x"]

    def gradient(params: Params, key: jax.Array) -> Params:
        rest, x = split(params)
        return {**base.gradient(rest, key), "x": slow * x}

    def loss(params: Params) -> jax.Array:
        rest, x = split(params)
        return base.loss(rest) + slow * x**2 / 2

    def left(params: Params) -> jax.Array:
        rest, x = split(params)
        return jnp.maximum(base.metrics["test_error"](rest) / before, x**2)

    return Problem(
        name="matrix-sensing-with-slow-mode",
        start=start,
        gradient=gradient,
        loss=loss,
        metrics={"left": left},
        goal=Goal("cooled:left", 0.1),
        cooling=GENTLE,
        settings={**base.settings, "slow": slow},
    )


TO_THE_FLAT = Goal("cooled:test_error", SENSING_GOAL, relative=False)
TO_THE_FLATTEST = Goal("cooled:test_error", STRICT_GOAL, relative=False)
TO_ZERO_LOSS = Goal("loss", 1e-4)
WITHOUT_NOISE = 2
"""Runs at each pair without any noise: they are all alike, and the estimators ask for two."""

STUDENT_TRACE = 18.0
"""Three tenths of the trace at the student's interpolating start, as in the committed sweep."""

SLOW = 0.0036
"""Curvature of the slow mode; the least on matrix sensing, at the start, is 0.065."""


def label(value: float) -> str:
    """A number in a folder's name."""
    return f"{value:.3g}"


def _all() -> list[Case]:
    on_manifold = [
        Case(
            f"manifold-noise-{label(noise)}",
            "manifold",
            noise,
            RATES if noise > 0.02 else RATES[:3],
            guess=(0.0, 0.5 * noise ** (2 / 3)),
            duration=(0.0, 90 * (noise / 0.1) ** (-2 / 3)),
            make=sensing(TO_THE_FLAT, noise_std=noise),
        )
        for noise in LEVELS
    ]
    from_init = [
        Case(
            f"init-noise-{label(noise)}",
            "init",
            noise,
            RATES,
            guess=(0.3, 0.0),
            duration=(150.0, 0.0),
            make=sensing(TO_THE_FLAT, noise_std=noise, start="init"),
            seeds=24 if noise else WITHOUT_NOISE,
            per_decade=FINE,
        )
        for noise in (0.0, *reversed(LEVELS[:4]))
    ]
    strict = [
        Case(
            f"init-strict-noise-{label(noise)}",
            "init-strict",
            noise,
            RATES,
            guess=(0.0, noise ** (2 / 3)),
            duration=(80.0, 60 * (noise / 0.1) ** (-2 / 3)),
            make=sensing(TO_THE_FLATTEST, noise_std=noise, start="init"),
        )
        for noise in LEVELS[:3]
    ]
    deterministic = Case(
        "deterministic-loss",
        "deterministic",
        0.0,
        (*RATES, 4e-3 * 10**-2.5, 4e-6),
        guess=(0.6, 0.0),
        duration=(150.0, 0.0),
        make=sensing(TO_ZERO_LOSS, noise_std=0.0, start="init"),
        seeds=WITHOUT_NOISE,
    )
    batches: Mapping[str, Goal] = {"loss": TO_ZERO_LOSS, "test": TO_THE_FLAT}
    minibatch = [
        Case(
            f"batch-{size}-{kind}",
            "minibatch",
            0.0,
            RATES,
            guess=(0.6, 0.0),
            duration=(150.0, 0.0),
            make=sensing(batches[kind], noise_std=0.0, batch_size=size, start="init"),
            batch_size=size,
        )
        for size, kind in ((12, "loss"), (60, "loss"), (30, "test"))
    ]
    minibatch.append(
        Case(
            "batch-12-manifold-test",
            "minibatch",
            0.0,
            RATES[:4],
            guess=(0.0, 0.0, 16.0),
            duration=(0.0, 0.0, 8.0),
            make=sensing(TO_THE_FLAT, noise_std=0.0, batch_size=12),
            batch_size=12,
            per_decade=FINE,
        )
    )
    overdamped = [
        Case(
            f"slow-noise-{label(noise)}",
            "overdamped",
            noise,
            RATES,
            guess=(math.sqrt(SLOW), 0.25 * noise ** (2 / 3)),
            duration=(8 / math.sqrt(SLOW), 60 * (noise / 0.1) ** (-2 / 3)),
            make=partial(with_slow_mode, slow=SLOW, noise_std=noise),
            slow=SLOW,
        )
        for noise in LEVELS[:3]
    ]
    goal = Goal("cooled:trace", STUDENT_TRACE, relative=False)
    student = [
        Case(
            f"student-{start}",
            "student",
            0.5,
            tuple(3e-2 * 10 ** (-k / 2) for k in range(4)),
            guess=(0.0, 0.07),
            duration=(0.0, 120.0),
            make=teacher(goal, noise_std=0.5, start=start),
            seeds=16,
            records=64,
        )
        for start in ("interpolating", "init")
    ]
    student.append(
        Case(
            "student-batch-20-loss",
            "student",
            0.0,
            tuple(3e-2 * 10 ** (-k / 2) for k in range(5)),
            guess=(0.5, 0.0),
            duration=(200.0, 0.0),
            make=teacher(Goal("loss", 0.01), noise_std=0.0, batch_size=20, start="init"),
            batch_size=20,
            seeds=16,
        )
    )
    return [
        deterministic,
        *from_init[:3],
        *on_manifold[:4],
        *minibatch,
        *overdamped,
        *strict,
        *from_init[3:],
        *student[1:],
        on_manifold[4],
        student[0],
    ]


CASES: tuple[Case, ...] = tuple(_all())
"""The most informative first."""
