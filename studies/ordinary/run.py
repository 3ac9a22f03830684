"""The study's parts: sweeps of digits, and looks at every sweep's best runs."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from flatfast.lab.estimation.times import time_grid
from studies.ordinary.analysis import analysis
from studies.ordinary.cases import DIGITS_CASES, REGIMES
from studies.ordinary.figure import draw
from studies.ordinary.looks import looks
from studies.regimes.analysis import judged
from studies.regimes.cases import QUICK_CASES, Case
from studies.regimes.run import sweep_case, table_of
from studies.study import RESULTS, Part, Result, Study, json_part, kept_json, read_json


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """The sweeps first."""
    own = QUICK_CASES[:1] if quick else DIGITS_CASES
    for case in own:
        done = table_of(folder, case).exists
        yield Part(f"sweep.{case.name}", partial(sweep_case, case, folder), done)
    for case in own if quick else (*REGIMES, *DIGITS_CASES):
        if (swept := _swept(folder, case)) is not None:
            look = partial(looks, case, swept)
            yield json_part(folder, f"look.{case.name}", look, needs=case.needs())


def _swept(folder: Path, case: Case) -> Result | None:
    """Best momenta of a sweep: of this study's own, or of the regime map."""
    if table_of(folder, case).exists():
        return judged(case, time_grid(pq.read_table(table_of(folder, case))))
    known = read_json(RESULTS / "regimes" / "regimes.json", {}).get("cases", [])
    return next((row for row in known if row["name"] == case.name), None)


def collect(folder: Path, before: Result) -> Result:
    """Looks of the folder over those of before, and what they say together."""
    kept = before.get("looks", {})
    every = (*REGIMES, *DIGITS_CASES, *QUICK_CASES[:1])
    found = {
        case.name: rows
        for case in every
        if (rows := kept_json(folder, f"look.{case.name}") or kept.get(case.name))
    }
    batches = {case.name: case.batch_size for case in every if case.name in found}
    return {"looks": found, "batch_size": batches, **analysis(found)}


STUDY = Study(parts, collect, draw)
