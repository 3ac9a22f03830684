"""Rows measured at different times and places in one table, and what is read off them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.calibration.curve import read_off

if TYPE_CHECKING:
    from studies.calibration.cases import Case

Row = dict[str, Any]


def joined(kept: Row, found: Row, cases: "tuple[Case, ...]") -> Row:
    """What was found now, with the rows of before for the cases whose runs are not here.

    Args:
        kept: What was written before, or nothing.
        found: ``damping``, and the ``cases`` as :func:`studies.calibration.analysis.summarise`
            makes them.
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
        candidates: Further estimators' C, as :mod:`studies.calibration.candidates` gives them.

    Returns:
        By name; None where there is no estimate.
    """
    own = rate_at(row, 1.0)
    if own is None:
        return {}
    told = {"calibrated": row["C"][0], **row["estimators"], **candidates}
    return {
        name: {"C": C, "over_best": steps_over_best(own, C)} if C else None
        for name, C in told.items()
        if not name.endswith("steps")
    }


def rate_at(row: Row, share: float) -> Row | None:
    """A case's entry at a learning rate, in units of the calibration's; None if not swept."""
    near = [rate for rate in row["rates"] if abs(rate["lr"] / (share * row["lr"]) - 1) < 0.01]
    return near[0] if near else None


def steps_over_best(rate: Row, C: float) -> float | None:
    """Steps at C over those of the best, along the sweep's curve; None where it does not settle."""
    times = np.array([np.inf if time is None else time for time in rate["time"]])
    found = float(np.exp(read_off(np.log(rate["C"]), np.log(times), np.log(C))))
    return found / rate["best_time"] if np.isfinite(found) else None
