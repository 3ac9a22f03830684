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
        labels = rng.permutation(np.arange(count) % 10)
        pixels = 100 * rng.random((count, *shape)) + 15 * labels.reshape(-1, *[1] * len(shape))
        images = [Image.fromarray(image) for image in pixels.astype(np.uint8)]
        table = datasets.Dataset.from_dict({column: images, "label": labels}, features=features)
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


def made_up_calibration(C=0.3, lr=0.1, doubt=None, along=3.0):
    """A calibration with this prefactor."""
    from flatfast.calibration import Calibration, Doubt, Estimate, Verdict
    from flatfast.calibration.result import DAMPING

    critical = C / DAMPING
    return Calibration(
        C=Estimate.within(C, 0.05),
        kappa=critical**3 / 4,
        critical=critical,
        lr=lr,
        sharpness=Estimate(10.0, 0.2),
        noise=Estimate(1.0, 0.1),
        noise_total=1.1,
        slope=5.0,
        along=Estimate.within(along, 0.1),
        share_low=0.55,
        share_high=0.65,
        cutoff=0.01,
        largest=Estimate(2.0, 0.01),
        reach=1.0,
        off=Estimate(0.01, 0.005),
        misfit=Estimate(0.0, 0.0),
        evaluations=120,
        seconds=1.0,
        doubts=() if doubt is None else (Doubt(Verdict(doubt), "as made up"),),
    )
