"""Tables of normalized momentum, from ``results/normalized``."""

from studies import markdown
from studies.normalized.analysis import Row

SAYS = {
    "edge": "the edge goes as lr²",
    "collapse": "whole curves lie on one when both axes are rescaled with lr²",
    "plateau": "the plateau's time goes as lr⁻²",
    "flat": "no median on the plateau is more than 10% from the middle one",
}
"""The four statements, as they were written down."""


def verdict(found: Row) -> str:
    """Which of the four statements held, by problem."""
    cases = found.get("cases", {})
    if not cases:
        return markdown.NOT_YET
    said = []
    for name, case in cases.items():
        failed = [words for key, words in SAYS.items() if not case["held"][key]]
        held = len(SAYS) - len(failed)
        missed = f"; not that {' nor that '.join(failed)}" if failed else ""
        said.append(f"on {name} {held} of the {len(SAYS)} statements held{missed}")
    words = "; ".join(said)
    return f"{words[0].upper()}{words[1:]}."


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
