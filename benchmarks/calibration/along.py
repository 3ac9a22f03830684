"""C along a run, at the iterate and after cooling: what a later calibration finds."""

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.calibration.cases import CASES, Case
from flatfast.calibration import calibrate
from flatfast.lab.calibration import ProblemLandscape
from flatfast.lab.descent import descend
from flatfast.law import GAMMA

LABELS = (
    "teacher-student_noise_std-0.5",
    "digits-mlp_noise_std-0.5",
    "digits-mlp_activation-relu_init_seed-1_noise_std-0.5",
    "digits-resnet_noise_std-0.5",
)
SHARES = (0.0, 0.25, 0.5, 1.0, 2.0)
"""When, in units of the best run's time to the goal."""


def cases() -> list[Case]:
    """The cases followed."""
    return [case for case in CASES if case.label in LABELS]


def along(case: Case, C: float, steps: float) -> list[dict[str, Any]]:
    """Calibrations along one run.

    Args:
        case: The problem and its learning rate.
        C: Prefactor of the run, the swept best.
        steps: The best run's time to the goal.
    """
    problem = case.load()
    lr, mu = case.lr, C * case.lr**GAMMA
    with jax.enable_x64(False):
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
        velocity = jax.tree.map(jnp.zeros_like, params)

        @jax.jit
        def go(state: Any, key: jax.Array, count: jax.Array) -> Any:
            def step(k: jax.Array, state: Any) -> Any:
                params, velocity = state
                slope = problem.gradient(params, jax.random.fold_in(key, k))
                velocity = jax.tree.map(lambda p, g: (1 - mu) * p + g, velocity, slope)
                return jax.tree.map(lambda w, p: w - lr * p, params, velocity), velocity

            return jax.lax.fori_loop(0, count, step, state)

        cooled = jax.jit(lambda params: descend(problem.loss, params, problem.cooling))
        trace = jax.jit(problem.metrics["trace"])
        first, done, rows = float(trace(params)), 0, []
        for number, share in enumerate(SHARES):
            count = round(share * steps) - done
            params, velocity = go((params, velocity), jax.random.key(number), count)
            done += count
            at = cooled(params) if done else params
            found = [calibrate(ProblemLandscape(problem, w, seed=number), lr) for w in (params, at)]
            rows.append(
                {
                    "step": done,
                    "trace": float(trace(at)) / first,
                    "at_iterate": found[0].C,
                    "cooled": found[1].C,
                }
            )
    return rows
