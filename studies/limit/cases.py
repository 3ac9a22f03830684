"""The problems of the study: what is simulated, what is read, and which limit it has."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import descend
from flatfast.lab.prediction import TOLERANCE, model_of
from flatfast.lab.problems import load
from flatfast.theory import SquaredError, limit_ensemble, limit_path
from studies.limit import rank_one
from studies.limit.simulation import Array, Read

EPS = 0.5
"""Label noise of the products."""

PRODUCT_TIMES = np.linspace(0, 6, 25)
PRODUCT_C = (0.3, 0.5, 1.0, 1.5, 3.0)
"""The best C of a sweep is 0.6."""

SENSING_TIMES = np.linspace(0, 24, 25)
SENSING_C = (0.082, 0.109, 0.164, 0.327)
"""0.75, 1, 1.5 and 3 times the best C of a sweep; below that the limit cannot be followed."""

SENSING_STEPS = 600
"""Of the solver of the limit, on a path."""


@dataclass(frozen=True, eq=False)
class Case:
    """A problem of the study.

    Attributes:
        name: Its name.
        modes: Modes across the manifold.
        model: The model.
        start: On the manifold, (D,).
        noise_std: Of the label noise.
        observables: What is read, (K,), each in units of its start.
        read: A point (D,) to the readings (K,), in traced functions.
        C: Prefactors.
        times: (T,), from 0.
        lrs: Learning rates.
        runs: Runs of SGD for each C.
        paths: Draws of the limit's amplitudes for each C; 0 for the mean field alone.
        mean_field: ``C -> (T, K)``.
        random: ``(C, runs, key) -> (runs, T, K)``.
    """

    name: str
    modes: int
    model: SquaredError
    start: Array
    noise_std: float
    observables: tuple[str, ...]
    read: Read
    C: tuple[float, ...]
    times: Array
    lrs: tuple[float, ...]
    runs: int
    paths: int
    mean_field: Callable[[float], Array]
    random: Callable[[float, int, jax.Array], Array] | None = None


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


def scalar_product(width: int, lrs: tuple[float, ...], runs: int, paths: int) -> Case:
    """``u . v = 1``.

    The motion is the same after any rotation of u and v together, and stays in the plane of the two
    at the start: from parallel ones every width is width 1. So width 30 starts with a part of v, of
    length 1, across u, in a random plane. The limit's random paths are those of width 2, for the
    same reason.
    """
    rng = np.random.default_rng(width)
    along, across = np.linalg.qr(rng.standard_normal((max(width, 2), 2)))[0].T
    if width == 1:
        along, across = np.ones(1), np.zeros(1)
    u, v = np.e * along, along / np.e + across
    example = {"u": u, "v": v}
    model = SquaredError(lambda p: jnp.vdot(p["u"], p["v"]) - 1, example)
    name = f"scalar-product-{width}"
    case = _product(name, model, np.append(u, v), EPS, lrs, runs, paths)
    if width == 1:  # the hyperbola, whose own coordinate is far cheaper
        return replace(case, random=_random_rank_one(1))
    return case if width == 2 else replace(case, random=scalar_product(2, lrs, runs, paths).random)


def rank_one_case(m: int, lrs: tuple[float, ...], runs: int, paths: int) -> Case:
    """The rank-one family, whose limit is written in its own coordinate."""
    model, noise_std = rank_one.rank_one(m, EPS)
    unit = 2 * np.sinh(2.0)

    def mean_field(C: float) -> Array:
        told = rank_one.mean_field(m, C=C, eps=EPS, times=PRODUCT_TIMES)
        return np.asarray(told[:, None] / unit)

    case = _product(f"rank-one-{m}", model, rank_one.start_of(m), noise_std, lrs, runs, paths)
    return replace(case, modes=2 * m - 1, mean_field=mean_field, random=_random_rank_one(m))


def _random_rank_one(m: int) -> Callable[[float, int, jax.Array], Array]:
    def random(C: float, count: int, key: jax.Array) -> Array:
        told = rank_one.random_amplitudes(m, C=C, eps=EPS, times=PRODUCT_TIMES, runs=count, key=key)
        return np.asarray(told[..., None] / told[0, 0])

    return random


def _product(
    name: str,
    model: SquaredError,
    start: Array,
    noise_std: float,
    lrs: tuple[float, ...],
    runs: int,
    paths: int,
) -> Case:
    read = in_units_of_start(excess(model), start)

    def mean_field(C: float) -> Array:
        path = limit_path(model, start, C=C, noise_std=noise_std, times=PRODUCT_TIMES)
        return read_all(read, path.points)

    def random(C: float, count: int, key: jax.Array) -> Array:
        points = limit_ensemble(
            model, start, C=C, noise_std=noise_std, times=PRODUCT_TIMES, runs=count, key=key
        )
        return read_all(read, points)

    return Case(
        name,
        1,
        model,
        start,
        noise_std,
        ("|u|² − |v|²",),
        read,
        PRODUCT_C,
        PRODUCT_TIMES,
        lrs,
        runs,
        paths,
        mean_field,
        random,
    )


def matrix_sensing(lrs: tuple[float, ...], runs: int) -> Case:
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
            tolerance=TOLERANCE,
            max_steps=SENSING_STEPS,
        )
        return np.asarray(read_all(on_manifold, path.points) / unit)

    return Case(
        "matrix-sensing",
        model.residual_count,
        model,
        start,
        noise_std,
        ("test error", "trace"),
        lambda point: cooled(point) / unit,
        SENSING_C,
        SENSING_TIMES,
        lrs,
        runs,
        0,
        mean_field,
    )
