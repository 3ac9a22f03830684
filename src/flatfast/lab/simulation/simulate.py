"""Many runs of training at once.

Heavy-ball SGD in PyTorch's convention, ``p <- momentum * p + g``, ``w <- w - lr * p`` (with
``nesterov``, ``w <- w - lr * (g + momentum * p)``), or another optimizer of
:mod:`flatfast.lab.simulation.optimizers`, for a batch of runs that differ in learning rate,
momentum (Adam's is its beta 1) and seed. The compiled program of
:mod:`flatfast.lab.simulation.batch` advances the whole batch from record to record; the host looks
in once per block of records, to see which runs are done.

A run's random numbers are those of its own seed, ``fold_in(key(seed), step)``, and its arithmetic
is that of a tile (:mod:`flatfast.lab.simulation.tile`): on one kind of processor its trajectory is
the same to the last bit, whatever runs share its batch, however many and over how many devices.
Runs of the same seed share their noise.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.length import check_length
from flatfast.lab.problem import Problem
from flatfast.lab.simulation.batch import Batch, ProblemError, compile_batch, gradient_tile
from flatfast.lab.simulation.optimizers import SGD, Rule, with_nesterov
from flatfast.lab.simulation.schedule import Schedule
from flatfast.lab.trajectories import Trajectories

Spacing = Literal["linear", "log"]
Settled = Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]

LOG_SPAN = 1000
"""Ratio of the last to the first record of a log-spaced run, at most: earlier ones would be dear
and tell little."""

HEAVY_BALL = SGD()
"""What is simulated where nobody says."""

BLOCKS = 16
"""How often the host looks in during a run, to stop a batch whose runs are all done."""


def record_steps(steps: int, records: int, spacing: Spacing = "linear") -> NDArray[np.int64]:
    """The steps at which metrics are read: 0, then up to ``records`` more that end at ``steps``.

    Args:
        steps: Length of the run in steps, from 1 to :data:`flatfast.lab.length.MOST_STEPS`.
        records: How many records after the start, at least 1; fewer come out where rounding to
            whole steps makes them coincide.
        spacing: ``linear`` (regular) or ``log`` (over the last factor of :data:`LOG_SPAN`).

    Raises:
        ValueError: If an argument is out of range.
    """
    check_length(steps)
    if records < 1:
        raise ValueError(f"records must be at least 1, got {records}")
    if spacing == "linear":
        marks = np.linspace(0, steps, records + 1)
    elif spacing == "log":
        marks = np.concatenate([[0.0], np.geomspace(max(1, steps / LOG_SPAN), steps, records)])
    else:
        raise ValueError(f"spacing must be 'linear' or 'log', got {spacing!r}")
    return np.unique(np.rint(marks).astype(np.int64))


def simulate(
    problem: Problem,
    lr: ArrayLike,
    momentum: ArrayLike,
    seed: ArrayLike,
    *,
    steps: int,
    records: int = 256,
    spacing: Spacing = "linear",
    nesterov: bool = False,
    dtype: Literal["float32", "float64"] = "float32",
    metrics: Sequence[str] | None = None,
    settled: Settled | None = None,
    schedule: Schedule | None = None,
    optimizer: Rule = HEAVY_BALL,
) -> Trajectories:
    """Train on ``problem`` with a batch of N settings.

    Args:
        problem: The experiment.
        lr: (N,) learning rates, positive.
        momentum: (N,) momenta in [0, 1); of Adam, its beta 1.
        seed: (N,) seeds of the runs' noise, integers in [0, 2**31).
        steps: Length of the runs, in steps.
        records: How many times the metrics are read after the start.
        spacing: Whether records are regular or log-spaced.
        nesterov: Use Nesterov momentum, where the optimizer has it.
        dtype: Floating-point type of the runs.
        metrics: Names to record, ``cooled:`` variants included; the goal's metric is always among
            them. By default the goal's alone.
        settled: ``(steps (r,), goal metric (N, r), momentum (N,)) -> (N,) bool``, told the records
            so far: which runs need not go on. Runs stop when all that advance with them have
            settled or diverged, and a run's records end where it did, whatever its neighbours do.
        schedule: How learning rate and momentum change over the ``steps``; ``lr`` and ``momentum``
            are then those at its peak. By default they are constant.
        optimizer: The update rule; SGD with heavy ball by default.

    Returns:
        The recorded trajectories.

    Raises:
        ValueError: If an argument is out of range, or the optimizer has no Nesterov momentum or
            cannot move such parameters.
        ProblemError: If the problem's functions do not fit together, or are not finite at the
            start.
    """
    lr, momentum, seed = _settings(lr, momentum, seed)
    names = _names(problem, metrics)
    marks = record_steps(steps, records, spacing)
    with _precision(dtype):
        rule = with_nesterov(optimizer, nesterov)
        batch = compile_batch(problem, names, rule, dtype, _mesh(), schedule)
        look = batch.first_look()
        first = {name: float(look[name]) for name in names}
        _check_start(problem, first)
        parts = [
            _advance(batch, marks, first, lr[part], momentum[part], seed[part], settled)
            for part in (slice(k, k + batch.width) for k in range(0, len(lr), batch.width))
        ]
    return _joined(parts)


def _advance(
    batch: Batch,
    marks: NDArray[np.int64],
    first: dict[str, float],
    lr: NDArray[np.float64],
    momentum: NDArray[np.float64],
    seed: NDArray[np.int64],
    settled: Settled | None,
) -> Trajectories:
    """One batch from its ``first`` metrics, the goal's before others, to its end."""
    count, goal = len(lr), next(iter(first))
    filled = np.minimum(np.arange(batch.width), count - 1)
    state = batch.begin(lr[filled], momentum[filled], seed[filled], int(marks[-1]))
    history = {name: [np.full((count, 1), value)] for name, value in first.items()}
    finite = [np.ones((count, 1), bool)]
    recorded = np.full(count, len(marks))
    open_runs = np.ones(count, bool)
    # Equal blocks let one compiled program serve every block; the last is padded with records of
    # no steps.
    size = _block(len(marks) - 1)
    for begin in range(1, len(marks), size):
        block = marks[begin - 1 : begin + size]
        strides = np.zeros(size, np.int32)
        strides[: len(block) - 1] = np.diff(block)
        state, values, good = batch.advance(state, jnp.asarray(strides))
        read = len(block) - 1
        for name in history:
            part = np.asarray(values[name], np.float64)
            history[name].append(part.T[:count, :read])
        finite.append(np.asarray(good).T[:count, :read])
        done = ~np.all(finite[-1], axis=1)
        if settled is not None:
            so_far = np.concatenate(history[goal], axis=1)
            done |= settled(marks[: so_far.shape[1]], so_far, momentum)
        recorded[open_runs & done] = min(begin + size, len(marks))
        open_runs &= ~done
        if not open_runs.any():
            break
    return _collect(marks, history, finite, recorded)


