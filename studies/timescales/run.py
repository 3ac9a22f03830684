"""Parts of the study: what the theory sees of a problem, the limit, every pair, less noise."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studies.study import Part, Result, Study, json_part, kept_json
from studies.timescales.analysis import summary
from studies.timescales.cases import CASES, QUICK, RATIOS, SHARES, Case, key
from studies.timescales.figure import draw
from studies.timescales.measure import (
    less_noise,
    measured_limit,
    measured_pair,
    measured_start,
)


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Parts of all problems."""
    for name, case in (QUICK if quick else CASES).items():
        yield from parts_of(name, case, folder)


def parts_of(name: str, case: Case, folder: Path) -> Iterator[Part]:
    """Parts of a problem."""

    def part(part_name: str, measure: Callable[..., Any], *arguments: float, takes: str) -> Part:
        compute = functools.partial(measure, name, case, *arguments)
        return json_part(folder, part_name, compute, takes=takes)

    yield part(_start(name), measured_start, takes="the flow")
    limit = f"{case.paths:,} paths" if case.paths else "a path"
    for ratio in RATIOS:
        yield part(_limit(name, ratio), measured_limit, ratio, takes=limit)
    runs = f"{case.runs} runs"
    for number, pair in enumerate(case.pairs):
        yield part(_pair(name, *pair), measured_pair, number, takes=runs)
    yield part(_noise(name), less_noise, takes=f"{len(SHARES)} × {runs}")


def collect(folder: Path, before: Result) -> Result:
    """Every problem, as far as it is measured."""
    found = {name: _problem(name, folder, before.get(name, {})) for name in CASES}
    return {name: entry for name, entry in found.items() if entry}


def _problem(name: str, folder: Path, before: Result) -> Result:
    pairs = CASES[name].pairs
    start, noise = kept_json(folder, _start(name)), kept_json(folder, _noise(name))
    limit = {f"{ratio:g}": kept_json(folder, _limit(name, ratio)) for ratio in RATIOS}
    limit = {ratio: kept["tau_2"] for ratio, kept in limit.items() if kept}
    rows = {key(*pair): kept_json(folder, _pair(name, *pair)) for pair in pairs}
    rows = {at: row for at, row in rows.items() if row}
    if not (start or noise or limit or rows):
        return before
    places = {key(*pair): place for place, pair in enumerate(pairs)}
    rows = before.get("rows", {}) | rows
    entry = {
        **before,
        **(start or {}),
        **({"noise": noise} if noise else {}),
        "limit": before.get("limit", {}) | limit,
        "rows": dict(sorted(rows.items(), key=lambda row: places.get(row[0], len(places)))),
    }
    return entry | summary(name, entry)


def _start(name: str) -> str:
    return f"start.{name}"


def _limit(name: str, ratio: float) -> str:
    return f"limit.{name}.C={ratio:g}"


def _pair(name: str, lr: float, ratio: float) -> str:
    return f"pair.{name}.lr={lr:g},C={ratio:g}"


def _noise(name: str) -> str:
    return f"noise.{name}"


STUDY = Study(parts=parts, collect=collect, draw=draw)
