"""The parts of the study of forecasts: committed sweeps, minibatches, and sweeps made anew."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from studies.forecast.cases import (
    BATCH_LRS,
    CASES,
    COMMITTED,
    FACTORS,
    QUICK_BATCH_LRS,
    QUICK_CASES,
    QUICK_COMMITTED,
    SMOOTH,
)
from studies.forecast.figure import draw
from studies.forecast.measure import batches, committed, varied
from studies.study import Part, Result, Study, json_part, kept_json

BATCHES = "batches"


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Forecasts alone first, then those with sweeps of their own."""
    stores = folder / "sweeps"
    for name in QUICK_COMMITTED if quick else COMMITTED:
        limit = name in SMOOTH and not quick
        yield json_part(folder, f"committed.{name}", partial(committed, name, limit))
    lrs = QUICK_BATCH_LRS if quick else BATCH_LRS
    takes = f"sweeps at {len(lrs)} learning rates"
    yield json_part(folder, BATCHES, partial(batches, lrs, stores), takes=takes)
    for case in QUICK_CASES if quick else CASES:
        compute = partial(varied, case, stores)
        takes = f"{len(FACTORS) * case.seeds:,} runs"
        yield json_part(folder, f"varied.{case.name}", compute, takes=takes)


def collect(folder: Path, before: Result) -> Result:
    """The parts that are there, and those of the result before that are not."""
    new = {
        "committed": {name: kept_json(folder, f"committed.{name}") for name in COMMITTED},
        "varied": {
            case.key: kept_json(folder, f"varied.{case.name}") for case in (*CASES, *QUICK_CASES)
        },
    }
    result: Result = {
        kind: before.get(kind, {}) | {key: entry for key, entry in entries.items() if entry}
        for kind, entries in new.items()
    }
    result[BATCHES] = kept_json(folder, BATCHES) or before.get(BATCHES)
    return result


STUDY = Study(parts, collect, draw)
