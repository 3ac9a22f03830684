"""Training that never fits its data: every step draws new inputs and new labels from a teacher.

A two-layer student is wider than its teacher. It starts as the teacher itself, with units of its
own that count for nothing yet: a minimizer of the population's loss, on a manifold of them. Labels
are drawn from the teacher's chances, or are its outputs and Gaussian noise, so that the model is
well specified: there the covariance of a batch's gradient is the Hessian over the batch's size
(softmax), or that times the noise's variance (squared error).
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Params, Problem, Scalar

INPUTS, TEACHER, SPARE, CLASSES = 4, 3, 12, 3
"""Of the network: inputs, the teacher's units, those that the student has besides, and classes."""

POOL = 256
"""Inputs on which the loss and the trace are read, by default, in place of the population."""

SQUARED_NOISE = 0.5
"""Standard deviation of the noise on the targets of the squared error."""

SPREAD = 0.8
"""Standard deviation of the spare units' input weights at the start."""

Outputs = Callable[[Params, jax.Array], jax.Array]


def _forward(params: Params, x: jax.Array) -> jax.Array:
    outputs: jax.Array = jnp.tanh(x @ params["in"]) @ params["out"]
    return outputs


def _made(classes: int, data_seed: int, examples: int) -> tuple[Params, Params, Any]:
    """The teacher, the student's start, and the pool."""
    rng = np.random.default_rng(data_seed)
    teacher = {
        "in": rng.standard_normal((INPUTS, TEACHER)),
        "out": rng.standard_normal((TEACHER, classes)),
    }
    spare = SPREAD * rng.standard_normal((INPUTS, SPARE))
    start = {
        "in": np.concatenate([teacher["in"], spare], axis=1),
        "out": np.concatenate([teacher["out"], np.zeros((SPARE, classes))]),
    }
    return teacher, start, rng.standard_normal((examples, INPUTS))


def fresh_squared(*, batch: int = 64, data_seed: int = 0, pool: int = POOL) -> Problem:
    """Squared error; targets are the teacher's output and Gaussian noise."""
    teacher, start, inputs = _made(1, data_seed, pool)

    def gradient(params: Params, key: jax.Array) -> Params:
        of_inputs, of_noise = jax.random.split(key)
        dtype = params["in"].dtype
        x = jax.random.normal(of_inputs, (batch, INPUTS), dtype)
        noise = SQUARED_NOISE * jax.random.normal(of_noise, (batch, 1), dtype)
        targets = _forward(_like(teacher, dtype), x) + noise
        return jax.grad(lambda at: jnp.sum((_forward(at, x) - targets) ** 2) / (2 * batch))(params)

    def residuals(params: Params) -> jax.Array:
        dtype = params["in"].dtype
        x = jnp.asarray(inputs, dtype)
        return _forward(params, x) - _forward(_like(teacher, dtype), x)

    def loss(params: Params) -> jax.Array:
        return jnp.mean(residuals(params) ** 2) / 2

    return _problem(
        "fresh-squared", start, gradient, loss, _trace(inputs, squared=True),
        {"batch_size": batch, "data_seed": data_seed, "pool": pool}, residuals=residuals,
    )  # fmt: skip


def fresh_softmax(*, batch: int = 64, data_seed: int = 0, pool: int = POOL) -> Problem:
    """Cross-entropy; labels are drawn from the teacher's chances."""
    teacher, start, inputs = _made(CLASSES, data_seed, pool)
    return _softmax("fresh-softmax", _forward, teacher, start, inputs, batch, data_seed)


