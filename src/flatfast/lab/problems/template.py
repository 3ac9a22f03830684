"""Bring your own problem: copy this file, change it, and sweep it.

A problem file holds a function that returns a :class:`flatfast.lab.problem.Problem`. Its keyword
arguments are its settings, ``--set width=30`` on the command line::

    flatfast sweep my_problem.py:problem --lr 0.01:0.08:4 --momentum 0.8:0.998:16

**With a model and data** (most problems), :func:`flatfast.lab.training.supervised.supervised` needs
a ``predict(params, inputs)`` function in JAX, initial parameters (any pytree of arrays), inputs and
targets. It adds label noise, minibatches, the noise-free descent to an interpolating start, and
cooling. The example below, a small network that learns a wave, is such a problem.

**With anything else**, build a ``Problem`` yourself from five things: ``start()`` gives the
parameters at which runs start; ``gradient(params, key)`` is one step's stochastic gradient, all of
its randomness drawn from ``key``; ``loss(params)`` is the training loss without noise; ``metrics``
maps names to scalar functions of ``params``; ``goal`` names the metric that runs have to bring
down, and how far. :mod:`flatfast.lab.problems.scalar_product` is the shortest example.

**A problem of the lab itself** is such a file in ``flatfast/lab/problems`` with a ``PROBLEMS``, by
which it is found: a dictionary of its name, as commands take it, to its function. Settings that it
shares with others (noise, batch size, seeds, start) it need not spell out: ``_settings.takes``
there gives the function a dataclass of them, as :mod:`flatfast.lab.problems.digits_mlp` shows.

Rules of thumb:

* Write functions of *one* run; the simulator batches them. NumPy arrays may be captured: wrapped in
  ``like(params, array)`` they follow the runs' precision, and they become arguments of the compiled
  program rather than part of it.
* Choose a goal that noise at the iterate does not hide. On deep networks use ``cooled:`` metrics
  (noise off, descend back to zero loss, then read), for instance ``cooled:trace``.
* A metric must be finite at the start, and above the goal's threshold there.
* Raise ``version`` when a change of the file changes its runs: stored runs of another version are
  then not mixed with the new ones.
"""

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem
from flatfast.lab.training import mlp
from flatfast.lab.training.supervised import like, supervised


def problem(
    *,
    width: int = 20,
    examples: int = 12,
    noise_std: float = 0.5,
    start: str = "interpolating",
) -> Problem:
    """A small network that learns a wave in one of eight coordinates from a few points.

    Args:
        width: Hidden units.
        examples: Training points.
        noise_std: Standard deviation of the label noise.
        start: ``interpolating`` or ``init``.

    Returns:
        The problem; its goal is the Hessian's cooled trace, to 80% of its start.
    """
    inputs = np.random.default_rng(0).standard_normal((examples, 8))
    targets = np.sin(2 * inputs[:, :1])

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        return mlp.predict(params, batch, jnp.tanh)

    def trace(params: Params) -> jax.Array:
        return mlp.jacobian_norm_squared(params, like(params, inputs), jnp.tanh) / examples

    return supervised(
        "wave",
        predict,
        mlp.kaiming([8, width, 1], "tanh", seed=0),
        inputs,
        targets,
        goal=Goal("cooled:trace", 0.8),
        noise_std=noise_std,
        metrics={"trace": trace},
        start=start,
        descent=Descent(lr=0.05, momentum=0.9, steps=20_000),
        interpolated_at=1e-6,
        cooling=Descent(lr=0.05, momentum=0.9, steps=100),
        settings={
            "width": width,
            "examples": examples,
            "noise_std": noise_std,
            "start": start,
        },
    )