def _block(records: int) -> int:
    """Records between two looks of the host."""
    return -(-records // BLOCKS)


def _mesh() -> Mesh:
    return Mesh(np.asarray(jax.devices()), ("run",))


def _names(problem: Problem, metrics: Sequence[str] | None) -> tuple[str, ...]:
    """The metrics to record, the goal's first, each once and each one that the problem has."""
    names = tuple(dict.fromkeys([problem.goal.metric, *(metrics or ())]))
    for name in names:
        problem.check_metric(name)
    return names


@dataclass(frozen=True)
class Footprint:
    """The memory that a simulation takes.

    Attributes:
        width: Runs that are advanced at once: a tile on each device.
        at_once: Bytes of their state and temporaries: as the compiler plans them, and the buffers
            of matrix products. The arrays that all runs share are not counted.
        per_run: Bytes of the records of one run.
    """

    width: int
    at_once: int
    per_run: int


def footprint(
    problem: Problem,
    records: int = 256,
    nesterov: bool = False,
    dtype: Literal["float32", "float64"] = "float32",
    metrics: Sequence[str] | None = None,
    schedule: Schedule | None = None,
    optimizer: Rule = HEAVY_BALL,
) -> Footprint:
    """The memory that :func:`simulate` will take with these arguments; it compiles the program."""
    names = _names(problem, metrics)
    with _precision(dtype):
        rule = with_nesterov(optimizer, nesterov)
        batch = compile_batch(problem, names, rule, dtype, _mesh(), schedule)
        temporary = batch.mesh.size * batch.temporary_bytes(_block(records))
        # A batch gives its state to each call, which writes over it.
        held = batch.state_bytes()
    return Footprint(batch.width, held + temporary, 8 * (records + 1) * len(names))


def tile_of(
    problem: Problem, dtype: Literal["float32", "float64"] = "float32", platform: str = "cpu"
) -> int:
    """Runs that a device of a kind advances at once; nothing is compiled for it.

    Args:
        problem: The experiment.
        dtype: Floating-point type of the runs.
        platform: Kind of the device: ``cpu``, or another.
    """
    with _precision(dtype):
        return gradient_tile(problem, dtype, platform)


@contextlib.contextmanager
def _precision(dtype: str) -> Iterator[None]:
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    with jax.enable_x64(dtype == "float64"):
        yield


def _settings(
    lr: ArrayLike, momentum: ArrayLike, seed: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    rates, momenta, seeds = np.broadcast_arrays(
        np.atleast_1d(np.asarray(lr, np.float64)),
        np.asarray(momentum, np.float64),
        seed,
    )
    for value in rates[~(np.isfinite(rates) & (rates > 0))]:
        raise ValueError(f"lr must be positive and finite, got {value}")
    for value in momenta[~((momenta >= 0) & (momenta < 1))]:
        raise ValueError(f"momentum must be in [0, 1), got {value}")
    if not np.issubdtype(seeds.dtype, np.integer):
        raise ValueError(f"seed must be an integer, got values of type {seeds.dtype}")
    for value in seeds[(seeds < 0) | (seeds >= 2**31)]:
        raise ValueError(f"seed must be in [0, 2**31), got {value}")
    return rates, momenta, seeds.astype(np.int64)


def _check_start(problem: Problem, first: dict[str, float]) -> None:
    for name, value in first.items():
        if not np.isfinite(value):
            raise ProblemError(
                f"problem {problem.name!r}: metric {name!r} is {value} at the start; "
                "it must be finite there"
            )


def _collect(
    marks: NDArray[np.int64],
    history: dict[str, list[NDArray[np.float64]]],
    finite: list[NDArray[np.bool_]],
    recorded: NDArray[np.int64],
) -> Trajectories:
    good = np.concatenate(finite, axis=1)
    reached = good.shape[1]
    marks = marks[:reached]
    recorded = np.minimum(recorded, reached)
    inside = np.arange(reached) < recorded[:, None]
    bad = ~good & inside
    diverged = bad.any(axis=1)
    first_bad = np.where(diverged, bad.argmax(axis=1), recorded)
    diverged_step = np.where(diverged, marks[np.minimum(first_bad, reached - 1)], -1)
    keep = np.arange(reached) < first_bad[:, None]
    values = {
        name: np.where(keep, np.concatenate(parts, axis=1), np.nan)
        for name, parts in history.items()
    }
    return Trajectories(marks, values, first_bad.astype(np.int64), diverged_step)


def _joined(parts: list[Trajectories]) -> Trajectories:
    """Batches of runs as one, those that ended earlier filled up with NaN."""
    steps = max((part.steps for part in parts), key=len)

    def filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
        missing = len(steps) - values.shape[1]
        return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan)

    return Trajectories(
        steps,
        {
            name: np.concatenate([filled(part.values[name]) for part in parts])
            for name in parts[0].values
        },
        np.concatenate([part.recorded for part in parts]),
        np.concatenate([part.diverged_step for part in parts]),
    )
