"""What is read off a sweep's curves at prefactors that were calibrated."""

from typing import Any

import numpy as np

from studies.calibration.cases import REDRAWN_CASES
from studies.calibration.curve import read_off
from studies.calibration.unseen import UNSEEN
from studies.missing import or_infinite

Row = dict[str, Any]

USUAL = {case.label: case.label.rpartition("_data_seed-")[0] for case in REDRAWN_CASES}
"""Labels of cases whose data are drawn anew, to that of the case with the usual data."""


def cases_of(found: Row) -> list[Row]:
    """Rows of the cases on the lab's problems that are swept and calibrated."""
    labels = [label for label in found["sweeps"] if not _unseen(label) and label not in USUAL]
    return _rows(found, labels)


def unseen_of(found: Row) -> list[Row]:
    """The same on problems that the formula was not made on."""
    return _rows(found, [label for label in found["sweeps"] if _unseen(label)])


def redrawn_of(found: Row) -> list[list[Row]]:
    """The same of cases whose data are drawn anew, with the case that has the usual data first."""
    groups = []
    for label in dict.fromkeys(USUAL.values()):
        drawn = [again for again, usual in USUAL.items() if usual == label]
        rows = _rows(found, [each for each in (label, *drawn) if each in found["sweeps"]])
        if len(rows) > 1:
            groups.append(rows)
    return groups


def _unseen(label: str) -> bool:
    return label.split("_")[0] in UNSEEN


def _rows(found: Row, labels: list[str]) -> list[Row]:
    candidates = found["candidates"]
    return [
        complete(found["sweeps"][label], found["calibrated"][label], candidates.get(label, {}))
        for label in labels
        if label in found["calibrated"]
    ]


def complete(sweep: Row, found: Row, candidates: Row) -> Row:
    """A case's row: its sweep, its calibrations, and the steps that these take on its curves.

    Args:
        sweep: As :func:`studies.calibration.analysis.summarise` gives it.
        found: As :func:`studies.calibration.calibrated.calibrations` gives it.
        candidates: Further estimators' C, as :mod:`studies.calibration.candidates` gives them.
    """
    rates = [{**rate, **_steps(rate, found["C"])} for rate in sweep["rates"]]
    row = {**sweep, **found, "rates": rates}
    own = rate_at(row, 1.0)
    if own is None:
        return {**row, "estimated": {}}
    told = {
        "calibrated": found["C"][0],
        **found["estimators"],
        "pilot": sweep["pilot"]["C"],
        **{name: C for name, C in candidates.items() if not name.endswith("steps")},
    }
    estimated = {
        name: {"C": C, "over_best": steps_over_best(own, C)} if C else None
        for name, C in told.items()
    }
    return {**row, "estimated": estimated}


def _steps(rate: Row, prefactors: list[float]) -> Row:
    """Steps of several calibrations over the best: their median and range, None where they fail.

    And over momentum 0.9, or, where that has not arrived, over the length of its runs.
    """
    over = [steps_over_best(rate, C) if C > 0 else None for C in prefactors]
    ordered = sorted(or_infinite(over).tolist())
    middle = ordered[len(ordered) // 2]
    entry: Row = {
        "estimate": _finite(middle),
        "low": _finite(ordered[0]),
        "high": _finite(ordered[-1]),
        "each": over,
    }
    beside: Row | None = None
    if "0.9" in rate["constants"] and entry["estimate"]:
        time, constant = middle * rate["best_time"], rate["constants"]["0.9"]["time"]
        beside = {"estimate": time / (constant or rate["limit"]), "bound": constant is None}
    return {"over_best": entry, "over_0.9": beside}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def rate_at(row: Row, share: float) -> Row | None:
    """A case's entry at a learning rate, in units of the calibration's; None if not swept."""
    near = [rate for rate in row["rates"] if abs(rate["lr"] / (share * row["lr"]) - 1) < 0.01]
    return near[0] if near else None


def steps_over_best(rate: Row, C: float) -> float | None:
    """Steps at C over those of the best, along the sweep's curve; None where it does not settle."""
    times = or_infinite(rate["time"])
    found = float(np.exp(read_off(np.log(rate["C"]), np.log(times), np.log(C))))
    return found / rate["best_time"] if np.isfinite(found) else None


def ratios(cases: list[Row], shares: tuple[float, ...]) -> list[float]:
    """Steps over the best, of all cases at these learning rates."""
    rows = [rate_at(case, share) for case in cases for share in shares]
    told = [row["over_best"]["estimate"] for row in rows if row]
    return [ratio for ratio in told if ratio is not None]
