"""The images that the queue's items read, in one small folder for a machine without a network.

A subset is drawn from the labels of the whole split, so that a subset of a subset would be another
one. The pack therefore has every row of the hub's Parquet files, each with its label, and leaves
the images out that no item draws: the same draw finds the same rows in it, and results say the same
checksum of their images. Pictures are copied as they are, byte by byte.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flatfast.lab.images import (
    CIFAR10,
    COLUMNS,
    FASHION_MNIST,
    ImageSet,
    balanced,
    load_images,
    place_of,
)
from flatfast.lab.problems import defaults
from studies.gpu.cases import recipe

IMAGES: dict[str, ImageSet] = {"cifar-resnet": CIFAR10, "fashion-mlp": FASHION_MNIST}
"""By problem, what it reads."""

MOST_BYTES = 50_000_000
"""Of a pack: it is to be carried."""

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Draw:
    """A subset as a problem loads it.

    Attributes:
        images: The data set.
        split: ``train`` or ``test``.
        count: How many.
        seed: Which.
    """

    images: ImageSet
    split: str
    count: int
    seed: int


def draws() -> Iterator[Draw]:
    """What the queue's items load."""
    swept = recipe(quick=False)
    if swept.problem in IMAGES:
        settings = {**defaults(swept.problem), **swept.settings}
        for split, count in (("train", "examples"), ("test", "test_examples")):
            number, seed = int(settings[count]), int(settings["data_seed"])
            yield Draw(IMAGES[swept.problem], split, number, seed)


def write_pack(folder: Path) -> str:
    """Write the pack of all that the queue's items load; data are looked for where they are.

    Returns:
        What was written, in words.

    Raises:
        ValueError: As :func:`pack`.
    """
    chosen = list(draws())
    if not chosen:
        return f"no item reads images: {folder} is not written"
    return pack(chosen, folder)


def pack(wanted: Iterable[Draw], folder: Path, data: str = "") -> str:
    """Write a pack of draws.

    Args:
        wanted: The draws.
        folder: Where to; a folder of each data set's name is made in it.
        data: Where the whole sets lie, as :func:`flatfast.lab.images.load_images` takes it.

    Returns:
        What was written, in words.

    Raises:
        ValueError: If a set is not in a folder, the pack is larger than :data:`MOST_BYTES`, or what
            is read from it is not what is read from the whole.
    """
    wanted = list(wanted)
    for images, split in dict.fromkeys((d.images, d.split) for d in wanted):
        place = place_of(images, data)
        if not isinstance(place, Path):
            raise ValueError(f"a pack is made of a folder with {images.name}, got the hub")
        _write_part(images, split, [d for d in wanted if (d.images, d.split) == (images, split)],
                    place, folder / images.name)  # fmt: skip
    lines = [_checked(draw, folder, data) for draw in wanted]
    (folder / "README.md").write_text(_readme(lines), encoding="utf-8")
    files = sorted(folder.glob("*/*.parquet"))
    told = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(folder)}" for f in files]
    (folder / SUMS).write_text("\n".join(told) + "\n")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    if size > MOST_BYTES:
        raise ValueError(
            f"a pack must have at most {MOST_BYTES / 1e6:.0f} MB, {folder} has {size / 1e6:.1f}: "
            "fewer examples, or fewer draws"
        )
    return f"{folder}: {len(wanted)} draws, {size / 1e6:.1f} MB"


def _write_part(
    images: ImageSet, split: str, wanted: list[Draw], place: Path, folder: Path
) -> None:
    """A split with all its labels, and the images of some rows alone."""
    files = sorted(path for path in place.glob("*.parquet") if split in path.name)
    table = pa.concat_tables([pq.read_table(path) for path in files])
    image, label = (next(name for name in known if name in table.column_names) for known in COLUMNS)
    labels = table[label].to_numpy().astype(np.int64)
    kept = np.zeros(len(labels), bool)
    for draw in wanted:
        kept[balanced(labels, draw.count, draw.seed, f"the {split} split of {images.name}")] = True
    column = table[image].combine_chunks()
    held = pc.if_else(pa.array(kept), column, pa.scalar(None, column.type))
    place_in_table = table.column_names.index(image)
    part = table.set_column(place_in_table, table.schema.field(image), held)
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(part, folder / f"{split}-00000-of-00001.parquet", compression="zstd")


def _checked(draw: Draw, folder: Path, data: str) -> str:
    """A draw in words, with its checksum, once it is the same from the pack as from the whole."""
    options = (draw.split, draw.count, draw.seed)
    whole = load_images(draw.images, data, *options)
    part = load_images(draw.images, str(folder), *options)
    if part.checksum != whole.checksum:
        raise ValueError(f"{folder} gives {part.checksum} for {draw}, the whole {whole.checksum}")
    return (
        f"| {draw.images.name} | {draw.split} | {draw.count:,} | {draw.seed} | {whole.checksum} |"
    )


def _readme(lines: list[str]) -> str:
    return "\n".join(
        [
            "# Images for the queue of what waits for a GPU",
            "",
            "Made by `python -m studies gpu --pack --out FOLDER`; used by `FLATFAST_DATA=FOLDER`.",
            "The Parquet files have every row of the hub's with its label, and the pictures of",
            "these draws alone, unchanged. Any other draw is refused with a message.",
            f"Checksums of the files are in {SUMS}; those of pixels and labels are here, and the",
            "same as of the whole sets.",
            "",
            "| set | split | images | seed | checksum |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            "",
        ]
    )
