"""The study's parts: the noise, the drift, calibrations, and a sweep, of each problem."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from studies.fresh.analysis import summarise
from studies.fresh.cases import CASES, QUICK, Case
from studies.fresh.figure import draw
from studies.fresh.measure import calibrations, drift, linear, noise, runs_file, swept
from studies.study import Part, Result, Study, json_part, kept_json

KINDS = {"noise": noise, "drift": drift, "calibrated": calibrations}


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """The sweeps last, which take longest."""
    cases = (QUICK,) if quick else CASES
    for case in cases:
        for kind, compute in KINDS.items():
            yield json_part(folder, f"{kind}.{case.name}", partial(compute, case))
    yield json_part(folder, "linear", partial(linear, cases[0]))
    for case in cases:
        kept = _folder(folder, case)
        done = runs_file(kept).exists
        yield Part(f"sweep.{case.name}", partial(swept, case, kept), done)


def _folder(folder: Path, case: Case) -> Path:
    return folder / "sweeps" / case.name


def collect(folder: Path, before: Result) -> Result:
    """What the folder has over what was there before."""
    found: Result = {}
    for case in (*CASES, QUICK):
        row = dict(before.get("problems", {}).get(case.name, {}))
        row |= {k: told for k in KINDS if (told := kept_json(folder, f"{k}.{case.name}"))}
        if runs_file(_folder(folder, case)).exists():
            row["sweep"] = summarise(runs_file(_folder(folder, case)), case)
        if row:
            found.setdefault(case.name, row)
    return {"problems": found, "linear": kept_json(folder, "linear") or before.get("linear")}


STUDY = Study(parts, collect, draw)
