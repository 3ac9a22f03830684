"""The study's parts: of each training and seed the sweep and a search, half-way, and changes."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from studies.find.analysis import analysis
from studies.find.cases import SEEDS, Training, needs, quick, trainings
from studies.find.example import searched
from studies.find.figure import draw
from studies.find.measure import changes, from_half_way, larger, scratch
from studies.study import Part, Result, Study, json_part, kept_json, part_name

EXAMPLE = "example"

AFTER: dict[str, Callable[..., Any]] = {"half-way": from_half_way, "changes": changes}
"""What starts from the sweep from scratch."""


def parts(folder: Path, small: bool) -> Iterator[Part]:
    """The example, then seed by seed, the cheapest trainings first."""
    yield json_part(folder, EXAMPLE, searched)
    for seed in SEEDS[:1] if small else SEEDS:
        for training in (quick() if small else trainings()).values():
            yield _part(folder, "scratch", training, seed, partial(scratch, training, seed))
            yield _part(folder, "larger", training, seed, partial(larger, training, seed))
            before = kept_json(folder, _name("scratch", training, seed))
            for kind, compute in AFTER.items():
                if before is not None and (kind != "changes" or training.changed):
                    own = partial(compute, training, seed, before)
                    yield _part(folder, kind, training, seed, own)


def _part(
    folder: Path, kind: str, training: Training, seed: int, compute: Callable[[], Any]
) -> Part:
    return json_part(folder, _name(kind, training, seed), compute, needs=needs(training))


def _name(kind: str, training: Training, seed: int) -> str:
    return part_name(kind, training.name, str(seed))


def collect(folder: Path, before: Result) -> Result:
    """Rows of the folder over those of before, and what they say."""
    rows = dict(before.get("rows", {}))
    for training in trainings().values():
        for seed in SEEDS:
            for kind in ("scratch", "larger", *AFTER):
                name = _name(kind, training, seed)
                if (row := kept_json(folder, name)) is not None:
                    rows[name] = row
    example = kept_json(folder, EXAMPLE) or before.get("example")
    return {"example": example, "rows": rows, **analysis(rows)}


STUDY = Study(parts, collect, draw)
