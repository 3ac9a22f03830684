"""Labelled images, from a local folder in the hub's Parquet layout or from the hub itself.

A split is read as far as it is wanted: a subset with as many images of each class as of any other,
drawn by a seed, decoded, and cached as an array under the content of the files that it comes from.
What a result says of its images is their name and a checksum of their pixels and labels: it does
not depend on where they lay or how they were packed.

A folder need not hold all images: where it has the label of every row, and no image in some, a
subset is drawn from the same labels as ever, and is the same as long as its own images are there.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flatfast.extras import require
from flatfast.lab.cache import cached, content_hash

DATA = "FLATFAST_DATA"
"""Environment variable: the folder in which data sets lie, each in a folder of its name."""

COLUMNS = (("image", "img"), ("label", "labels"))
"""Names that the columns of images and of labels go by."""

PICTURES = (b"\x89PNG", b"\xff\xd8")
"""How pictures in PNG or JPEG begin; bytes that do not, and are as many as pixels, are pixels."""


@dataclass(frozen=True)
class ImageSet:
    """A data set of the literature.

    Attributes:
        name: Its folder in :data:`DATA`, and its name in results.
        shape: Height, width and channels of an image.
        classes: Number of classes.
        hub: Its id on the Hugging Face hub.
    """

    name: str
    shape: tuple[int, int, int]
    classes: int
    hub: str

    def __str__(self) -> str:
        height, width, channels = self.shape
        return f"{self.name} ({height} x {width} x {channels}, {self.classes} classes)"


FASHION_MNIST = ImageSet("fashion_mnist", (28, 28, 1), 10, "zalando-datasets/fashion_mnist")
CIFAR10 = ImageSet("cifar10", (32, 32, 3), 10, "uoft-cs/cifar10")


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one split.

    Attributes:
        pixels: (N, height, width, channels), 0 to 255.
        labels: Classes, (N,).
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @property
    def flat(self) -> NDArray[np.float64]:
        """The pixels in a row, from 0 to 1, (N, height * width * channels)."""
        return self.pixels.reshape(len(self.labels), -1) / 255

    @property
    def checksum(self) -> str:
        """Of pixels and labels, 16 hexadecimal digits."""
        return content_hash(self.pixels, self.labels)[:16]


def load_images(
    images: ImageSet, data: str, split: str, count: int | None = None, seed: int = 0
) -> Split:
    """Load a split, or a balanced subset of it.

    Args:
        images: The data set that is expected.
        data: A folder that holds its Parquet files or a folder of its name, or an id of the hub;
            empty for ``$FLATFAST_DATA``, and the hub where that is not set.
        split: ``train`` or ``test``.
        count: How many images, as many of each class as of any other but for one; all by default.
        seed: Which, and in which order.

    Raises:
        FileNotFoundError: If there is no such split; the message says where it was looked for.
        ValueError: If the data are not what is expected, there are not that many, or the folder
            holds only part of the images and not those.
        ImportError: If the ``data`` extra is not installed.
    """
    require("what reads images", "data", "PIL")
    source = place_of(images, data)
    if isinstance(source, Path):
        files = _files(source, split)
        labels, decode = _local(images, files)
        key = content_hash("images", images.name, _digest(files), split, count, seed)
    else:
        labels, decode, fingerprint = _from_hub(images, source, split)
        key = content_hash("images", images.name, fingerprint, split, count, seed)
    if not len(labels):
        raise ValueError(f"expected {images}, found no images in {source}")
    if not 0 <= labels.min() <= labels.max() < images.classes:
        raise ValueError(
            f"expected {images}, found labels from {labels.min()} to {labels.max()} in {source}"
        )
    try:
        chosen = balanced(labels, count, seed, f"the {split} split of {images.name}")
    except ValueError:
        # Another set has another number of images: that it is another is the reason.
        _check_shape(images, decode(np.arange(1)), source)
        raise
    _check_shape(images, decode(chosen[:1]), source)
    pixels = cached(key, lambda: decode(chosen), "images")
    return Split(np.asarray(pixels), labels[chosen])


def _check_shape(images: ImageSet, shown: NDArray[np.uint8], source: Path | str) -> None:
    """Check that images (N, height, width, channels) are of the expected set's shape."""
    if shown.shape[1:] != images.shape:
        found = " x ".join(map(str, shown.shape[1:]))
        raise ValueError(f"expected {images}, found images of {found} in {source}")


def place_of(images: ImageSet, data: str) -> Path | str:
    """Where a data set is looked for: a folder, or an id of the hub.

    Raises:
        FileNotFoundError: If ``data`` is a folder that has no Parquet files, itself or under the
            data set's name.
    """
    where = data or os.environ.get(DATA, "")
    folder = Path(where)
    if not where:
        return images.hub
    if not folder.is_dir():
        if "/" not in where:  # an account of the hub
            return f"{where}/{images.hub.partition('/')[2]}"
        if folder.is_absolute() or where.startswith(".") or where.count("/") > 1:
            raise FileNotFoundError(f"no folder {where} with {images.name}")
        return where
    for place in (folder, folder / images.name):
        if any(place.glob("*.parquet")):
            return place
    held = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
    raise FileNotFoundError(
        f"no Parquet files in {folder} or {folder / images.name}; the folder holds {held}"
    )


