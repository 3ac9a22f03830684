"""Matrix sensing: recover a low-rank matrix from a few linear measurements.

Outputs ``f_i = <A_i, U U^T>`` with symmetric Gaussian measurements ``A_i`` and a full-width ``U``,
targets from a planted matrix ``X`` of low rank, loss ``1/(2P) sum_i (f_i - y_i)^2`` (the experiment
of arXiv 2210.16400, section 4, after Li, Ma and Zhang, 2018). With fewer measurements than entries
many matrices fit; label noise drives ``U`` to the flattest of them, close to ``X``.

On the zero-loss manifold the Hessian's trace is ``(4/P) sum_i |A_i U|^2``.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem
from flatfast.lab.training.starting import starting_point
from flatfast.lab.training.supervised import Noise, like, minibatch


def matrix_sensing(
    *,
    dimension: int = 20,
    rank: int = 2,
    examples: int = 120,
    noise_std: float = 0.1,
    batch_size: int = 0,
    init_scale: float = 1.0,
    data_seed: int = 0,
    start: str = "interpolating",
) -> Problem:
    """The matrix-sensing problem.

    Args:
        dimension: ``d``; ``U`` is d x d.
        rank: Rank of the planted ``X = V V^T``, whose entries of ``V`` are ``N(0, 1/dimension)``.
        examples: ``P``, the number of measurements. At 120 for dimension 20 they nearly determine
            ``U U^T`` among positive semidefinite matrices, and most draws leave no manifold that
            descent reaches: it interpolates at data seeds 0, 11, 12, 15, 18, 24, 30 and 34 of 0 to
            35, with 110 measurements at five of eight, with 100 at all of eight.
        noise_std: Standard deviation of the label noise.
        batch_size: Examples in a step's gradient, drawn with replacement; 0 for all.
        init_scale: Before phase 1 ``U`` is ``init_scale`` times the identity.
        data_seed: Seed of measurements and planted matrix.
        start: ``interpolating``, after noise-free descent to zero loss, or ``init``.

    Returns:
        A problem with metrics ``loss``, ``test_error`` (the relative distance ``|U U^T - X| / |X|``
        in Frobenius norm, the goal: to a tenth of its start) and ``trace``, the Hessian's on the
        manifold.

    Raises:
        ValueError: If a setting is out of range.
    """
    if not 1 <= rank <= dimension:
        raise ValueError(f"rank must be in [1, dimension = {dimension}], got {rank}")
    if not init_scale > 0:
        raise ValueError(f"init_scale must be positive, got {init_scale}")
    noise = Noise(examples, noise_std, batch_size)
    rng = np.random.default_rng(data_seed)
    raw = rng.standard_normal((examples, dimension, dimension))
    measurements = ((raw + raw.transpose(0, 2, 1)) / math.sqrt(2)).reshape(examples, -1)
    planted_factor = rng.standard_normal((dimension, rank)) / math.sqrt(dimension)
    planted = planted_factor @ planted_factor.T
    targets = measurements @ planted.ravel()
    squares = np.einsum(
        "pij,pjk->ik",
        measurements.reshape(examples, dimension, dimension),
        measurements.reshape(examples, dimension, dimension),
    )

    def gradient(params: Params, key: jax.Array) -> Params:
        factor = params["U"]
        rows, labels = like(factor, measurements), like(factor, targets)
        if batch_size:
            chosen, labels = minibatch(noise, key, labels)
            rows = rows[chosen]
        else:
            labels += noise_std * jax.random.normal(key, labels.shape, factor.dtype)
        errors = rows @ (factor @ factor.T).ravel() - labels
        # d/dU of <A, U U^T> is 2 A U for a symmetric A: one product where autodiff needs two.
        weighted = (errors @ rows).reshape(dimension, dimension)
        return {"U": (2 / len(rows)) * (weighted @ factor)}

    def residuals(params: Params) -> jax.Array:
        factor = params["U"]
        outputs: jax.Array = like(factor, measurements) @ (factor @ factor.T).ravel()
        return outputs - like(factor, targets)

    def loss(params: Params) -> jax.Array:
        return jnp.mean(residuals(params) ** 2) / 2

    def test_error(params: Params) -> jax.Array:
        factor = params["U"]
        difference = factor @ factor.T - like(factor, planted)
        distance: jax.Array = jnp.linalg.norm(difference)
        return distance / float(np.linalg.norm(planted))

    def trace(params: Params) -> jax.Array:
        factor = params["U"]
        return 4 / examples * jnp.vdot(factor, like(factor, squares) @ factor)

    return Problem(
        name="matrix-sensing",
        start=starting_point(
            loss,
            {"U": init_scale * np.eye(dimension)},
            start=start,
            # Slow and without momentum: close to gradient flow, whose end keeps the memory of
            # where it began. Heavier descent rings and lands at test errors of any size.
            descent=Descent(lr=0.2 / dimension, momentum=0.0, steps=100_000),
            target=1e-9,
        ),
        gradient=gradient,
        loss=loss,
        metrics={"loss": loss, "test_error": test_error, "trace": trace},
        goal=Goal("cooled:test_error", 0.1),
        cooling=Descent(lr=0.6 / dimension, momentum=0.9, steps=60),
        settings={
            "dimension": dimension,
            "rank": rank,
            "examples": examples,
            "noise_std": noise_std,
            "batch_size": batch_size,
            "init_scale": init_scale,
            "data_seed": data_seed,
            "start": start,
        },
        residuals=residuals,
    )


def matrix_sensing_paper(**settings: Any) -> Problem:
    """Matrix sensing of the paper's size: d 100, rank 5, 2,500 measurements.

    Args:
        settings: Those of :func:`matrix_sensing`.

    Returns:
        The problem.
    """
    return matrix_sensing(**{"dimension": 100, "rank": 5, "examples": 2500, **settings})


PROBLEMS = {"matrix-sensing": matrix_sensing, "matrix-sensing-paper": matrix_sensing_paper}
