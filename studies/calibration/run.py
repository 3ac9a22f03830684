"""The study's parts: sweeps around calibrations, and what else is asked of a calibration."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flatfast.calibration.result import DAMPING
from studies.calibration import along, budgets, online, pair, pair_grid
from studies.calibration.analysis import summarise
from studies.calibration.calibrated import calibrations
from studies.calibration.candidates import candidates
from studies.calibration.cases import ALL, CASES, QUICK, Case
from studies.calibration.falls import falls
from studies.calibration.figure import draw
from studies.calibration.follow import followed
from studies.calibration.measure import measure, steps_planned
from studies.calibration.two_values import QUICK as FEW_SCHEDULES
from studies.calibration.two_values import SCHEDULES, two_values
from studies.study import (
    RESULTS,
    Part,
    Result,
    Study,
    json_part,
    kept_json,
    kept_parts,
    part_name,
    read_json,
)

USUAL = 0.2
"""A ``C*`` by which steps are told before any calibration."""


def parts(folder: Path, quick: bool) -> Iterator[Part]:
    """Sweeps first; the calibrations along a run follow from its sweep."""
    cases = (QUICK,) if quick else ALL
    before = {} if quick else read_json(RESULTS / "calibration" / "calibration.json", {})
    for case in cases:
        sweep = partial(measure, case, _sweep(folder, case))
        takes = f"{steps_planned(case, USUAL):,.0f} steps at C* {USUAL:g}"
        yield json_part(folder, f"sweep.{case.label}", sweep, takes=takes)
    for case in cases:
        yield json_part(folder, f"calibrated.{case.label}", partial(calibrations, case))
    for case in (QUICK,) if quick else CASES:
        yield json_part(folder, f"candidates.{case.label}", partial(candidates, case))
    for case in along.cases(quick):
        row = _swept(folder, case) or before.get("sweeps", {}).get(case.label)
        if row is not None:
            follow = partial(along.along, case, row, along.SHARES[:2] if quick else along.SHARES)
            yield json_part(folder, f"along.{case.label}", follow)
    for case in cases:
        yield json_part(folder, f"fall.{case.label}", partial(falls, case))
    for case in cases:
        row = _swept(folder, case) or before.get("sweeps", {}).get(case.label)
        if row is not None:
            yield json_part(folder, f"follow.{case.label}", partial(followed, case, row))
            schedules = FEW_SCHEDULES if quick else SCHEDULES
            two = partial(two_values, case, row, schedules)
            yield json_part(folder, f"two.{case.label}", two)
    for case in budgets.cases(quick):
        sizes, seeds = (budgets.BUDGETS[:2], 2) if quick else (budgets.BUDGETS, budgets.SEEDS)
        yield json_part(
            folder, f"budgets.{case.label}", partial(budgets.spread, case, sizes, seeds)
        )
    for trial in (online.QUICK,) if quick else online.TRIALS:
        compare = partial(online.compared, trial, 1 if quick else online.SEEDS)
        yield json_part(folder, part_name("online", trial.key), compare)

    yield from _pairs(folder, before, quick)


def _pairs(folder: Path, before: Result, quick: bool) -> Iterator[Part]:
    """Sweeps of learning rate and momentum together, and then runs at the calibrated pairs."""
    for trial in (pair_grid.QUICK,) if quick else pair_grid.TRIALS:
        case, kept = trial.case, folder / "pairs" / trial.case.label
        known = before.get("calibrated", {}).get(case.label)
        row = kept_json(folder, f"calibrated.{case.label}") or known
        grid = kept_json(folder, f"pair-grid.{case.label}")
        if row is not None:
            sweep = partial(pair_grid.grid, trial, row, kept / "grid")
            yield json_part(folder, f"pair-grid.{case.label}", sweep)
        if grid is not None:
            compare = partial(pair.paired, trial, grid, kept / "own")
            yield json_part(folder, f"pair.{case.label}", compare)


def collect(folder: Path, before: Result) -> Result:
    """What is in the folder over what was there before.

    Raises:
        ValueError: If C was another share of ``C*`` before: then the two do not belong together.
    """
    if before and before["damping"] != DAMPING:
        raise ValueError(
            f"damping must be that of the rows kept, {before['damping']:g}, got {DAMPING:g}: "
            "measure all cases anew"
        )
    every = (*ALL, QUICK)
    swept = {case.label: row for case in every if (row := _swept(folder, case))}
    sweeps = before.get("sweeps", {}) | swept
    calibrated = before.get("calibrated", {}) | _kept(folder, "calibrated.")
    tried = before.get("candidates", {}) | _kept(folder, "candidates.")
    trials = {trial.key: trial for trial in (*online.TRIALS, online.QUICK)}
    found = {key: kept_json(folder, part_name("online", key)) for key in trials}
    return {
        "damping": DAMPING,
        # In their order; a case that is gone goes from all three.
        "sweeps": _of(every, sweeps),
        "calibrated": _of(every, calibrated),
        "candidates": _of(every, tried),
        "budgets": before.get("budgets", {}) | _kept(folder, "budgets."),
        "along": before.get("along", {}) | _kept(folder, "along."),
        "fall": _of(every, before.get("fall", {}) | _kept(folder, "fall.")),
        "follow": _of(every, before.get("follow", {}) | _kept(folder, "follow.")),
        "two": _of(every, before.get("two", {}) | _kept(folder, "two.")),
        "online": before.get("online", {}) | {key: row for key, row in found.items() if row},
        "pair": before.get("pair", {}) | _paired(folder),
    }


def _of(cases: tuple[Case, ...], rows: dict[str, Any]) -> dict[str, Any]:
    return {case.label: rows[case.label] for case in cases if case.label in rows}


def _paired(folder: Path) -> dict[str, Any]:
    """Pairs with the sweeps that they are compared with."""
    grids = _kept(folder, "pair-grid.")
    return {name: {**row, "swept": grids[name]} for name, row in _kept(folder, "pair.").items()}


def _sweep(folder: Path, case: Case) -> Path:
    """Where a case's runs are kept, and the calibration around which they lie."""
    return folder / "sweeps" / case.label


def _swept(folder: Path, case: Case) -> Result | None:
    """What a sweep in the folder says; None where there is none, or not all of it."""
    if kept_json(folder, f"sweep.{case.label}") is None:
        return None
    return summarise(case, _sweep(folder, case))


def _kept(folder: Path, beginning: str) -> dict[str, Any]:
    """Parts of a kind, by the label of their case."""
    kept = kept_parts(folder, beginning)
    return {name.removeprefix(beginning): value for name, value in kept.items()}


STUDY = Study(parts=parts, collect=collect, draw=draw, side_by_side="processes")
