"""The study's parts: the queue's items, each in a process of its own."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from studies.data import needs
from studies.gpu.apart import compute
from studies.gpu.cases import Item, items, recipe
from studies.gpu.devices import has_gpu
from studies.gpu.pack import IMAGES, write_pack
from studies.gpu.rates import compared
from studies.gpu.sweep import summary
from studies.study import Part, Result, Study, json_part, kept_parts


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """The queue; how long the sweep takes is known once the first of it is kept."""
    rate = _seconds_a_run_step(folder)
    for item in items(quick):
        seconds = item.run_steps * rate if item.run_steps and rate else item.seconds
        yield json_part(
            folder,
            item.name,
            partial(compute, item, folder, quick),
            seconds=seconds,
            takes=item.takes,
            needs="" if quick else _needs(item),
            timed=True,
        )


def _seconds_a_run_step(folder: Path) -> float | None:
    kept = [found for found in kept_parts(folder, "sweep.").values() if found.get("run_steps")]
    return median(found["seconds"] / found["run_steps"] for found in kept) if kept else None


def _needs(item: Item) -> str:
    """What is missing here."""
    missing = []
    if not has_gpu(item.library):
        missing.append(f"{item.library} with CUDA")
    images = IMAGES.get(recipe(quick=False).problem) if item.kind in ("start", "sweep") else None
    if images is not None:
        missing.append(needs(images, hub=False))  # a machine with a GPU may have no network
    return " and ".join(filter(None, missing))


def collect(folder: Path, before: Result) -> Result:
    """What the folder's items say over what was there before; of the sweep, all runs so far."""
    found = {"items": before.get("items", {}) | kept_parts(folder, "")}
    swept = summary(folder) or before.get("sweep")
    read_off = {"throughput": compared(found["items"]), "sweep": swept}
    return found | {name: value for name, value in read_off.items() if value}


def prepare() -> None:
    """This process computes nothing, and leaves the card's memory to those that do."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


STUDY = Study(parts=parts, collect=collect, prepare=prepare, pack=write_pack)
