"""The problems: what is simulated, what is read of it, and which limit it has."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import descend
from flatfast.lab.forecast.limit_times import FOLLOWING
from flatfast.lab.forecast.model import model_of
from flatfast.lab.problems import load
from flatfast.theory import SquaredError, limit_ensemble, limit_path
from studies.limit import rank_one
from studies.limit.ensemble import Array
from studies.limit.simulation import Read

EPS = 0.5
"""Label noise of the products."""

PRODUCT_TIMES = np.linspace(0, 6, 25)
SENSING_TIMES = np.linspace(0, 24, 25)

SENSING_STEPS = 600
"""Of the solver of the limit, on a path."""

RandomPaths = Callable[[float, int, jax.Array], Array]
"""``(C, runs, key) -> (runs, T, K)``."""


@dataclass(frozen=True, eq=False)
class Problem:
    """What is simulated.

    Attributes:
        model: The model.
        start: On the manifold, (D,).
        noise_std: Of the label noise.
        read: A point (D,) to the readings (K,), in traced functions.
        mean_field: The limit's readings with mean variances, ``C -> (T, K)``.
        random: Those with random amplitudes, or None where they are not drawn.
    """

    model: SquaredError
    start: Array
    noise_std: float
    read: Read
    mean_field: Callable[[float], Array]
    random: RandomPaths | None = None


def excess(model: SquaredError) -> Read:
    """``|u|^2 - |v|^2`` of the products, which gradient flow conserves: no cooling is needed."""

    def read(point: jax.Array) -> jax.Array:
        params = model.tree_at(point)
        return jnp.sum(params["u"] ** 2 - params["v"] ** 2)[None]

    return read


def in_units_of_start(read: Read, start: Array) -> Read:
    """Readings over those at the start."""
    with jax.enable_x64(True):
        unit = np.asarray(read(jnp.asarray(start, jnp.float64)))
    return lambda point: read(point) / unit


def read_all(read: Read, points: Array) -> Array:
    """Readings (..., K) of points (..., D)."""
    with jax.enable_x64(True):
        flat = jnp.asarray(points).reshape(-1, points.shape[-1])
        values = np.asarray(jax.jit(lambda all: jax.lax.map(read, all, batch_size=4096))(flat))
    return values.reshape(*points.shape[:-1], -1)


# One object for each problem: what JAX compiles for a model serves all its learning rates.
@functools.cache
def scalar_product(width: int) -> Problem:
    """``u . v = 1``.

    The motion is the same after any rotation of u and v together, and stays in the plane of the two
    at the start: from parallel ones every width is width 1. So width 30 starts with a part of v, of
    length 1, across u, in a random plane. The limit's random paths are those of width 2, for the
    same reason; those of width 1 are drawn in the hyperbola's own coordinate, which is far cheaper.
    """
    rng = np.random.default_rng(width)
    along, across = np.linalg.qr(rng.standard_normal((max(width, 2), 2)))[0].T
    if width == 1:
        along, across = np.ones(1), np.zeros(1)
    u, v = np.e * along, along / np.e + across
    model = SquaredError(lambda p: jnp.vdot(p["u"], p["v"]) - 1, {"u": u, "v": v})
    start = np.append(u, v)
    read = in_units_of_start(excess(model), start)

    def mean_field(C: float) -> Array:
        path = limit_path(model, start, C=C, noise_std=EPS, times=PRODUCT_TIMES)
        return read_all(read, path.points)

    def random(C: float, count: int, key: jax.Array) -> Array:
        points = limit_ensemble(
            model, start, C=C, noise_std=EPS, times=PRODUCT_TIMES, runs=count, key=key
        )
        return read_all(read, points)

    if width == 2:
        return Problem(model, start, EPS, read, mean_field, random)
    drawn = _random_rank_one(1) if width == 1 else scalar_product(2).random
    return Problem(model, start, EPS, read, mean_field, drawn)


@functools.cache
def rank_one_product(m: int) -> Problem:
    """The rank-one family, whose limit is written in its own coordinate."""
    model, noise_std = rank_one.rank_one(m, EPS)
    start = rank_one.start_of(m)

    def mean_field(C: float) -> Array:
        told = rank_one.mean_field(m, C=C, eps=EPS, times=PRODUCT_TIMES)
        return np.asarray(told[:, None] / (2 * np.sinh(2.0)))

    read = in_units_of_start(excess(model), start)
    return Problem(model, start, noise_std, read, mean_field, _random_rank_one(m))


def _random_rank_one(m: int) -> RandomPaths:
    def random(C: float, count: int, key: jax.Array) -> Array:
        told = rank_one.random_amplitudes(m, C=C, eps=EPS, times=PRODUCT_TIMES, runs=count, key=key)
        return np.asarray(told[..., None] / told[0, 0])

    return random


@functools.cache
def matrix_sensing() -> Problem:
    """Matrix sensing as the lab has it, test error and trace at the cooled iterate."""
    problem = load("matrix-sensing")
    model, start, noise_std = model_of(problem)
    metrics = [problem.metrics[name] for name in ("test_error", "trace")]

    def on_manifold(point: jax.Array) -> jax.Array:
        params = model.tree_at(point)
        return jnp.stack([metric(params) for metric in metrics])

    def cooled(point: jax.Array) -> jax.Array:
        params = descend(problem.loss, model.tree_at(point), problem.cooling)
        return jnp.stack([metric(params) for metric in metrics])

    with jax.enable_x64(True):
        unit = np.asarray(on_manifold(jnp.asarray(start)))

    def mean_field(C: float) -> Array:
        path = limit_path(
            model,
            start,
            C=C,
            noise_std=noise_std,
            times=SENSING_TIMES,
            tolerance=FOLLOWING.tolerance,
            max_steps=SENSING_STEPS,
        )
        return np.asarray(read_all(on_manifold, path.points) / unit)

    return Problem(model, start, noise_std, lambda point: cooled(point) / unit, mean_field)
