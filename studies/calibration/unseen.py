"""Six problems that calibration was not made on: other architectures, other tasks, other goals.

Chosen before anything was measured on them, and small enough to be swept on two cores. Each reads
its trace exactly, from all rows of the Jacobian.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Metric, Params, Problem
from flatfast.lab.problems._classifier import digits
from flatfast.lab.training import mlp
from flatfast.lab.training.convolution import convolved
from flatfast.lab.training.supervised import Predict, inputs_like, like, supervised

Array = NDArray[np.float64]


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    """Weights whose products with unit inputs have unit variance; the last axis is the outputs."""
    found: Array = rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))
    return found


def _scaled(targets: Array) -> Array:
    found: Array = (targets - targets.mean()) / targets.std()
    return found


def _trace_of(predict: Predict, inputs: NDArray[Any]) -> Metric:
    """``tr J^T J / P``, the Hessian's of a squared error on the manifold."""

    def trace(params: Params) -> jax.Array:
        rows = jax.jacrev(lambda at: predict(at, inputs_like(at, inputs)))(params)
        squares = jnp.stack([jnp.sum(part**2) for part in jax.tree.leaves(rows)])
        return jnp.sum(squares) / len(inputs)

    return trace


def _test_error(predict: Predict, inputs: NDArray[Any], targets: Array) -> Metric:
    def error(params: Params) -> jax.Array:
        return jnp.mean((predict(params, inputs_like(params, inputs)) - like(params, targets)) ** 2)

    return error


def _regression(
    name: str,
    predict: Predict,
    init: Params,
    data: tuple[NDArray[Any], Array],
    examples: int,
    goal: Goal,
    noise_std: float,
    lr: float,
    data_seed: int,
    start: str,
) -> Problem:
    """Squared error on the first examples; the rest test."""
    inputs, targets = data
    train, test = inputs[:examples], inputs[examples:]
    return supervised(
        name,
        predict,
        init,
        train,
        targets[:examples],
        goal=goal,
        noise_std=noise_std,
        metrics={
            "trace": _trace_of(predict, train),
            "test_error": _test_error(predict, test, targets[examples:]),
        },
        descent=Descent(lr=lr, momentum=0.9, steps=100_000),
        interpolated_at=1e-5,
        cooling=Descent(lr=lr, momentum=0.9, steps=300),
        start=start,
        settings={"noise_std": noise_std, "data_seed": data_seed},
    )


def attention(
    *, noise_std: float = 0.3, data_seed: int = 0, start: str = "interpolating"
) -> Problem:
    """One head of attention over eight words and a layer behind it learn a value of two words."""
    rng = np.random.default_rng(data_seed)
    words, length, width, hidden = 6, 8, 8, 24
    inputs = rng.integers(words, size=(240, length))
    targets = _scaled(rng.standard_normal((words, words))[inputs[:, 0], inputs[:, -1]][:, None])
    init = {
        "word": rng.standard_normal((words, width)),
        "place": rng.standard_normal((length, width)),
        "query": _normal(rng, width),
        "key": _normal(rng, width, width),
        "value": _normal(rng, width, width),
        "up": _normal(rng, width, hidden),
        "down": _normal(rng, hidden, 1),
    }

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        x = params["word"][batch] + params["place"]
        weights = jax.nn.softmax(x @ params["key"] @ params["query"] / width**0.5, axis=1)
        seen = jnp.einsum("bl,blw->bw", weights, x @ params["value"])
        outputs: jax.Array = jax.nn.gelu(seen @ params["up"]) @ params["down"]
        return outputs

    data = inputs, targets
    goal = Goal("cooled:trace", 0.5)
    return _regression(
        "attention", predict, init, data, 40, goal, noise_std, 3e-3, data_seed, start
    )


