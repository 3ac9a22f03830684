"""Data of the examples: scikit-learn's 8 x 8 digits, 1,797 real images that need no download."""

import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.datasets import load_digits
except ModuleNotFoundError:
    sys.exit("the examples read scikit-learn's digits: pip install scikit-learn")


class Digits(NamedTuple):
    """Standardised pixels (P, 64) and classes (P,), for training and test."""

    train: NDArray[np.float32]
    train_classes: NDArray[np.int64]
    test: NDArray[np.float32]
    test_classes: NDArray[np.int64]


def digits(examples: int = 200, seed: int = 0) -> Digits:
    """A training set of ``examples`` images, and all others for the test."""
    pixels, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(pixels))
    train, test = order[:examples], order[examples:]
    mean, deviation = pixels[train].mean(), pixels[train].std()
    scaled = ((pixels - mean) / deviation).astype(np.float32)
    return Digits(scaled[train], classes[train], scaled[test], classes[test])
