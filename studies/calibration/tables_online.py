"""Tables of momentum that is measured while training goes on."""

import numpy as np

from studies import markdown
from studies.calibration.naming import Row, name
from studies.missing import or_infinite


def online(found: Row) -> str:
    """Steps to the goal by each method, medians over seeds."""
    heads = (
        "problem",
        "lr",
        "momentum 0.9",
        "calibrated once",
        "auto",
        "auto over 0.9",
        "C at the end",
        "calibrations' cost",
    )
    rows = []
    for case in found["online"].values():
        times = {kind: _median(told["steps"]) for kind, told in case["methods"].items()}
        steps = {
            kind: f"{time:,.0f}" if np.isfinite(time) else f"> {case['limit']:,}"
            for kind, time in times.items()
        }
        auto = case["methods"]["auto"]
        plain, ours = times["momentum 0.9"], times["auto"]
        ratio = "" if not np.isfinite(ours) else f"{ours / min(plain, case['limit']):.2f}"
        mark = "< " if np.isfinite(ours) and not np.isfinite(plain) else ""
        rows.append(
            [
                name(case),
                f"{case['lr']:g}",
                steps["momentum 0.9"],
                steps.get("calibrated once", "refused at the start"),
                steps["auto"],
                f"{mark}{ratio}",
                f"{np.median([used[-1] for used in auto['C']]):.3g}",
                f"{np.median(auto['spent']):.0f} of {case['limit']:,}",
            ]
        )
    return markdown.table(heads, rows)


ALIKE = 0.1
"""Difference in steps, as a share, that three seeds do not tell from none."""


def auto(found: Row) -> str:
    """``C="auto"`` against one calibration at the start, where there was one."""
    fewer, more, rest = [], [], 0
    for case in found["online"].values():
        if "calibrated once" not in case["methods"]:
            continue
        once, measured = (
            _median(case["methods"][kind]["steps"]) for kind in ("calibrated once", "auto")
        )
        text = f"{name(case)} ({measured:,.0f} steps against {once:,.0f})"
        if measured < once * (1 - ALIKE):
            fewer.append(text)
        elif measured > once * (1 + ALIKE):
            more.append(text)
        else:
            rest += 1
    share = f"{100 * ALIKE:.0f}%"
    return (
        'Against one calibration at the start, `C="auto"` takes more than '
        f"{share} fewer steps on {' and '.join(fewer) or 'none'}, more than {share} more on "
        f"{' and '.join(more) or 'none'}, and about as many in the other {rest} cases."
    )


def _median(steps: list[float | None]) -> float:
    return float(np.median(or_infinite(steps)))
