"""The study's parts: runs around the limit with noise and without, and safeguards."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from studies.catapults.cases import CASES, QUICK, Case
from studies.catapults.figure import draw
from studies.catapults.measure import around, guards
from studies.study import Part, Result, Study, json_part, kept_json, part_name

KINDS: dict[str, Callable[[Case], Result]] = {
    "noisy": around,
    "quiet": partial(around, noise=0.0),
    "guards": guards,
}
"""What is computed of a case."""


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """The map of each problem, then its safeguards."""
    for case in (QUICK,) if quick else CASES:
        for kind, compute in KINDS.items():
            takes = f"{case.guarded} runs" if kind == "guards" else f"{case.steps} steps"
            yield json_part(
                folder,
                part_name(kind, case.key),
                partial(compute, case),
                takes=takes,
                needs=case.needs(),
            )


def collect(folder: Path, before: Result) -> Result:
    """What is in the folder over what was there before."""
    known = before.get("cases", {})
    found: Result = {}
    for case in (*CASES, QUICK):
        row = {**known.get(case.key, {}), **_kept(folder, case)}
        if row:
            found[case.key] = {"development": case.development, **row}
    return {"cases": found}


def _kept(folder: Path, case: Case) -> Result:
    told = {kind: kept_json(folder, part_name(kind, case.key)) for kind in KINDS}
    return {kind: value for kind, value in told.items() if value is not None}


STUDY = Study(parts, collect, draw, side_by_side="processes")
