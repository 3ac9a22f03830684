"""What is trained: examples in the order of a seed, a network, and how much effort it is worth."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from flatfast.lab.images import CIFAR10, FASHION_MNIST, ImageSet, load_images
from studies.data import fashion_needs, needs
from studies.gpu.devices import has_gpu
from studies.transfer.networks import Network, convolutional, perceptron, residual, transformer
from studies.transfer.optimizers import OPTIMIZERS, Optimizer

Schedule = Literal["constant", "cosine"]

SCHEDULES: tuple[Schedule, ...] = ("cosine", "constant")

BLOCKS = 64
"""Equal parts of a run, the largest batch's steps or more."""

FIRST_BLOCK = 16
"""The test loss is read after this block and after each later one."""

Arrays = tuple[NDArray[Any], NDArray[Any]]
"""Inputs (N, ...) and classes (N,), or character numbers and those that follow (N, length)."""


@dataclass(frozen=True)
class Effort:
    """Seeds of each stage.

    Attributes:
        coarse: Of the coarse grid of settings.
        fine: Of the grid around its best.
        last: Further ones of the best of that.
        compared: Of the comparison, none of which was used before.
    """

    coarse: int
    fine: int
    last: int
    compared: int


@dataclass(frozen=True, eq=False)
class Task:
    """A data set and a network.

    Attributes:
        name: What it is called.
        about: Data and network in words.
        network: What is trained.
        stream: The examples of a run in their order, by seed.
        test: Those on which the loss is read.
        batch: At which settings are tuned.
        samples: Examples that a run sees.
        trained: Optimizers and schedules.
        effort: Seeds.
        run_seconds: Of a run on one core at the batch of tuning, for plans.
        needs: What is missing to load the data; empty if nothing is.
    """

    name: str
    about: str
    network: Network
    stream: Callable[[int], Arrays]
    test: Callable[[], Arrays]
    batch: int
    samples: int
    trained: tuple[tuple[Optimizer, Schedule], ...]
    effort: Effort
    run_seconds: float
    needs: Callable[[], str] = lambda: ""


PIXEL_NOISE = 1.0
"""Of digits, in units of the pixels' standard deviation: drawn anew each time an image is seen, for
tests too, so that the loss is that which is descended and goes on falling through many epochs."""


@cache
def _digits() -> Arrays:
    from sklearn.datasets import load_digits  # here, because it is slow to import

    pixels, classes = load_digits(return_X_y=True)
    pixels = (pixels - pixels.mean()) / pixels.std()
    return pixels.astype(np.float32), classes.astype(np.int32)


def _digits_stream(samples: int, seed: int) -> Arrays:
    pixels, classes = _digits()
    rng = np.random.default_rng(seed)
    chosen = _epochs(rng, len(classes), samples)
    noise = rng.normal(0, PIXEL_NOISE, (samples, pixels.shape[1])).astype(np.float32)
    return pixels[chosen] + noise, classes[chosen]


def _digits_test() -> Arrays:
    return _digits_stream(len(_digits()[1]), TEST_SEED)


TEST_SEED = 10**6
"""Of the noise of tests: that of no run."""


