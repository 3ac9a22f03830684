"""FashionMNIST with a 6-layer perceptron, an experiment of the paper.

arXiv 2210.16400, section 4: squared error on one-hot targets with Gaussian label noise. Images come
through Hugging Face ``datasets``: from a hub id, or from a local folder with the hub's Parquet
layout (files whose names contain ``train`` and ``test``, columns ``image`` and ``label``).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flatfast.extras import require
from flatfast.lab.descent import Descent
from flatfast.lab.goal import Goal
from flatfast.lab.problem import Problem
from flatfast.lab.problems._classifier import Images, image_classifier, standardised
from flatfast.lab.problems._settings import Perceptron, takes


@takes(Perceptron, width=100)
def fashion_mlp(
    network: Perceptron,
    *,
    data: str = "zalando-datasets/fashion_mnist",
    examples: int = 1000,
    test_examples: int = 2000,
) -> Problem:
    """The FashionMNIST problem.

    Args:
        network: The shared settings.
        data: A local folder with the hub's Parquet layout, or else a hub id.
        examples: Training images, drawn from the 60,000.
        test_examples: Test images, drawn from the 10,000.

    Returns:
        A problem whose goal is the cooled trace of the Hessian, to 40% of its start.

    Raises:
        ValueError: If a setting is out of range or the data are not image and label.
        FileNotFoundError: If the data can be had neither locally nor from the hub.
        ImportError: If ``datasets`` is not installed.
    """
    images = standardised(_load(data, examples, test_examples, network.data_seed))
    return image_classifier(
        "fashion-mlp",
        images,
        network,
        descent=Descent(lr=0.01, momentum=0.9, steps=20_000),
        interpolated_at=1e-3 if network.squared else 1e-2,
        cooling=Descent(lr=0.01, momentum=0.9, steps=300),
        goal=Goal("cooled:trace", 0.4),
        settings={"data": data, "examples": examples, "test_examples": test_examples},
    )


def _load(data: str, examples: int, test_examples: int, data_seed: int) -> Images:
    require("what reads the data of fashion-mlp", "data", "datasets", "PIL")
    import datasets  # here, because it is slow to import and an extra of its own

    parts = []
    for split, count in (("train", examples), ("test", test_examples)):
        try:
            table = datasets.load_dataset(data, split=split)
        except Exception as error:  # whatever the hub client raises: the remedy is the same
            raise FileNotFoundError(
                f"no FashionMNIST {split} split at {data!r} ({type(error).__name__}); pass a local "
                "folder with the hub's Parquet files as data=FOLDER, or a hub id with a connection"
            ) from error
        if not {"image", "label"} <= set(table.column_names):
            raise ValueError(
                f"{data!r} must have the columns image and label, got {table.column_names}"
            )
        if not 1 <= count <= len(table):
            name = "examples" if split == "train" else "test_examples"
            raise ValueError(f"{name} must be in [1, {len(table)}], got {count}")
        chosen = np.random.default_rng(data_seed).choice(len(table), count, replace=False)
        parts.append(_arrays(table.select(chosen)))
    (train, train_classes), (test, test_classes) = parts
    return Images(train, train_classes, test, test_classes)


def _arrays(table: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    pixels = np.stack([np.asarray(image, np.float64).ravel() for image in table["image"]])
    return pixels / 255, np.asarray(table["label"], np.int64)


PROBLEMS = {"fashion-mlp": fashion_mlp}
