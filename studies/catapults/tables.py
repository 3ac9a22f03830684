"""Tables of throws, from ``results/catapults``."""

from typing import Any

from studies import markdown
from studies.catapults.analysis import (
    ERROR,
    at_most,
    better,
    fastest,
    label,
    no_worse,
    place_metric,
)
from studies.catapults.cases import TITLES

Row = dict[str, Any]

SAFE = 1.0
"""The safeguard's bound that was chosen on the development half: the loss of outputs of zero."""


def fast(found: Row) -> str:
    """The fastest cell below and above the limit."""
    heads = (
        "problem",
        "below the limit",
        "steps",
        "above it",
        "steps",
        "lost",
        "steps above / below",
    )
    rows = []
    for name, case in _with(found, "noisy"):
        cells = case["noisy"]["cells"]
        below, above = fastest(cells, False), fastest(cells, True)
        rows.append(
            [
                name,
                _cell(below),
                _steps(below),
                _cell(above),
                _steps(above),
                f"{above['lost']} of {above['runs']}" if above else "",
                f"{above['steps'] / below['steps']:.2f}" if above and below else "",
            ]
        )
    return markdown.table(heads, rows, "Learning rates over the limit, at momentum; medians")


def lost(found: Row) -> str:
    """Share of runs lost over the limit, by momentum, of all problems."""
    heads = ("problem", "momentum", *(f"{share:g} of the limit" for share in _shares(found)))
    rows = []
    for name, case in _with(found, "noisy"):
        cells = case["noisy"]["cells"]
        for momentum in dict.fromkeys(map(label, cells)):
            own = {c["share"]: c for c in cells if label(c) == momentum}
            rows.append(
                [
                    name,
                    momentum,
                    *(
                        f"{own[s]['lost']} of {own[s]['runs']}" if s in own else ""
                        for s in _shares(found)
                    ),
                ]
            )
    return markdown.table(heads, rows)


def places(found: Row) -> str:
    """Test error where runs with noise end that are not lost."""
    heads = ("problem", "momentum", *(f"{share:g} of the limit" for share in _shares(found)))
    rows = []
    for name, case in _with(found, "noisy"):
        cells = case["noisy"]["cells"]
        if ERROR not in cells[0]["place"]:
            continue
        for momentum in dict.fromkeys(map(label, cells)):
            own = {c["share"]: c["place"][ERROR] for c in cells if label(c) == momentum}
            told = (own.get(share) for share in _shares(found))
            rows.append([name, momentum, *(f"{p['median']:.3g}" if p else "" for p in told)])
    note = "Test error on the manifold at the end, medians of the runs that are left"
    return markdown.table(heads, rows, note)


def quiet(found: Row) -> str:
    """Throws without label noise: how much better the place is than the start, or lost."""
    heads = ("problem", "momentum", *(f"{share:g} of the limit" for share in _shares(found)))
    rows = []
    for name, case in _with(found, "quiet"):
        cells = case["quiet"]["cells"]
        for momentum in dict.fromkeys(map(label, cells)):
            own = {c["share"]: c for c in cells if label(c) == momentum}
            stays = own[min(own)]
            rows.append([name, momentum, *(_fallen(own.get(s), stays) for s in _shares(found))])
    note = "Trace on the manifold at the end, over the start's. Nothing is random: one run each"
    return markdown.table(heads, rows, note)


def guards(found: Row) -> str:
    """Throws on purpose, with a safeguard and without, beside the drift at equal steps."""
    heads = (
        "problem",
        "throw at",
        "safeguard",
        "lost",
        "put back",
        "steps to the goal",
        "the drift's",
        "place",
        "the drift's",
        "after twice the steps",
        "the drift's",
    )
    rows = []
    for name, case in _with(found, "guards"):
        told = case["guards"]
        metric = place_metric(told)
        for row in told["throws"]:
            rows.append(
                [
                    f"{name}{'' if case['development'] else ' (held out)'}",
                    f"{row['share']:g}",
                    "none" if row["bound"] is None else f"loss above {row['bound']:g}",
                    f"{row['lost']} of {row['runs']}",
                    f"{row['saved']}",
                    _steps(row),
                    _steps(told["drift"]),
                    _mean(row["place"][metric]),
                    _mean(told["drift"]["place"][metric]),
                    _mean(row["end"][metric]),
                    _mean(told["drift"]["end"][metric]),
                ]
            )
    note = (
        "Learning rate over the limit at momentum 0.9, then the calibrated pair; the drift is the "
        "calibrated pair from the start, to the same step. Place: mean test error on the manifold "
        "with its standard error, on the scalar product the trace; of the runs that are left. "
        "A time is told where readings are close enough. "
        "Losses in units of that of outputs of zero"
    )
    return markdown.table(heads, rows, note)


def verdict(found: Row) -> str:
    """Whether a deliberate throw is to be recommended, by what was written down before."""
    held = [
        (name, case["guards"], row)
        for name, case in _with(found, "guards")
        if not case["development"]
        for row in case["guards"]["throws"]
        if row["bound"] == SAFE
    ]
    if not held:
        return markdown.NOT_YET
    fine = [no_worse(told, row) for _, told, row in held]
    gone, runs = sum(row["lost"] for *_, row in held), sum(row["runs"] for *_, row in held)
    faster = sum(
        bool(row["steps"] and told["drift"]["steps"] and row["steps"] < told["drift"]["steps"])
        for _, told, row in held
    )
    put_back = sum(row["saved"] for *_, row in held)
    met = gone == 0 and all(fine)
    return (
        f"With the safeguard {gone} of {runs:,} runs are lost on problems held out (at most "
        f"{at_most(gone, runs):.1%} with 95%), and {sum(fine)} of {len(fine)} kinds of throw land "
        f"no worse than the drift does at the same step: what was written down as needed is "
        f"{'met' if met else 'not met'}. Besides, {put_back} of the {runs:,} runs were put back, "
        f"and {faster} of {len(held)} kinds were seen to reach the goal sooner than the drift: "
        f"{'recommended' if met and faster > len(held) / 2 else 'not recommended'}."
    )


def _with(found: Row, kind: str) -> list[tuple[str, Row]]:
    cases = found["cases"].items()
    return [(TITLES.get(name, name), case) for name, case in cases if kind in case]


def _shares(found: Row) -> list[float]:
    cells = [c for _, case in _with(found, "noisy") for c in case["noisy"]["cells"]]
    return sorted({cell["share"] for cell in cells})


def _cell(cell: Row | None) -> str:
    return f"{cell['share']:g} at {label(cell)}" if cell else "none arrives"


def _steps(cell: Row | None) -> str:
    return f"{cell['steps']:.0f}" if cell and cell["steps"] else "-"


def _fallen(cell: Row | None, stays: Row) -> str:
    """The trace over that of a run which stays where it starts."""
    if cell is None:
        return ""
    if cell["lost"]:
        return "lost"
    name = "cooled:trace" if "cooled:trace" in cell["place"] else next(iter(cell["place"]))
    return f"{cell['place'][name]['median'] / stays['place'][name]['median']:.2f}"


def _mean(place: Row | None) -> str:
    if place is None:
        return "-"
    error = "" if place["error"] is None else f" ± {place['error']:.1g}"
    return f"{place['mean']:.3g}{error}"


__all__ = ["better", "fast", "guards", "lost", "places", "quiet", "verdict"]