def _epochs(rng: np.random.Generator, images: int, samples: int) -> NDArray[np.int64]:
    """Places of the examples: every image once before any is seen again."""
    epochs = [rng.permutation(images) for _ in range(-(-samples // images))]
    return np.concatenate(epochs)[:samples]


IMAGES = 32_768
TEST_IMAGES = 1000


@cache
def _images(images: ImageSet, split: str, count: int) -> Arrays:
    """Images averaged over squares of 2 x 2 pixels, centred and scaled, and their classes."""
    found = load_images(images, "", split, count)
    pixels = found.pixels.astype(np.float32) / 255
    small = pixels.reshape(len(pixels), pixels.shape[1] // 2, 2, pixels.shape[2] // 2, 2, -1)
    centre, spread = SCALES[images.name]
    return (small.mean((2, 4)) - centre) / spread, found.labels.astype(np.int32)


SCALES = {"fashion_mnist": (0.286, 0.33), "cifar10": (0.47, 0.24)}
"""About the mean and the standard deviation of the averaged pixels."""


def _image_stream(images: ImageSet, samples: int, seed: int) -> Arrays:
    pixels, classes = _images(images, "train", IMAGES)
    chosen = _epochs(np.random.default_rng(seed), len(classes), samples)
    return pixels[chosen], classes[chosen]


def _image_test(images: ImageSet) -> Arrays:
    return _images(images, "test", TEST_IMAGES)


LENGTH = 32
"""Characters that the transformer sees at once."""

TEST_SHARE = 16
"""One in so many pieces of the text is for tests."""


@cache
def text() -> str:
    """The topics of Python's own help: in its standard library, another text in each version."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def text_checksum() -> str:
    """Of the text, 16 hexadecimal digits."""
    return hashlib.sha256(text().encode()).hexdigest()[:16]


@cache
def _characters() -> tuple[NDArray[np.int32], int]:
    known = sorted(set(text()))
    place = {character: number for number, character in enumerate(known)}
    return np.array([place[c] for c in text()], np.int32), len(known)


@cache
def _pieces() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Long pieces of the text, (pieces, length): for training, and for tests."""
    numbers, _ = _characters()
    length = 32 * LENGTH
    pieces = numbers[: len(numbers) // length * length].reshape(-1, length)
    tested = np.arange(len(pieces)) % TEST_SHARE == TEST_SHARE - 1
    return pieces[~tested], pieces[tested]


def _text_stream(samples: int, seed: int) -> Arrays:
    pieces, _ = _pieces()
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(pieces), size=samples)
    begin = rng.integers(pieces.shape[1] - LENGTH, size=samples)
    windows = pieces[chosen[:, None], begin[:, None] + np.arange(LENGTH + 1)]
    return windows[:, :-1], windows[:, 1:]


def _text_test() -> Arrays:
    _, pieces = _pieces()
    windows = pieces[:, : pieces.shape[1] // (LENGTH + 1) * (LENGTH + 1)].reshape(-1, LENGTH + 1)
    windows = windows[::4]
    return windows[:, :-1], windows[:, 1:]


def _fashion(name: str, about: str, network: Network, **more: Any) -> Task:
    return Task(
        name,
        f"FashionMNIST averaged to 14 x 14, each image seen once; {about}",
        network,
        partial(_image_stream, FASHION_MNIST, SAMPLES),
        partial(_image_test, FASHION_MNIST),
        batch=32,
        samples=SAMPLES,
        needs=fashion_needs,
        **more,
    )


def _both(*optimizers: Optimizer) -> tuple[tuple[Optimizer, Schedule], ...]:
    return tuple((optimizer, schedule) for schedule in SCHEDULES for optimizer in optimizers)


def _cosine(*optimizers: Optimizer) -> tuple[tuple[Optimizer, Schedule], ...]:
    return tuple((optimizer, "cosine") for optimizer in optimizers)


SAMPLES = 64 * 512
"""Of images: the largest batch makes a step between two evaluations."""

TEXT_SAMPLES = 64 * 128


@cache
def tasks() -> dict[str, Task]:
    """The tasks by name, the cheapest first.

    Muon is left out where its orthogonal steps cost many times what the gradient does.
    """
    _, characters = _characters()
    every = (
        Task(
            "digits",
            "digits with fresh noise on the pixels; a perceptron of 64, 64, 64, 10",
            perceptron(64, 64, 3, 10),
            partial(_digits_stream, SAMPLES),
            _digits_test,
            batch=32,
            samples=SAMPLES,
            trained=_both(*OPTIMIZERS),
            effort=Effort(coarse=2, fine=4, last=12, compared=40),
            run_seconds=0.1,
        ),
        _fashion(
            "fashion",
            "a perceptron of 196, 100, 100, 10",
            perceptron(196, 100, 3, 10),
            trained=_both("SGD", "AdamW"),
            effort=Effort(coarse=1, fine=3, last=8, compared=24),
            run_seconds=0.2,
        ),
        Task(
            "text",
            "characters of the help of Python itself, 32 at once; a transformer of width 32",
            transformer(characters, LENGTH, 32, 2, 1),
            partial(_text_stream, TEXT_SAMPLES),
            _text_test,
            batch=8,
            samples=TEXT_SAMPLES,
            trained=_cosine("AdamW", "Muon", "SGD"),
            effort=Effort(coarse=1, fine=1, last=4, compared=10),
            run_seconds=1.3,
        ),
        _fashion(
            "convolutions",
            "two convolutions of 8 and 16 filters, and a matrix",
            convolutional(14, 1, (8, 16), 10),
            trained=_cosine("SGD", "AdamW"),
            effort=Effort(coarse=1, fine=2, last=4, compared=10),
            run_seconds=0.4,
        ),
        Task(
            "cifar",
            "CIFAR-10 averaged to 16 x 16, each image seen once; a residual network of width 16",
            residual(3, 16, 10),
            partial(_image_stream, CIFAR10, SAMPLES),
            partial(_image_test, CIFAR10),
            batch=32,
            samples=SAMPLES,
            trained=_cosine("SGD", "AdamW"),
            effort=Effort(coarse=1, fine=2, last=2, compared=8),
            run_seconds=10.0,
            needs=_large,
        ),
    )
    return {task.name: task for task in every}


def _large() -> str:
    """What the task that is too long for a few cores needs."""
    missing = [] if has_gpu("jax") else ["JAX with CUDA"]
    return " and ".join([*missing, *filter(None, [needs(CIFAR10)])])


def shortened(task: Task) -> Task:
    """A task for a quick look."""
    return replace(
        task,
        trained=(("SGD", "cosine"),),
        effort=Effort(coarse=1, fine=1, last=1, compared=2),
    )
