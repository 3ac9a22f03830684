"""Tables of cases whose data are drawn anew: is what is said of a problem said of its data?"""

from typing import Any

import numpy as np

from studies import markdown
from studies.calibration.naming import Row, name
from studies.calibration.rows import rate_at, ratios, redrawn_of


def redrawn(found: Row) -> str:
    """A row a case: C and steps with each seed of its data, the usual one first."""
    rows = [
        [
            name(cases[0]),
            _joined(f"{case['C'][0]:.3g}" for case in cases),
            _joined(_swept(case) for case in cases),
            _joined(_over(case) for case in cases),
        ]
        for cases in redrawn_of(found)
    ]
    heads = ("problem", "C calibrated", "C swept", "steps over the best")
    note = "The usual data first; medians of three calibrations"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def redrawn_summary(found: Row) -> str:
    """How far the steps of a case go apart by its data, beside how far cases are apart."""
    groups = redrawn_of(found)
    steps = [ratios(cases, (1.0,)) for cases in groups]
    whole = [each for each in steps if len(each) > 1]
    if not whole:
        return markdown.NOT_YET
    within = [max(each) / min(each) for each in whole]
    every = [ratio for each in steps for ratio in each]
    lost = sum(len(cases) for cases in groups) - len(every)
    return (
        f"Over {len(groups)} problems with data of three seeds each, the steps are "
        f"{np.median(every):.2f} times those of the swept best in the median of {len(every)} cases "
        f"and {max(every):.2f} in the worst"
        + (f"; {lost} more do not settle or have no best that is located" if lost else "")
        + f". By its data alone a problem's ratio changes by a factor of {np.median(within):.2f} "
        f"in the median and {max(within):.2f} at most."
    )


def _swept(case: Row) -> str:
    rate = rate_at(case, 1.0)
    return "not located" if not rate or rate["best_C"] is None else f"{rate['best_C']:.3g}"


def _over(case: Row) -> str:
    rate = rate_at(case, 1.0)
    ratio = rate and rate["over_best"]["estimate"]
    return f"{ratio:.2f}" if ratio else "does not settle"


def _joined(words: Any) -> str:
    return ", ".join(words)
