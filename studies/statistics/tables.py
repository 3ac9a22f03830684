"""Tables of ``results/statistics/statistics.json``."""

from studies.markdown import NOT_YET, table
from studies.quotes.values import load

RULES = ("in use", "percentile", "BCa", "normal, bootstrap error")


def coverage() -> str:
    """How often intervals cover the truth in synthetic sweeps."""
    found = load("results/statistics/statistics.json")
    if found is None:
        return NOT_YET
    rows = [
        [
            row["design"],
            row["shape"],
            *(f"{100 * row['coverage'][rule]:.0f}%" for rule in RULES),
        ]
        for row in found["intervals"]
    ]
    return table((f"{found['sets']} synthetic sweeps each", "curve", *RULES), rows)
