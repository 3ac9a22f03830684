"""Tables of ``results/statistics/statistics.json``."""

from studies.markdown import table
from studies.study import Result

RULES = ("in use", "percentile", "BCa", "normal, bootstrap error")


def coverage(found: Result) -> str:
    """How often intervals cover the truth in synthetic sweeps."""
    rows = [
        [
            row["design"],
            row["shape"],
            *(f"{100 * row['coverage'][rule]:.0f}%" for rule in RULES),
        ]
        for row in found["intervals"]
    ]
    return table((f"{found['sets']} synthetic sweeps each", "curve", *RULES), rows)
