"""The study's parts: one for each question, design of a sweep, and shape of its curve."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flatfast.lab.estimation.exponent import LAW
from studies.statistics import collapse, intervals
from studies.statistics.cases import DESIGNS, IN_STEP
from studies.statistics.fits import fits
from studies.statistics.shapes import SHAPES
from studies.study import Part, Result, Study, json_part, kept_json, part_name

SETS, QUICK_SETS = 500, 3
"""Synthetic sweeps of each part."""

QUESTIONS = {
    "intervals": (intervals.coverage, (*DESIGNS, IN_STEP), 1),
    "collapse": (collapse.coverage, tuple(d for d in DESIGNS if d.gamma == LAW), 3),
    "fits": (fits, DESIGNS, 1),
}
"""What answers each, on which designs, and by how much fewer sweeps."""

SECONDS = {"intervals": 20.0, "collapse": 14.0, "fits": 0.5}
"""Of a part, on one core."""

CASES = [
    (question, design, shape)
    for question, (_, designs, _) in QUESTIONS.items()
    for design in designs
    for shape in SHAPES
]


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """The intervals first: docs quote them."""
    for question, design, shape in CASES:
        answer, _, fewer = QUESTIONS[question]
        sets = max((QUICK_SETS if quick else SETS) // fewer, 1)
        yield json_part(
            folder,
            part_name(question, design.name, shape),
            partial(answer, design, shape, sets),
            seconds=SECONDS[question] * sets * fewer / SETS,
            takes=f"{sets} sweeps",
        )


def collect(folder: Path, before: Result) -> Result:
    """The folder's rows over those of before, in the order of designs and shapes."""
    found: dict[str, list[Any]] = {question: [] for question in QUESTIONS}
    for question, design, shape in CASES:
        kept = kept_json(folder, part_name(question, design.name, shape))
        if kept is None:
            own = (design.name, shape)
            known = before.get(question, [])
            found[question] += [row for row in known if (row["design"], row["shape"]) == own]
        else:
            found[question] += kept if isinstance(kept, list) else [kept]
    return {"sets": max((row["sets"] for row in found["intervals"]), default=0), **found}


STUDY = Study(parts=parts, collect=collect, side_by_side="processes")
