"""A model on a data set, with label noise and minibatches.

The stochastic gradient of one step is that of

* squared error, ``1/(2B) sum_i |f(x_i) - y_i - noise_std * xi_i|^2`` with fresh Gaussian ``xi``
  (label noise: arXiv 2210.16400, section 2; Damian, Ma, Lee, NeurIPS 2021), or
* cross-entropy on labels of which each is replaced, with probability ``flip_probability``, by one
  of the classes drawn uniformly,

over all examples, or over a minibatch drawn with replacement. The noise-free loss is its mean over
the noise, less the least value that this can have: the squared error on the targets; for labels
that flip, the divergence ``KL(q | p)`` of the predicted probabilities p from those of the flipped
labels, q. Its zeros are the minimizers. With ``noise_std = 0`` and a batch
size it is ordinary SGD, whose noise vanishes on the zero-loss manifold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Metric, Params, Problem, Scalar
from flatfast.lab.training.starting import starting_point

Predict = Callable[[Params, jax.Array], jax.Array]
"""``(params, inputs (B, ...)) -> outputs (B,) or (B, K)``."""


@dataclass(frozen=True)
class Noise:
    """Where the noise of a step's gradient comes from.

    Attributes:
        examples: Size of the training set.
        std: Standard deviation of Gaussian label noise, in units of the targets.
        batch_size: Examples in a step, drawn with replacement; 0 for all of them.
        flip_probability: Probability that a class label is replaced by a uniform one
            (cross-entropy only).

    Raises:
        ValueError: If a value is out of its range.
    """

    examples: int
    std: float = 0.0
    batch_size: int = 0
    flip_probability: float = 0.0

    def __post_init__(self) -> None:
        if self.examples < 1:
            raise ValueError(f"examples must be at least 1, got {self.examples}")
        if not 0 <= self.std < float("inf"):
            raise ValueError(f"noise_std must be finite and at least 0, got {self.std}")
        if not 0 <= self.batch_size <= self.examples:
            raise ValueError(
                f"batch_size must be in [0, examples = {self.examples}] (0 for all), "
                f"got {self.batch_size}"
            )
        if not 0 <= self.flip_probability < 1:
            raise ValueError(f"flip_probability must be in [0, 1), got {self.flip_probability}")


def like(params: Params, values: ArrayLike) -> jax.Array:
    """Data in the floating-point type of the parameters.

    JAX remembers the type to which it first converted a captured NumPy array; this asks anew, so
    that one problem serves both precisions.
    """
    return jnp.asarray(values, jax.tree.leaves(params)[0].dtype)


def inputs_like(params: Params, inputs: ArrayLike) -> jax.Array:
    """Inputs as :func:`like` has them, but whole numbers, which may be the indices of words."""
    whole = np.issubdtype(np.asarray(inputs).dtype, np.integer)
    return jnp.asarray(inputs) if whole else like(params, inputs)


def minibatch(noise: Noise, key: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A step's examples: (B,) indices drawn with replacement, and their noisy labels.

    Args:
        noise: Sizes and noise.
        key: Draws both.
        labels: (P, ...) targets.

    Returns:
        The indices and the (B, ...) noisy targets.
    """
    pick, draw = jax.random.split(key)
    chosen = jax.random.randint(pick, (noise.batch_size,), 0, noise.examples)
    labels = labels[chosen]
    if noise.std:
        labels += noise.std * jax.random.normal(draw, labels.shape, labels.dtype)
    return chosen, labels


