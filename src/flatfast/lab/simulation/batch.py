"""The compiled program that advances a batch of runs.

A batch is one tile of runs (:mod:`.tile`) on each device (on a CPU, one XLA device per core; see
:mod:`flatfast.lab.engines`); on each, a ``vmap`` over its runs turns their many small products with
shared data into one large one. The loops over steps and records run on the device, and a batch's
state is donated from call to call, so that it exists once.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr, jaxpr_as_fun
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from flatfast.lab.descent import descend
from flatfast.lab.goal import COOLED
from flatfast.lab.problem import Params, Problem
from flatfast.lab.simulation.optimizers import Memory, Rule
from flatfast.lab.simulation.products import largest_in_products
from flatfast.lab.simulation.schedule import Schedule
from flatfast.lab.simulation.tile import tile_width


class ProblemError(ValueError):
    """A problem's function returned something of the wrong shape, or NaN at the start."""


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "memory", "lr", "momentum", "length", "key", "step"],
    meta_fields=[],
)
@dataclass(frozen=True)
class BatchState:
    """A batch of runs between two records; every leaf has a leading axis of runs.

    Learning rate and momentum are constant, or those at the peak of a schedule; ``memory`` is what
    the optimizer keeps (:mod:`flatfast.lab.simulation.optimizers`).
    """

    params: Params
    memory: Memory
    lr: jax.Array
    momentum: jax.Array
    length: jax.Array
    key: jax.Array
    step: jax.Array


@dataclass(frozen=True)
class Batch:
    """The compiled parts of a simulation: lay out a batch, read metrics, advance.

    Attributes:
        start: The problem's start, in the runs' precision.
        rule: The optimizer.
        mesh: The devices, over which runs are sharded.
        width: Runs in a batch: a tile on each device.
        read: ``(start, constants) -> metrics`` of one run.
        program: Number of records to ``(state, strides, constants) -> (state, metrics, finite)``,
            compiled; it consumes the state it is given.
        constants: The arrays that all runs share. They are arguments of the compiled program, not
            part of it: data of a hundred megabytes would otherwise be copied into the program and
            slow its compilation.
    """

    start: Params
    rule: Rule
    mesh: Mesh
    width: int
    read: Callable[..., dict[str, jax.Array]]
    program: Callable[[int], Any]
    constants: Any

    def first_look(self) -> dict[str, jax.Array]:
        """The metrics at the start."""
        return self.read(self.start, self.constants)

    def begin(self, lr: Any, momentum: Any, seed: Any, length: int) -> BatchState:
        """The state of runs with these (W,) settings before their first step."""
        dtype = jax.tree.leaves(self.start)[0].dtype
        params = jax.tree.map(lambda w: jnp.broadcast_to(w, (self.width, *w.shape)), self.start)
        state = BatchState(
            params,
            jax.vmap(self.rule.begin)(params),
            jnp.asarray(lr, dtype),
            jnp.asarray(momentum, dtype),
            jnp.full(self.width, length, jnp.uint32),
            jax.vmap(jax.random.key)(jnp.asarray(seed, jnp.uint32)),
            jnp.zeros(self.width, jnp.uint32),
        )
        placed: BatchState = jax.device_put(state, NamedSharding(self.mesh, PartitionSpec("run")))
        return placed

    def advance(
        self, state: BatchState, strides: jax.Array
    ) -> tuple[BatchState, dict[str, jax.Array], jax.Array]:
        """Go on for ``strides`` (K,) steps and read the metrics after each stride.

        Returns:
            The new state, the metrics by name, (K, W), and whether all of a run's parameters and
            metrics were finite, (K, W). The state that was passed is consumed.
        """
        result: tuple[BatchState, dict[str, jax.Array], jax.Array]
        result = self.program(len(strides))(state, strides, self.constants)
        return result

    def state_bytes(self) -> int:
        """Memory of all weights and of what the optimizer keeps beside them."""
        memory = jax.eval_shape(self.rule.begin, self.start)
        leaves = jax.tree.leaves((self.start, memory))
        each: int = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
        return self.width * each

    def temporary_bytes(self, records: int) -> int:
        """Memory on each device, for calls so long, besides the state.

        What the compiler plans for temporaries, and what its plan does not know: the libraries that
        multiply matrices on a CPU have buffers of their own, for which the largest operand or
        result of a product stands.
        """
        program = self.program(records)
        plan = program.memory_analysis()
        planned = 0 if plan is None else int(plan.temp_size_in_bytes)
        return planned + largest_in_products(program.as_text() or "")


