"""The problems and goals of the regime map."""

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem, Scalar
from flatfast.lab.problems import load

SENSING_GOAL = 0.17
"""A tenth of the test error at the end of the flow from the initial point, on matrix sensing."""

STRICT_GOAL = 0.01
"""Flatter than where noise-free descent from the initial point ends, at any momentum."""

GENTLE = Descent(lr=0.03, momentum=0.5, steps=100)
"""Cooling of matrix sensing from points far from the manifold. Heavier descent rings, and ringing
alone carries the iterate to flatter minima: what is read would not be the iterate's own."""

STUDENT_TRACE = 18.0
"""Three tenths of the trace at the student's interpolating start, as in the committed sweep."""

TO_THE_FLAT = Goal("cooled:test_error", SENSING_GOAL, relative=False)
TO_THE_FLATTEST = Goal("cooled:test_error", STRICT_GOAL, relative=False)
TO_ZERO_LOSS = Goal("loss", 1e-4)
STUDENT_TO_THE_FLAT = Goal("cooled:trace", STUDENT_TRACE, relative=False)


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
