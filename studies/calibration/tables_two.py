"""Tables of the best schedule of two values of C, beside the best constant."""

from typing import Any

import numpy as np

from studies import markdown
from studies.calibration.naming import Row, name
from studies.calibration.two_values import CHOOSING, JUDGING
from studies.missing import or_infinite

BOOT = 1000
"""Resamplings of the seeds."""

CONSTANT = {"first": 1.0, "second": 1.0, "at": 0.0}


def gains(row: Row) -> tuple[float, float, float]:
    """Median steps of the chosen schedule over the constant's, and the 95% interval.

    Runs of one seed have the same noise, so that seeds are drawn for both at once.
    """
    steps, constant = or_infinite(row["steps"]), or_infinite(row["constant"])
    drawn = np.random.default_rng(0).integers(len(steps), size=(BOOT, len(steps)))
    with np.errstate(invalid="ignore"):
        ratios = _middle(steps[drawn]) / _middle(constant[drawn])
        estimate = _middle(steps) / _middle(constant)
    low, high = np.nanquantile(ratios, (0.025, 0.975), method="nearest")
    return float(estimate), float(low), float(high)


def _tried(found: Row) -> int:
    """Schedules, without the constant."""
    return max(len(row["schedules"]) for row in found["two"].values()) - 1


def settles(row: Row) -> bool:
    """Whether the best constant of the sweep does, with the seeds that judge."""
    return sum(each is not None for each in row["constant"]) > len(row["constant"]) / 2


def _middle(steps: Any) -> Any:
    return np.quantile(steps, 0.5, axis=-1, method="higher")


def two_values(found: Row) -> str:
    """A row a case: the best schedule and what it gains."""
    if not found.get("two"):
        return markdown.NOT_YET
    rows = []
    for label, row in found["two"].items():
        estimate, low, high = gains(row)
        chosen = row["chosen"]
        told = (
            "none is better"
            if chosen == CONSTANT
            else f"{chosen['first']:g}, from {chosen['at']:g} on {chosen['second']:g}"
        )
        where = "" if row["located"] else " (at the grid's end)"
        rows.append(
            [
                name(found["sweeps"][label]),
                f"{row['C']:.3g}{where}",
                told,
                _ratio(row, estimate, low, high),
            ]
        )
    heads = ("problem", "best constant C", "best schedule of two", "its steps over the constant's")
    note = (
        "C in units of the best constant, the switch in units of its steps to the goal. Chosen of "
        f"{_tried(found)} schedules by {len(CHOOSING)} seeds, judged by {len(JUDGING)} others; "
        "95% over seeds, the same for both"
    )
    return markdown.table(heads, rows, note)


def _ratio(row: Row, *ends: float) -> str:
    if not settles(row):
        return "the constant does not settle with these seeds"
    if row["chosen"] == CONSTANT:
        return ""
    estimate, low, high = (f"{end:.2f}" if np.isfinite(end) else "unsettled" for end in ends)
    return f"{estimate} ({low} to {high})"


def two_values_summary(found: Row) -> str:
    """On how many cases a schedule of two gains anything, and how much."""
    if not found.get("two"):
        return markdown.NOT_YET
    rows = {label: row for label, row in found["two"].items() if settles(row)}
    lost = len(found["two"]) - len(rows)
    told = {
        label: (1.0, 1.0, 1.0) if row["chosen"] == CONSTANT else gains(row)
        for label, row in rows.items()
    }
    estimates = np.array([each[0] for each in told.values()])
    faster = sum(high < 1 for _, _, high in told.values())
    slower = sum(low > 1 for _, low, _ in told.values())
    least = min(told, key=lambda label: told[label][0])
    none = sum(row["chosen"] == CONSTANT for row in rows.values())
    return (
        f"The best of {_tried(found)} schedules of two values takes {np.median(estimates):.2f} "
        f"times the steps of the best constant in the median of {len(rows)} cases, judged by other "
        f"seeds than those it was chosen by; on {none} no schedule was better than the constant, "
        f"on {faster} the interval lies below 1, on {slower} above. The most is gained on "
        f"{name(found['sweeps'][least])}: {told[least][0]:.2f} ({told[least][1]:.2f} to "
        f"{told[least][2]:.2f})."
        + f" On {lost} more the best constant does not settle with the judging seeds."
        * (lost > 0)
    )
