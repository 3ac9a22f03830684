"""Tables of normalized momentum, from ``results/normalized``."""

from statistics import median

from studies import markdown
from studies.normalized.analysis import WITHIN, Row

SAYS = {
    "edge": "the edge goes as lr²",
    "collapse": "whole curves lie on one when both axes are rescaled with lr²",
    "plateau": "the plateau's time goes as lr⁻²",
    "flat": "all medians on the plateau lie within 10% of the middle one",
}
"""The four statements, as they were written down."""


def verdict(found: Row) -> str:
    """Which of the four statements held, by problem."""
    cases = found.get("cases", {})
    if not cases:
        return markdown.NOT_YET
    said = []
    for name, case in cases.items():
        failed = [_failed(case, key) for key in SAYS if not case["held"][key]]
        held = len(SAYS) - len(failed)
        missed = f", and not that {' and that '.join(failed)}" if failed else ""
        said.append(f"On {name} {held} of the {len(SAYS)} statements held{missed}.")
    return " ".join(said)


def law(found: Row) -> str:
    """What heavy ball's best C costs beside the plateau, at the same learning rate."""
    said = []
    for name, case in found.get("cases", {}).items():
        if case["law"] and case["law"]["over_plateau"]:
            over = sorted(case["law"]["over_plateau"])
            said.append(
                f"{median(over):.1f} times as long as on the plateau on {name} "
                f"(C = {case['law']['C']:.3g}; {over[0]:.1f} to {over[-1]:.1f} over the learning "
                "rates)"
            )
    if not said:
        return markdown.NOT_YET
    return f"With heavy ball's best C a run takes {' and '.join(said)}."


def _failed(case: Row, key: str) -> str:
    """A statement that did not hold; of the plateau, where it is how far from flat."""
    if key != "flat":
        return SAYS[key]
    apart = [
        f"{100 * off:.0f}% at {lr:g}"
        for lr, off in zip(case["lr"], case["flat_within"], strict=True)
        if off > WITHIN
    ]
    return f"{SAYS[key]} (it is {', '.join(apart)})"


def table(found: Row) -> str:
    """A row a problem: exponents of edge, curves and plateau, and how flat it is."""
    cases = found.get("cases", {})
    if not cases:
        return markdown.NOT_YET
    heads = (
        "problem",
        "learning rates",
        "exponent of the edge",
        "of the whole curves",
        "of the plateau's time",
        "flat within",
        "C at the edge",
        "exponent of the fastest",
    )
    rows = [
        [
            name,
            f"{min(case['lr']):g} to {max(case['lr']):g}",
            _between(case["edge_exponent"]),
            _between(case["collapse"]),
            _between(case["plateau_exponent"]),
            f"{100 * max(case['flat_within']):.0f}%",
            _between(case["edge_prefactor"]),
            "not located" if case["best"]["reason"] else _between(case["best"]["exponent"]),
        ]
        for name, case in cases.items()
    ]
    return markdown.table(heads, rows, "Intervals are 95%.")


def _between(interval: Row) -> str:
    if interval["low"] is None:
        return "not known"
    return f"{interval['estimate']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})"
