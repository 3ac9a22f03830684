"""Data in the layout of real ones."""

import numpy as np
import pytest


def image_folder(folder, column, shape, train, test):
    """A data set of the hub's Parquet layout: brightness grows with the class."""
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    from PIL import Image

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    features = datasets.Features(
        {column: datasets.Image(), "label": datasets.ClassLabel(num_classes=10)}
    )
    for split, count in (("train", train), ("test", test)):
        labels = rng.integers(0, 10, count)
        pixels = 100 * rng.random((count, *shape)) + 15 * labels.reshape(-1, *[1] * len(shape))
        images = [Image.fromarray(image) for image in pixels.astype(np.uint8)]
        table = datasets.Dataset.from_dict({column: images, "label": labels}, features=features)
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder
