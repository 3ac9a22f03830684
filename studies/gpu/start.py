"""Where the sweep's runs begin: found once, and kept in the cache of the study's folder."""

import time

import jax
import numpy as np

from flatfast.lab.reproduce import problem_of
from studies.gpu.apart import Job
from studies.gpu.cases import recipe
from studies.gpu.devices import device
from studies.study import Result


def measure(job: Job) -> Result:
    """Find the start, and read the goal's metric there."""
    begin = time.perf_counter()
    problem = problem_of(recipe(job.quick))
    start = problem.start()
    spent = time.perf_counter() - begin
    weights = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(start))
    loss = float(problem.loss(jax.tree.map(lambda leaf: jax.numpy.asarray(leaf, "float32"), start)))
    return {
        "told": f"{problem.name} of {weights:,} weights begins at a loss of {loss:.2g}",
        "weights": weights,
        "loss": loss,
        "seconds": spent,
        "settings": dict(problem.settings),
        "device": device(),
    }
