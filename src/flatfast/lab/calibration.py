"""The lab's problems as calibration sees them: gradients, probes and products at the start."""

import copy
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from flatfast.calibration import Calibration, calibrate
from flatfast.calibration.calibrate import BUDGET, Lasts, Progress
from flatfast.lab.problem import Problem

FIXED = 1
"""Seed of the probes that are the same at every point."""


class ProblemLandscape:
    """A problem around a point, in single precision as its runs are.

    Attributes:
        batch_size: Examples in a step.
        examples: Examples in all.
        outputs: Their outputs, all in all.
        batches_per_step: 1.
        unseen: Empty: a problem's gradient draws all of its noise.
        product_batches: 1: a product goes over all examples, as a step of most problems does.
    """

    batches_per_step = 1
    product_batches = 1
    unseen = ""

    def __init__(self, problem: Problem, params: Any = None, seed: int = 0) -> None:
        """At the problem's start, or at other parameters.

        Args:
            problem: With residuals or logits.
            params: Where; the problem's start by default.
            seed: Draws noise and probes.

        Raises:
            ValueError: If the problem has neither residuals nor logits.
        """
        at = problem.start() if params is None else params
        flat, tree = _flat(at)
        factor = _factor(problem)

        def outputs(w: jax.Array) -> jax.Array:
            return factor(tree(w))

        shape = jax.eval_shape(outputs, flat).shape
        self.examples = shape[0] if shape else 1
        sampled = int(problem.settings.get("batch_size", 0))
        self.batch_size = sampled or self.examples
        self._w, self._keys = flat, jax.random.key(seed)
        self._begin = self._keys
        drawn = ("noise_std", "flip_probability")
        labelled = any(float(problem.settings.get(name, 0)) > 0 for name in drawn)
        self._fresh = labelled or not sampled
        examples = self.examples

        @jax.jit
        def along(w: jax.Array, signs: jax.Array) -> tuple[jax.Array, jax.Array]:
            def squared(w: jax.Array) -> jax.Array:
                _, backward = jax.vjp(outputs, w)
                return jnp.sum(backward(signs)[0] ** 2) / examples

            found: tuple[jax.Array, jax.Array] = jax.value_and_grad(squared)(w)
            return found

        @jax.jit
        def value(w: jax.Array, signs: jax.Array) -> jax.Array:
            _, backward = jax.vjp(outputs, w)
            return jnp.sum(backward(signs)[0] ** 2) / examples

        @jax.jit
        def fixed(number: int) -> jax.Array:
            return signs(jax.random.fold_in(jax.random.key(FIXED), number))

        def signs(key: jax.Array) -> jax.Array:
            return jax.random.rademacher(key, shape, flat.dtype)

        @jax.jit
        def product(w: jax.Array, v: jax.Array) -> jax.Array:
            _, image = jax.jvp(outputs, (w,), (v,))
            _, backward = jax.vjp(outputs, w)
            found: jax.Array = backward(image)[0] / examples
            return found

        @jax.jit
        def gradient(w: jax.Array, key: jax.Array) -> jax.Array:
            found: jax.Array = ravel_pytree(problem.gradient(tree(w), key))[0]
            return found

        self._loss, self._zero = (lambda w: float(problem.loss(tree(w)))), 0 * flat
        self._along, self._product, self._gradient = along, product, gradient
        self._value, self._fixed = value, fixed
        self._signs, self._shape, self.outputs = jax.jit(signs), shape, math.prod(shape)

    @property
    def length(self) -> float:
        """Euclidean norm of the parameters."""
        return float(jnp.linalg.norm(self._w))

    def at(self, params: Any, seed: int | None = None) -> "ProblemLandscape":
        """The same at other parameters, by the same compiled programs.

        Args:
            params: Where.
            seed: Draws noise and probes from there on; by default they go on.
        """
        found = copy.copy(self)
        found._w = _flat(params)[0]
        if seed is not None:
            found._keys = found._begin = jax.random.key(seed)
        return found

    def moved(self, by: jax.Array | float, *, anew: bool = False) -> "ProblemLandscape":
        """The same displaced by (D,); ``anew``, with noise and probes as at the beginning."""
        found = copy.copy(self)
        found._w = self._w + by
        if anew:
            found._keys = self._begin
        return found

    def _key(self) -> jax.Array:
        found: jax.Array
        self._keys, found = jax.random.split(self._keys)
        return found

    def gradients(self) -> tuple[jax.Array, jax.Array]:
        """Two gradients.

        With label noise each has a batch of its own, since a problem draws both from one key: on
        the manifold the batch alone makes no noise. Where a step takes all examples, all noise is
        drawn afresh.
        """
        key = self._key()
        first = self._gradient(self._w, key)
        return first, self._gradient(self._w, self._key()) if self._fresh else first

    def misfit(self) -> tuple[float, float]:
        """The loss, and that of outputs of zero, which the lab's models have at zero weights."""
        return self._loss(self._w), self._loss(self._zero)

    def probe(self) -> tuple[float, jax.Array]:
        """``|J^T z|^2 / P`` and its gradient."""
        value, slope = self._along(self._w, self._signs(self._key()))
        return float(value), slope

    def reading(self, number: int) -> float:
        """``|J^T z|^2 / P`` for the signs of this number, the same at every point."""
        return float(self._value(self._w, self._fixed(number)))

    def row(self, number: int) -> tuple[float, jax.Array]:
        """``|J^T e|^2 / P`` for one output's unit vector e, and its gradient."""
        unit = jnp.zeros(self.outputs).at[number].set(1.0).reshape(self._shape)
        value, slope = self._along(self._w, unit)
        return float(value), slope

    def product(self, v: jax.Array) -> jax.Array:
        """``J^T J v / P``."""
        found: jax.Array = self._product(self._w, v)
        return found


def calibrate_problem(
    problem: Problem,
    lr: float | None = None,
    *,
    budget: int = BUDGET,
    noise: Lasts = "fresh",
    seed: int = 0,
    momentum: float | None = None,
    fall: float | None = None,
    progress: Progress = lambda done, total: None,
) -> Calibration:
    """The law's prefactor at a problem's start, see :func:`flatfast.calibration.calibrate`.

    Raises:
        ValueError: If the problem has neither residuals nor logits, or an argument is wrong.
    """
    with jax.enable_x64(False):
        landscape = ProblemLandscape(problem, seed=seed)
        return calibrate(
            landscape,
            lr,
            budget=budget,
            noise=noise,
            momentum=math.nan if momentum is None else momentum,
            fall=fall,
            progress=progress,
        )


def _flat(params: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """(D,) in single precision, and the way back."""
    found: tuple[jax.Array, Callable[[jax.Array], Any]]
    found = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params))
    return found


def _factor(problem: Problem) -> Callable[[Any], jax.Array]:
    """Outputs whose Jacobian J gives the Gauss-Newton matrix as ``J^T J / P``."""
    if problem.residuals is not None:
        return problem.residuals
    if problem.logits is None:
        raise ValueError(
            f"problem {problem.name!r} has neither residuals nor logits: the calibration needs the "
            "outputs of its model"
        )
    logits = problem.logits

    def scaled(params: Any) -> jax.Array:
        # S = diag(p) - p p^T = R R^T with R = diag(sqrt p) - p sqrt(p)^T, held fixed.
        outputs = logits(params)
        p = jax.lax.stop_gradient(jax.nn.softmax(outputs))
        root = jnp.sqrt(p)
        return root * outputs - root * jnp.sum(p * outputs, axis=-1, keepdims=True)

    return scaled
