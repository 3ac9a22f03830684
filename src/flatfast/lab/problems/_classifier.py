"""What the image problems share: images, what is measured on them, an MLP on small ones."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from flatfast.lab.cache import content_hash
from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.images import ImageSet, load_images
from flatfast.lab.problem import Metric, Params, Problem, Scalar
from flatfast.lab.problems._settings import Perceptron
from flatfast.lab.training import mlp
from flatfast.lab.training.curvature import TraceEstimate, hutchinson_trace
from flatfast.lab.training.supervised import like, supervised

PROBES = 16
"""Random probes of the Hessian's trace for cross-entropy, where no closed form is cheap."""


class Images(NamedTuple):
    """A labelled image set: (P, D) inputs, standardised, and (P,) classes, for train and test."""

    train: NDArray[np.float64]
    train_classes: NDArray[np.int64]
    test: NDArray[np.float64]
    test_classes: NDArray[np.int64]


def digits(examples: int, data_seed: int) -> Images:
    """Scikit-learn's 8 x 8 digits, drawn as :func:`split` does.

    Raises:
        ValueError: If there are not that many.
    """
    from sklearn.datasets import load_digits  # here, because it is slow to import

    inputs, classes = load_digits(return_X_y=True)
    return split(inputs / 16, classes.astype(np.int64), examples, data_seed)


def split(
    inputs: NDArray[np.float64],
    classes: NDArray[np.int64],
    examples: int,
    data_seed: int,
) -> Images:
    """Draw ``examples`` training images, the rest for the test; standardise by the training set.

    Raises:
        ValueError: If there are not that many images.
    """
    if not 1 <= examples < len(inputs):
        raise ValueError(f"examples must be in [1, {len(inputs) - 1}], got {examples}")
    order = np.random.default_rng(data_seed).permutation(len(inputs))
    train, test = order[:examples], order[examples:]
    return standardised(Images(inputs[train], classes[train], inputs[test], classes[test]))


def image_data(
    images: ImageSet, data: str, examples: int, test_examples: int, data_seed: int
) -> tuple[Images, str]:
    """Balanced subsets of an image set's two splits, and what a problem's settings say of them.

    Args:
        images: Which.
        data: Where it is, as :func:`flatfast.lab.images.load_images` takes it, or what was said of
            it before: ``NAME:CHECKSUM``.
        examples: Training images.
        test_examples: Test images.
        data_seed: Seed of the subsets.

    Returns:
        The images, standardised, and ``NAME:CHECKSUM``: no path.

    Raises:
        ValueError: If they are not what is expected; if a checksum is given and is another.
        FileNotFoundError: If they are not there.
    """
    wanted = data if data.startswith(f"{images.name}:") else ""
    where = "" if wanted else data
    train = load_images(images, where, "train", examples, data_seed)
    test = load_images(images, where, "test", test_examples, data_seed)
    told = f"{images.name}:{content_hash(train.checksum, test.checksum)[:16]}"
    if wanted not in ("", told):
        raise ValueError(f"the images must be {wanted}, as before, got {told}: other data or files")
    return standardised(Images(train.flat, train.labels, test.flat, test.labels)), told


def standardised(images: Images) -> Images:
    """Shift and scale all pixels together to mean 0 and variance 1 on the training set."""
    mean, deviation = images.train.mean(), images.train.std()
    return images._replace(
        train=(images.train - mean) / deviation, test=(images.test - mean) / deviation
    )