def convolutions(
    *, noise_std: float = 0.5, data_seed: int = 0, start: str = "interpolating"
) -> Problem:
    """Two convolutions with stride 2 and GELU, no normalization, on scikit-learn's digits."""
    rng = np.random.default_rng(data_seed)
    images = digits(40, data_seed)
    inputs = np.concatenate([images.train, images.test[:400]]).reshape(-1, 8, 8, 1)
    classes = np.concatenate([images.train_classes, images.test_classes[:400]])
    init = {
        "first": _normal(rng, 3, 3, 1, 6) * 2**0.5,
        "second": _normal(rng, 3, 3, 6, 12) * 2**0.5,
        "last": _normal(rng, 48, 10),
    }

    def layer(maps: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.nn.gelu(convolved(maps, kernel, stride=2))

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        maps = layer(layer(batch, params["first"]), params["second"])
        outputs: jax.Array = maps.reshape(len(batch), -1) @ params["last"]
        return outputs

    data = inputs, np.eye(10)[classes]
    goal = Goal("cooled:trace", 0.4)
    return _regression(
        "convolutions", predict, init, data, 40, goal, noise_std, 0.01, data_seed, start
    )


def deep_linear(
    *, noise_std: float = 0.1, data_seed: int = 0, start: str = "interpolating"
) -> Problem:
    """A product of three matrices learns one of rank 2 from measurements; judged by test error."""
    rng = np.random.default_rng(data_seed)
    side, rank, train = 8, 2, 40
    planted = _normal(rng, side, rank) @ _normal(rng, rank, side)
    inputs = rng.standard_normal((train + 200, side, side))
    targets = np.einsum("pij,ij->p", inputs, planted)
    init = [np.eye(side) + 0.1 * rng.standard_normal((side, side)) for _ in range(3)]

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        a, b, c = params
        return jnp.einsum("pij,ij->p", batch, a @ b @ c)

    data = inputs, targets / targets.std()
    goal = Goal("cooled:test_error", 0.2)
    return _regression(
        "deep-linear", predict, init, data, train, goal, noise_std, 5e-3, data_seed, start
    )


def layer_norm(
    *, noise_std: float = 0.3, data_seed: int = 0, start: str = "interpolating"
) -> Problem:
    """Three residual blocks with layer norm learn a wave; a near goal: 60% of the trace."""
    rng = np.random.default_rng(data_seed)
    width, hidden = 12, 24
    inputs = rng.standard_normal((240, 6))
    targets = _scaled(np.sin(inputs[:, :1] + inputs[:, 1:2]) + 0.5 * inputs[:, 2:3])
    init: dict[str, Any] = {
        "in": _normal(rng, 6, width),
        "out": _normal(rng, width, 1),
        "blocks": [
            {"up": _normal(rng, width, hidden), "down": _normal(rng, hidden, width)}
            for _ in range(3)
        ],
    }

    def normed(x: jax.Array) -> jax.Array:
        apart = x - x.mean(axis=1, keepdims=True)
        return apart / jnp.sqrt(jnp.mean(apart**2, axis=1, keepdims=True) + 1e-5)

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        x = batch @ params["in"]
        for block in params["blocks"]:
            x = x + jax.nn.gelu(normed(x) @ block["up"]) @ block["down"]
        outputs: jax.Array = normed(x) @ params["out"]
        return outputs

    data = inputs, targets
    goal = Goal("cooled:trace", 0.6)
    return _regression(
        "layer-norm", predict, init, data, 40, goal, noise_std, 0.01, data_seed, start
    )


def recurrent(
    *, noise_std: float = 0.3, data_seed: int = 0, start: str = "interpolating"
) -> Problem:
    """A recurrent network of 16 tanh units reads six numbers and tells a product of two."""
    rng = np.random.default_rng(data_seed)
    width, length = 16, 6
    inputs = rng.standard_normal((240, length))
    targets = _scaled(inputs[:, :1] * inputs[:, 3:4] + inputs[:, -1:])
    init = {
        "in": rng.standard_normal((1, width)),
        "loop": np.linalg.qr(rng.standard_normal((width, width)))[0],
        "bias": 0.3 * rng.standard_normal(width),
        "out": _normal(rng, width, 1),
    }

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        state = jnp.zeros((len(batch), width), batch.dtype)
        for place in range(length):
            step = batch[:, place : place + 1] @ params["in"]
            state = jnp.tanh(step + state @ params["loop"] + params["bias"])
        outputs: jax.Array = state @ params["out"]
        return outputs

    data = inputs, targets
    goal = Goal("cooled:trace", 0.5)
    return _regression(
        "recurrent", predict, init, data, 40, goal, noise_std, 0.01, data_seed, start
    )


def logistic(
    *, flip_probability: float = 0.2, data_seed: int = 0, start: str = "interpolating"
) -> Problem:
    """Cross-entropy with flips: two rectified layers tell three classes of a narrow teacher."""
    rng = np.random.default_rng(data_seed)
    train, classes = 60, 3
    inputs = rng.standard_normal((train + 400, 5))
    told = np.tanh(inputs @ rng.standard_normal((5, 4))) @ rng.standard_normal((4, classes))
    targets = told.argmax(axis=1)

    def predict(params: Params, batch: jax.Array) -> jax.Array:
        return mlp.predict(params, batch, jax.nn.relu)

    def trace(params: Params) -> jax.Array:
        """Of the Gauss-Newton matrix: the logits' Hessian between the rows of their Jacobian."""
        x = inputs_like(params, inputs[:train])
        chances = jax.nn.softmax(predict(params, x))
        rows = jax.tree.leaves(jax.jacrev(lambda at: predict(at, x))(params))
        total: Any = 0.0
        for part in rows:
            flat = part.reshape(train, classes, -1)
            mean = jnp.einsum("pk,pkd->pd", chances, flat)
            total += jnp.sum(chances[..., None] * flat**2) - jnp.sum(mean**2)
        return jnp.asarray(total / train)

    def wrong(params: Params) -> jax.Array:
        guessed = predict(params, inputs_like(params, inputs[train:])).argmax(axis=1)
        return jnp.mean(guessed != jnp.asarray(targets[train:])).astype(jnp.float32)

    return supervised(
        "logistic",
        predict,
        mlp.kaiming([5, 40, 20, classes], "relu", data_seed),
        inputs[:train],
        targets[:train],
        goal=Goal("cooled:trace", 0.6),
        loss="cross-entropy",
        flip_probability=flip_probability,
        metrics={"trace": trace, "test_error": wrong},
        descent=Descent(lr=0.05, momentum=0.9, steps=100_000),
        interpolated_at=1e-4,
        cooling=Descent(lr=0.05, momentum=0.9, steps=300),
        start=start,
        settings={"flip_probability": flip_probability, "data_seed": data_seed},
    )


UNSEEN: dict[str, Callable[..., Problem]] = {
    "attention": attention,
    "convolutions": convolutions,
    "deep-linear": deep_linear,
    "layer-norm": layer_norm,
    "recurrent": recurrent,
    "logistic": logistic,
}
"""By name."""
