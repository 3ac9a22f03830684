"""Rows measured at different times and places in one table, and what is read off them."""

import math
from typing import Any

import numpy as np

from benchmarks.calibration.cases import Case

Row = dict[str, Any]


def collected(kept: Row, found: Row, cases: tuple[Case, ...]) -> Row:
    """What was found now, with the rows of before for the cases whose runs are not here.

    Args:
        kept: What was written before, or nothing.
        found: What :func:`benchmarks.calibration.table.summarise` made.
        cases: Their order; a row whose case is gone goes too.

    Raises:
        ValueError: If C was another share of ``C*`` before: then the two do not belong together.
    """
    before = kept.get("cases", [])
    if before and kept["damping"] != found["damping"]:
        raise ValueError(
            f"damping must be that of the rows kept, {kept['damping']:g}, got "
            f"{found['damping']:g}: measure all cases anew"
        )
    rows = {row["label"]: row for row in [*before, *found["cases"]]}
    return {**found, "cases": [rows[case.label] for case in cases if case.label in rows]}


def estimated(row: Row, candidates: Row) -> dict[str, Row | None]:
    """Each estimator's C and the steps it takes over the best, at the calibration's own lr.

    Args:
        row: A case.
        candidates: Further estimators' C, as :mod:`benchmarks.calibration.candidates` gives them.

    Returns:
        By name; None where there is no estimate.
    """
    (own,) = [rate for rate in row["rates"] if abs(rate["lr"] / row["lr"] - 1) < 0.01]
    told = {"calibrated": row["C"][0], **row["estimators"], **candidates}
    return {
        name: {"C": C, "over_best": steps_over_best(own, C)} if C else None
        for name, C in told.items()
        if not name.endswith("steps")
    }


def steps_over_best(rate: Row, C: float) -> float | None:
    """Steps at C over those of the best, along the sweep's curve; None where it does not settle.

    Beyond the curve's ends its last stretch goes on.
    """
    times = [math.inf if time is None else time for time in rate["time"]]
    right = int(np.clip(np.searchsorted(rate["C"], C), 1, len(times) - 1))
    ends, nearby = rate["C"][right - 1 : right + 1], times[right - 1 : right + 1]
    if not np.isfinite(nearby).all():
        return None
    share = math.log(C / ends[0]) / math.log(ends[1] / ends[0])
    return float(nearby[0] ** (1 - share) * nearby[1] ** share / rate["best_time"])
