"""Paths of ordinary differential equations, read at given times."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from flatfast.theory.model import Array

MAX_STEPS = 20_000
"""Steps of the solver on a path."""

EVALUATIONS_PER_STEP = 6
"""Of the derivative, by Tsit5, whose seventh stage is the next step's first."""


class PathEndedError(RuntimeError):
    """A path that could not be followed to its end.

    Attributes:
        path: As far as it was followed.
    """

    def __init__(self, message: str, path: Any) -> None:
        super().__init__(message)
        self.path = path


def integrate(
    derivative: Callable[[object, jax.Array, object], jax.Array],
    start: jax.Array,
    times: jax.Array,
    tolerance: jax.Array,
    max_steps: int | None = None,
) -> tuple[jax.Array, jax.Array]:
    """States (N, S) at ``times`` (N,), not finite where not reached, and evaluations made.

    For use in traced functions.
    """
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(derivative),
        diffrax.Tsit5(),
        t0=0.0,
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=tolerance, atol=1e-3 * tolerance),
        max_steps=max_steps or MAX_STEPS,
        throw=False,
    )
    assert solution.ys is not None
    return jnp.asarray(solution.ys), EVALUATIONS_PER_STEP * solution.stats["num_steps"] + 1


def check_followed(path: Any, times: Array, max_steps: int | None = None) -> None:
    """Check that a path was followed to the end.

    Args:
        path: What there is of it, with its times.
        times: Those that were asked for.
        max_steps: Steps of the solver that it was allowed.

    Raises:
        PathEndedError: If it was not; has what there is.
    """
    if len(path.times) < len(times):
        reached = path.times.max(initial=0.0)
        raise PathEndedError(
            f"the path could be followed to t = {reached:g} of {times[-1]:g} in "
            f"{max_steps or MAX_STEPS} steps of the solver, which are small near singular points "
            "of the manifold: end earlier, or raise tolerance or floor",
            path,
        )


def reached(states: jax.Array) -> int:
    """How many of the states (N, S) the solver came to."""
    return int(np.isfinite(np.asarray(states)).all(axis=1).sum())