def balanced(
    labels: NDArray[np.int64], count: int | None, seed: int, what: str = "the data"
) -> NDArray[np.int64]:
    """Indices of a subset with as many of each class as of any other, but for one; in any order.

    Args:
        labels: Classes, (N,).
        count: How many; all, in their own order, by default.
        seed: Which.
        what: For messages.

    Raises:
        ValueError: If a class has fewer than its share.
    """
    if count is None:
        return np.arange(len(labels))
    classes = np.unique(labels)
    if not 1 <= count <= len(labels):
        raise ValueError(f"images of {what} must be in [1, {len(labels)}], got {count}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(classes))
    share = np.full(len(classes), count // len(classes))
    share[order[: count % len(classes)]] += 1
    parts = []
    for label, wanted in zip(classes, share, strict=True):
        own = np.flatnonzero(labels == label)
        if wanted > len(own):
            raise ValueError(
                f"{count} images of {what} take {wanted} of class {label}, which has {len(own)}"
            )
        parts.append(rng.choice(own, wanted, replace=False))
    return rng.permutation(np.concatenate(parts))


Decode = Callable[[NDArray[np.int64]], NDArray[np.uint8]]


def _files(folder: Path, split: str) -> list[Path]:
    files = sorted(path for path in folder.glob("*.parquet") if split in path.name)
    if not files:
        there = ", ".join(sorted(path.name for path in folder.glob("*.parquet")))
        raise FileNotFoundError(f"no Parquet file of the split {split} in {folder}: it has {there}")
    return files


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _local(images: ImageSet, files: Sequence[Path]) -> tuple[NDArray[np.int64], Decode]:
    tables = []
    for path in files:
        try:
            names = pq.read_schema(path).names
            chosen = [_column(names, known, path) for known in COLUMNS]
            tables.append(pq.read_table(path, columns=chosen).rename_columns(["image", "label"]))
        except (pa.ArrowException, OSError) as error:  # OSError: pages that do not decompress
            raise ValueError(f"{path} cannot be read as Parquet: {error}") from error
    table = pa.concat_tables(tables)
    held = table["image"].is_valid().to_numpy()

    def decode(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if not held[rows].all():
            raise ValueError(
                f"{files[0].parent} holds {held.sum():,} of the {len(held):,} images of "
                f"{images.name} in {files[0].name}, and not all of those that are asked for: it is "
                "a part, made for other numbers of examples or another seed"
            )
        cells = table["image"].take(pa.array(rows)).to_pylist()
        try:
            return np.stack([_pixels(cell, images.shape) for cell in cells])
        except OSError as error:  # what Pillow raises of a picture that it cannot read
            raise ValueError(f"a picture in {files[0].parent} cannot be read: {error}") from error

    return table["label"].to_numpy().astype(np.int64), decode


def _from_hub(images: ImageSet, hub: str, split: str) -> tuple[NDArray[np.int64], Decode, str]:
    try:
        require("what reads images from the hub", "data", "datasets")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{images.name} is looked for on the hub, as {hub!r}, because no local folder is named "
            f"(--data FOLDER or {DATA}) or there is none of that name; and {error}",
            name=error.name,
        ) from error
    import datasets  # here, because it is slow to import

    try:
        table = datasets.load_dataset(hub, split=split)
    except Exception as error:  # whatever the hub client raises: the remedy is the same
        raise FileNotFoundError(
            f"no {split} split of {images.name} at {hub!r} ({type(error).__name__}); give a local "
            f"folder with the hub's Parquet files (--data FOLDER or {DATA}), or a hub id with a "
            "connection"
        ) from error
    image, label = (_column(table.column_names, known, hub) for known in COLUMNS)

    def decode(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([_pixels(cell, images.shape) for cell in table.select(rows)[image]])

    return np.asarray(table[label], np.int64), decode, str(table._fingerprint)


def _column(names: Sequence[str], known: Sequence[str], where: object) -> str:
    for name in known:
        if name in names:
            return name
    raise ValueError(f"{where} must have a column {known[0]!r}, got {', '.join(names)}")


def _pixels(cell: Any, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """An image, (height, width, channels), from what a cell holds: a picture's bytes, or pixels."""
    from PIL import Image

    content = cell["bytes"] if isinstance(cell, dict) else cell
    if isinstance(content, bytes):
        if not content.startswith(PICTURES) and len(content) == int(np.prod(shape)):
            return np.frombuffer(content, np.uint8).reshape(shape)
        content = Image.open(BytesIO(content))
    found = np.asarray(content, np.uint8)
    return found if found.ndim == 3 else found[..., None]
