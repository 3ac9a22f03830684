"""The study's parts: each design and shape, each problem, each rival and shape."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from studies.adaptive.cases import DESIGNS, FEW, JUMPING, PROBLEMS, RIVAL_SHAPES, SMOOTH
from studies.adaptive.coverage import coverage
from studies.adaptive.figure import draw
from studies.adaptive.rivals import SAMPLERS, compared, lacks
from studies.adaptive.sweeps import adaptive_sweep, dense_sweep
from studies.study import Part, Result, Study, json_part, kept_json, part_name

SETS = (40, 40, 16, 60)
"""Synthetic sweeps of each design, with every shape."""

RIVAL_SETS = {"": 40, "TPE": 40, "GP": 5}
"""The same of ours and grids, and of each sampler."""

QUICK_SETS = 1

SET_SECONDS = (0.3, 0.4, 1.8, 0.2)
"""Of a synthetic sweep of each design, on one core."""

RIVAL_SECONDS = {"": 0.6, "TPE": 2.0, "GP": 16.0}
"""Of a synthetic sweep with a rival's."""

RIVAL_DESIGN = DESIGNS[1]

EVERY = (*DESIGNS, FEW)

COVERAGE = [(design, shape) for design in EVERY for shape in (*SMOOTH, *JUMPING)]
RIVALS = [(sampler, shape) for sampler in ("", *SAMPLERS) for shape in RIVAL_SHAPES]


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Coverage first, then problems, then rivals."""
    for design, shape in COVERAGE:
        place = EVERY.index(design)
        sets = QUICK_SETS if quick else SETS[place]
        yield json_part(
            folder,
            _coverage(design.name, shape),
            partial(coverage, design, shape, sets),
            seconds=SET_SECONDS[place] * sets,
            takes=f"{sets} sweeps",
        )
    for name in PROBLEMS[-1:] if quick else PROBLEMS:  # the cheapest
        compute = partial(adaptive_sweep, name, folder, quick)
        yield json_part(folder, _sweep(name), compute, takes="an adaptive sweep")
    for sampler, shape in RIVALS:
        own = QUICK_SETS if quick else RIVAL_SETS[sampler]
        yield json_part(
            folder,
            _rival(sampler, shape),
            partial(compared, RIVAL_DESIGN, shape, sampler, own),
            seconds=RIVAL_SECONDS[sampler] * own,
            takes=f"{own} sweeps",
            needs=lacks(sampler) if sampler else "",
        )


def collect(folder: Path, before: Result) -> Result:
    """What the folder has over what was known."""
    covered: list[Any] = []
    for design, shape in COVERAGE:
        known = [
            row
            for row in before.get("coverage", [])
            if (row["design"], row["shape"]) == (design.name, shape)
        ]
        kept = kept_json(folder, _coverage(design.name, shape))
        covered += [kept] if kept else known
    swept: list[Any] = []
    for name in PROBLEMS:
        known = [entry for entry in before.get("sweeps", []) if entry["name"] == name]
        kept = kept_json(folder, _sweep(name))
        swept += [_beside_dense(kept)] if kept else known
    asked: list[Any] = []
    for shape in RIVAL_SHAPES:
        for sampler in ("", *SAMPLERS):
            known = [row for row in before.get("rivals", []) if _part_of(row) == (sampler, shape)]
            asked += kept_json(folder, _rival(sampler, shape)) or known
    return {"coverage": covered, "sweeps": swept, "rivals": asked}


def _beside_dense(kept: Result) -> Result:
    return {"name": kept["name"], "adaptive": kept, "dense": dense_sweep(kept["name"])}


def _part_of(row: Result) -> tuple[str, str]:
    """The sampler and shape of a rival's row, as :data:`RIVALS` has them."""
    sampler = row["way"].split(",")[0]
    return (sampler if sampler in SAMPLERS else "", row["shape"])


def _coverage(design: str, shape: str) -> str:
    return part_name("coverage", design, shape)


def _sweep(name: str) -> str:
    return part_name("sweep", name)


def _rival(sampler: str, shape: str) -> str:
    return part_name("rivals", sampler or "ours", shape)


STUDY = Study(parts=parts, collect=collect, draw=draw, side_by_side="processes")