def softmax_regression(*, batch: int = 64, data_seed: int = 0, pool: int = POOL) -> Problem:
    """The same of a model that is linear in its weights, with flat directions that have no slope.

    Every input comes twice, so that half of the weights are free.
    """
    rng = np.random.default_rng(data_seed)
    teacher = rng.standard_normal((INPUTS, CLASSES))
    apart = rng.standard_normal((INPUTS, CLASSES))
    start = {"in": np.concatenate([teacher + apart, -apart])}
    inputs = rng.standard_normal((pool, INPUTS))

    def forward(params: Params, x: jax.Array) -> jax.Array:
        outputs: jax.Array = jnp.concatenate([x, x], axis=1) @ params["in"]
        return outputs

    return _softmax("softmax-regression", forward, start, start, inputs, batch, data_seed)


def _softmax(
    name: str,
    forward: Outputs,
    teacher: Params,
    start: Params,
    inputs: Any,
    batch: int,
    data_seed: int,
) -> Problem:

    def gradient(params: Params, key: jax.Array) -> Params:
        of_inputs, of_labels = jax.random.split(key)
        dtype = params["in"].dtype
        x = jax.random.normal(of_inputs, (batch, INPUTS), dtype)
        labels = jax.random.categorical(of_labels, forward(_like(teacher, dtype), x))
        told = jax.nn.one_hot(labels, CLASSES, dtype=dtype)

        def entropy(at: Params) -> jax.Array:
            return -jnp.sum(told * jax.nn.log_softmax(forward(at, x))) / batch

        return jax.grad(entropy)(params)

    def logits(params: Params) -> jax.Array:
        return forward(params, jnp.asarray(inputs, params["in"].dtype))

    def loss(params: Params) -> jax.Array:
        """Divergence from the teacher: zero where nothing is left to be learnt."""
        true = jax.nn.log_softmax(logits(_like(teacher, params["in"].dtype)))
        gap = true - jax.nn.log_softmax(logits(params))
        return jnp.mean(jnp.sum(jnp.exp(true) * gap, axis=1))

    trace = _trace(inputs, squared=False) if "out" in start else loss
    settings = {"batch_size": batch, "data_seed": data_seed, "pool": len(inputs)}
    return _problem(name, start, gradient, loss, trace, settings, logits=logits)


def _like(params: Params, dtype: Any) -> Params:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)


def _trace(inputs: Any, squared: bool) -> Callable[[Params], jax.Array]:
    """``tr G`` over the pool, exactly: the outputs' Hessian between the rows of their Jacobian."""

    def trace(params: Params) -> jax.Array:
        x = jnp.asarray(inputs, params["in"].dtype)
        hidden = jnp.tanh(x @ params["in"])
        # |d f_k / d out_jk|^2 and |d f_k / d in_ij|^2, summed over weights.
        above = jnp.sum(hidden**2, axis=1)
        slopes = (1 - hidden**2) ** 2 * jnp.sum(x**2, axis=1, keepdims=True)
        if squared:
            return jnp.mean(above + slopes @ params["out"][:, 0] ** 2)
        chances = jax.nn.softmax(hidden @ params["out"])
        kept = 1 - jnp.sum(chances**2, axis=1)
        centred = params["out"] ** 2 @ chances.T - (params["out"] @ chances.T) ** 2
        return jnp.mean(above * kept + jnp.sum(slopes * centred.T, axis=1))

    return trace


def _problem(
    name: str,
    start: Params,
    gradient: Callable[[Params, jax.Array], Params],
    loss: Callable[[Params], jax.Array],
    trace: Callable[[Params], jax.Array],
    settings: Mapping[str, Scalar],
    residuals: Callable[[Params], jax.Array] | None = None,
    logits: Callable[[Params], jax.Array] | None = None,
) -> Problem:
    return Problem(
        name,
        start=lambda: start,
        gradient=gradient,
        loss=loss,
        metrics={"trace": trace},
        goal=Goal("cooled:trace", 0.5),
        cooling=Descent(lr=0.3, momentum=0.8, steps=60),
        settings=settings,
        residuals=residuals,
        logits=logits,
    )


PROBLEMS: dict[str, Callable[..., Problem]] = {
    "fresh-squared": fresh_squared,
    "fresh-softmax": fresh_softmax,
}