@functools.lru_cache(maxsize=16)
def compile_batch(
    problem: Problem,
    names: tuple[str, ...],
    rule: Rule,
    dtype: str,
    mesh: Mesh,
    schedule: Schedule | None = None,
) -> Batch:
    """Trace the problem's functions once, for all batches of one kind.

    The program is compiled when it first runs, and again for another number of records in a call.

    Raises:
        ProblemError: If the problem's functions return the wrong structure or shape.
        ValueError: If the optimizer cannot move the problem's parameters.
    """
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), problem.start())
    key = jax.random.key(0)
    gradient = _hoisted(problem.gradient, start, key)
    metrics = _hoisted(functools.partial(read_metrics, problem, names), start)
    _check_shapes(problem, gradient, metrics, start, key)
    jax.eval_shape(rule.begin, start)  # says now what it cannot move

    def step(state: BatchState, constants: Any) -> BatchState:
        noise = jax.random.fold_in(state.key, state.step)
        g = gradient.call(constants, state.params, noise)
        lr, beta = state.lr, state.momentum
        if schedule is not None:
            lr, beta = schedule(lr, beta, state.step, state.length)
        count = state.step + 1
        params, memory = rule.step(state.params, g, state.memory, lr, beta, count)
        return replace(state, params=params, memory=memory, step=count)

    def advance(state: BatchState, strides: jax.Array, constants: tuple[Any, Any]) -> Any:
        step_all = jax.vmap(step, in_axes=(0, None))
        read_all = jax.vmap(lambda params: metrics.call(constants[1], params))

        def one_step(_: Any, state: BatchState) -> BatchState:
            stepped: BatchState = step_all(state, constants[0])
            return stepped

        def stretch(state: BatchState, stride: jax.Array) -> tuple[BatchState, Any]:
            state = jax.lax.fori_loop(0, stride, one_step, state)
            values = read_all(state.params)
            return state, (values, jax.vmap(_all_finite)(state.params, values))

        state, (values, finite) = jax.lax.scan(stretch, state, strides)
        return state, values, finite

    by_run, whole, records = PartitionSpec("run"), PartitionSpec(), PartitionSpec(None, "run")
    sharded = jax.shard_map(
        advance,
        mesh=mesh,
        in_specs=(by_run, whole, whole),
        out_specs=(by_run, records, records),
        check_vma=False,
    )
    constants = jax.device_put((gradient.constants, metrics.constants), NamedSharding(mesh, whole))

    @functools.cache
    def program(records: int) -> Any:
        zeros = np.zeros(batch.width)
        state = batch.begin(zeros, zeros, zeros, length=1)
        strides = jnp.zeros(records, jnp.int32)
        return jax.jit(sharded, donate_argnums=0).lower(state, strides, constants).compile()

    batch = Batch(
        start,
        rule,
        mesh,
        mesh.size * tile_width(gradient.jaxpr, mesh.devices.flat[0].platform),
        jax.jit(lambda params, constants: metrics.call(constants[1], params)),
        program,
        constants,
    )
    return batch


def gradient_tile(problem: Problem, dtype: str, platform: str) -> int:
    """Runs of a tile on a device of this kind (:func:`.tile.tile_width`)."""
    start = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), problem.start())
    gradient = _hoisted(problem.gradient, start, jax.random.key(0))
    return tile_width(gradient.jaxpr, platform)


@dataclass(frozen=True)
class _Hoisted:
    """A function whose captured arrays have become an argument."""

    constants: Any
    jaxpr: Jaxpr
    call: Callable[..., Any]


def _hoisted(function: Callable[..., Any], *example: Any) -> _Hoisted:
    jaxpr, out = jax.make_jaxpr(function, return_shape=True)(*example)
    tree = jax.tree.structure(out)

    def call(constants: Any, *args: Any) -> Any:
        closed = jaxpr.replace(consts=constants)
        return jax.tree.unflatten(tree, jaxpr_as_fun(closed)(*jax.tree.leaves(args)))

    return _Hoisted([jnp.asarray(constant) for constant in jaxpr.consts], jaxpr.jaxpr, call)


def read_metrics(problem: Problem, names: tuple[str, ...], params: Params) -> dict[str, jax.Array]:
    """Read metrics; an iterate is cooled once for all its cooled metrics."""
    values = {}
    cooled = None
    for name in names:
        at = params
        if name.startswith(COOLED):
            if cooled is None:
                cooled = descend(problem.loss, params, problem.cooling)
            at = cooled
        values[name] = problem.metrics[name.removeprefix(COOLED)](at)
    return values


def _all_finite(*trees: Any) -> jax.Array:
    leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(trees)]
    return functools.reduce(jnp.logical_and, leaves)


def _check_shapes(
    problem: Problem, gradient: _Hoisted, metrics: _Hoisted, start: Params, key: jax.Array
) -> None:
    slope = jax.eval_shape(gradient.call, gradient.constants, start, key)
    structures: list[Any] = [jax.tree.structure(tree) for tree in (slope, start)]
    if structures[0] != structures[1]:
        raise ProblemError(
            f"problem {problem.name!r}: gradient must have the structure of the parameters, "
            f"{structures[1]}, got {structures[0]}"
        )
    for leaf, reference in zip(jax.tree.leaves(slope), jax.tree.leaves(start), strict=True):
        if leaf.shape != reference.shape:
            raise ProblemError(
                f"problem {problem.name!r}: gradient must have the shape of the parameters, "
                f"{reference.shape}, got {leaf.shape}"
            )
    for name, value in jax.eval_shape(metrics.call, metrics.constants, start).items():
        if value.shape != ():
            raise ProblemError(
                f"problem {problem.name!r}: metric {name!r} must be a scalar, "
                f"got an array of shape {value.shape}"
            )