def averaged_down(images: Images, shape: tuple[int, int, int], side: int) -> Images:
    """Images of fewer pixels, each the mean of a square of them, standardised anew.

    Args:
        images: Of this shape.
        shape: Height, width and channels of an image.
        side: Pixels along a side that are to be left.

    Raises:
        ValueError: If the side is not a divisor of height and width.
    """
    height, width, channels = shape
    if side < 1 or height % side or width % side:
        raise ValueError(f"side must divide the images' {height} x {width} pixels, got {side}")

    def fewer(flat: NDArray[np.float64]) -> NDArray[np.float64]:
        squares = flat.reshape(-1, side, height // side, side, width // side, channels)
        means: NDArray[np.float64] = squares.mean(axis=(2, 4)).reshape(len(flat), -1)
        return means

    return standardised(images._replace(train=fewer(images.train), test=fewer(images.test)))


def on_test_images(
    outputs: Callable[[Params, jax.Array], jax.Array], images: Images, *, squared: bool = True
) -> dict[str, Metric]:
    """What is measured on the test images.

    Args:
        outputs: ``(params, inputs (B, D)) -> (B, K)``.
        images: The data.
        squared: Whether the loss is the squared error on one-hot targets; else cross-entropy.

    Returns:
        ``test_error`` (fraction misclassified), ``accuracy``, and ``test_loss`` (mean over images
        of the squared error, summed over outputs; or of the cross-entropy).
    """

    def test_error(params: Params) -> jax.Array:
        guess = jnp.argmax(outputs(params, like(params, images.test)), axis=1)
        return jnp.mean(like(params, guess != images.test_classes))

    def test_loss(params: Params) -> jax.Array:
        guess = outputs(params, like(params, images.test))
        if squared:
            one_hot = np.eye(guess.shape[-1])[images.test_classes]
            return jnp.mean(jnp.sum((guess - like(params, one_hot)) ** 2, axis=1))
        scores = jax.nn.log_softmax(guess)
        return -jnp.mean(scores[jnp.arange(len(scores)), images.test_classes])

    return {
        "test_error": test_error,
        "accuracy": lambda params: 1 - test_error(params),
        "test_loss": test_loss,
    }


def probed_trace(estimate: Callable[[Params], TraceEstimate]) -> dict[str, Metric]:
    """``trace`` and its standard error, ``trace_error``, by random probes."""
    return {
        "trace": lambda params: estimate(params).trace,
        "trace_error": lambda params: estimate(params).standard_error,
    }


def image_classifier(
    name: str,
    images: Images,
    network: Perceptron,
    *,
    descent: Descent,
    interpolated_at: float,
    cooling: Descent,
    goal: Goal,
    settings: dict[str, Scalar],
    changed: int = 0,
) -> Problem:
    """An MLP on images: one-hot regression with Gaussian label noise, or cross-entropy with flips.

    Args:
        name: Name of the problem.
        images: The data.
        network: Its shape, its loss and how it is trained.
        descent: Phase 1.
        interpolated_at: Loss that counts as interpolating.
        cooling: Descent before cooled metrics are read.
        goal: Metric to bring down.
        settings: The instance's settings besides those of the network.
        changed: How often the problem was changed in a way that changes its runs.

    Returns:
        A problem with metrics ``loss``, those of :func:`on_test_images`, and ``trace``: for squared
        error exactly
        ``(1/P)|J|^2``, the Hessian's on the manifold; for cross-entropy the Hessian's by
        Hutchinson's estimator with fixed probes, with ``trace_error``, its standard error.

    Raises:
        ValueError: If a setting is out of range.
    """
    depth, width = network.depth, network.width
    if depth < 1 or width < 1:
        raise ValueError(f"depth and width must be at least 1, got {depth} and {width}")
    activate = mlp.activation(network.activation)
    classes = int(images.train_classes.max()) + 1
    one_hot = np.eye(classes)
    sizes = [images.train.shape[1], *[width] * (depth - 1), classes]
    squared = network.squared
    outputs = partial(mlp.predict, activate=activate)

    def exact_trace(params: Params) -> jax.Array:
        train = like(params, images.train)
        return mlp.jacobian_norm_squared(params, train, activate) / len(images.train)

    def probed(params: Params) -> TraceEstimate:
        # The same probes at every point: their noise cancels in the fall of the trace.
        return hutchinson_trace(problem.loss, params, jax.random.key(0), PROBES)

    trace = {"trace": exact_trace} if squared else probed_trace(probed)
    problem = supervised(
        name,
        outputs,
        mlp.kaiming(sizes, network.activation, network.init_seed),
        images.train,
        one_hot[images.train_classes] if squared else images.train_classes,
        goal=goal,
        **network.noise,
        batch_size=network.batch_size,
        loss=network.loss,
        metrics={**on_test_images(outputs, images, squared=squared), **trace},
        start=network.start,
        descent=descent,
        interpolated_at=interpolated_at,
        cooling=cooling,
        settings={**settings, **network.settings()},
        version=changed + (1 if squared else 2),
    )
    return problem
