"""Tables of ``results/statistics/statistics.json``."""

from studies.quotes.values import load


def coverage() -> str:
    """How often intervals cover the truth in synthetic sweeps."""
    found = load("results/statistics/statistics.json")
    if found is None:
        return "not measured yet"
    rules = ("in use", "percentile", "BCa", "normal, bootstrap error")
    lines = [
        f"| {found['sets']} synthetic sweeps each | curve | {' | '.join(rules)} |",
        "| --- | --- |" + " --- |" * len(rules),
    ]
    for row in found["intervals"]:
        shares = (f"{100 * row['coverage'][rule]:.0f}%" for rule in rules)
        lines.append(f"| {row['design']} | {row['shape']} | {' | '.join(shares)} |")
    return "\n".join(lines)