def supervised(
    name: str,
    predict: Predict,
    init: Params,
    inputs: NDArray[Any],
    targets: NDArray[Any],
    *,
    goal: Goal,
    noise_std: float = 0.0,
    batch_size: int = 0,
    loss: str = "squared",
    flip_probability: float = 0.0,
    metrics: Mapping[str, Metric] | None = None,
    start: str = "interpolating",
    descent: Descent | None = None,
    interpolated_at: float = 1e-6,
    cooling: Descent | None = None,
    settings: Mapping[str, Scalar] | None = None,
    version: int = 1,
) -> Problem:
    """Make a problem of a model and a data set.

    Args:
        name: Name of the problem.
        predict: ``(params, inputs (B, ...)) -> outputs``, (B,) or (B, K) for squared error, logits
            (B, K) for cross-entropy; a JAX function.
        init: Initial parameters, a pytree of arrays.
        inputs: (P, ...) training inputs; whole numbers stay whole, others follow the precision.
        targets: (P,) or (P, K) regression targets, or (P,) integer classes for cross-entropy.
        goal: Metric to bring down, and how far.
        noise_std: Standard deviation of Gaussian label noise (squared error only).
        batch_size: Examples in a step's gradient, drawn with replacement; 0 for all.
        loss: ``squared`` or ``cross-entropy``.
        flip_probability: Probability of a label flip (cross-entropy only).
        metrics: More metrics, name to scalar function of ``params``; ``loss`` is always there.
        start: ``interpolating`` (phase 1 first), ``bad-minimizer`` (phase 1 on shuffled targets,
            then on the true ones) or ``init``.
        descent: Phase 1.
        interpolated_at: Loss at which phase 1 counts as interpolating.
        cooling: Descent before cooled metrics are read; by default 300 steps like phase 1's.
        settings: What identifies this instance.
        version: Version of the problem.

    Returns:
        The problem.

    Raises:
        ValueError: If a setting is out of range, inputs and targets differ in length, targets for
            squared error have not the shape of the outputs, or those for cross-entropy are not all
            classes of the outputs.
    """
    if loss not in ("squared", "cross-entropy"):
        raise ValueError(f"loss must be 'squared' or 'cross-entropy', got {loss!r}")
    if len(inputs) != len(targets):
        raise ValueError(
            f"inputs and targets must be of one length, got {len(inputs)} and {len(targets)}"
        )
    if loss == "squared" and flip_probability:
        raise ValueError("flip_probability needs loss='cross-entropy'; use noise_std for squared")
    if loss == "cross-entropy" and noise_std:
        raise ValueError("noise_std needs loss='squared'; use flip_probability for cross-entropy")
    noise = Noise(len(inputs), noise_std, batch_size, flip_probability)
    shape = jax.eval_shape(lambda init: predict(init, inputs_like(init, inputs)), init).shape
    if loss == "squared":
        _check_shape(shape, np.shape(targets))
    else:
        _check_classes(np.asarray(targets), shape)
    descent = descent or Descent(steps=20_000)

    error = _squared_error if loss == "squared" else _cross_entropy

    def labels_like(params: Params, targets: NDArray[Any] = targets) -> jax.Array:
        return like(params, targets) if loss == "squared" else jnp.asarray(targets, jnp.int32)

    def outputs(params: Params) -> jax.Array:
        return predict(params, inputs_like(params, inputs))

    def residuals(params: Params) -> jax.Array:
        return outputs(params) - labels_like(params)

    def training_loss(params: Params, targets: NDArray[Any] = targets) -> jax.Array:
        found = outputs(params)
        if loss == "squared":
            return _squared_error(found, labels_like(params, targets))
        return _divergence(found, labels_like(params, targets), flip_probability)

    def gradient(params: Params, key: jax.Array) -> Params:
        batch, labels = inputs_like(params, inputs), labels_like(params)
        if batch_size:
            chosen, labels = minibatch(noise, key, labels)
            batch = batch[chosen]
        elif noise_std:
            labels += noise_std * jax.random.normal(key, labels.shape, labels.dtype)
        if flip_probability:
            classes = jax.eval_shape(predict, params, batch).shape[-1]
            # A key of its own: the minibatch has used the step's.
            labels = flipped(labels, flip_probability, classes, jax.random.fold_in(key, 1))
        return jax.grad(lambda params: error(predict(params, batch), labels))(params)

    return Problem(
        name=name,
        start=starting_point(
            training_loss,
            init,
            start=start,
            descent=descent,
            target=interpolated_at,
            shuffled=partial(training_loss, targets=np.random.default_rng(0).permutation(targets)),
        ),
        gradient=gradient,
        loss=training_loss,
        metrics={"loss": training_loss, **(metrics or {})},
        goal=goal,
        cooling=cooling or Descent(descent.lr, descent.momentum, 300),
        settings=settings or {},
        version=version,
        residuals=residuals if loss == "squared" else None,
        logits=outputs if loss == "cross-entropy" else None,
    )


def _check_shape(outputs: tuple[int, ...], targets: tuple[int, ...]) -> None:
    """Outputs (P, 1) less targets (P,) would be (P, P): each example fitted to all targets."""
    if outputs == targets:
        return
    raise ValueError(
        f"targets for squared error must have the shape of the outputs, got targets {targets} and "
        f"outputs {outputs}"
    )


def _check_classes(targets: NDArray[Any], outputs: tuple[int, ...]) -> None:
    """Flips would make a class of any number, and the loss read outputs that are not there."""
    if len(outputs) != 2 or outputs[0] != len(targets):
        raise ValueError(
            "outputs for cross-entropy must be logits of each class, (P, K), got outputs "
            f"{outputs} and targets {targets.shape}"
        )
    classes = outputs[1]
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        raise ValueError(
            f"targets for cross-entropy must be one integer class an example, (P,), got "
            f"{targets.dtype} of shape {targets.shape}"
        )
    outside = targets[(targets < 0) | (targets >= classes)]
    if len(outside):
        raise ValueError(
            f"targets for cross-entropy must be classes in [0, {classes}), got {outside[0]}: leave "
            "examples without a class out"
        )


def flipped(labels: jax.Array, probability: float, classes: int, key: jax.Array) -> jax.Array:
    """Class labels (B,), each replaced with this probability by a class drawn uniformly."""
    flip, replace = jax.random.split(key)
    flips = jax.random.bernoulli(flip, probability, labels.shape)
    return jnp.where(flips, jax.random.randint(replace, labels.shape, 0, classes), labels)


def flip_probability_of(wrong: float, classes: int) -> float:
    """The probability of flips of which a share ``wrong`` of all labels becomes *another* class.

    A flip draws from all classes, the label's own among them, so that ``wrong`` of all labels
    change at a flip probability of ``wrong * classes / (classes - 1)``. The first is what Damian,
    Ma and Lee (NeurIPS 2021) call label flipping.

    Raises:
        ValueError: If there is none below 1.
    """
    if not 0 <= wrong < 1 - 1 / classes:
        raise ValueError(
            f"the probability of a wrong label must be in [0, 1 - 1/{classes}), got {wrong}"
        )
    return wrong * classes / (classes - 1)


def _squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """``1/(2B) sum_i |f_i - y_i|^2``: a mean over examples, a sum over outputs."""
    return jnp.sum((outputs - targets) ** 2) / (2 * len(outputs))


def _divergence(logits: jax.Array, labels: jax.Array, flip_probability: float) -> jax.Array:
    """Mean over examples of ``KL(q | p)``, q the probabilities of a label that flips."""
    classes = logits.shape[-1]
    even = flip_probability / classes
    q = even + (1 - flip_probability) * jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    log_q = jnp.log(jnp.maximum(q, jnp.finfo(q.dtype).tiny))
    return jnp.mean(jnp.sum(q * (log_q - jax.nn.log_softmax(logits)), axis=-1))


def _cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean over examples of ``-log softmax`` at the label."""
    scores = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))
