"""The largest curvature at a problem's start, which bounds the learning rate."""

import jax
import jax.numpy as jnp

from flatfast.lab.problem import Problem
from flatfast.lab.training.curvature import largest_eigenvalue


def steepest_curvature(problem: Problem) -> float:
    """The largest Hessian eigenvalue of the noise-free loss where runs start.

    The learning rate above which heavy ball leaves the start is
    ``timescales.stability_limit(momentum, curvature)``.
    """
    with jax.enable_x64(False):
        start = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), problem.start())
        return float(jax.jit(lambda at: largest_eigenvalue(problem.loss, at))(start))
