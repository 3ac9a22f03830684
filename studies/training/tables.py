"""Tables of ``results/training``: does the law help to train?"""

from typing import Any

from studies.markdown import NOT_YET, table
from studies.study import Result

Value = dict[str, Any] | None


def tuned(found: Result) -> str:
    """The pair that is tuned, and the accuracy to reach."""
    heads = (
        "",
        "runs of each method",
        "learning rate tuned at momentum 0.9",
        "C of that pair",
        "accuracy at the start",
        "to be reached",
    )
    rows = [
        [
            _name(kind),
            str(kind["seeds"]),
            f"{kind['tuned_lr']:g}",
            f"{kind['C']:.2f}",
            f"{100 * kind['start_accuracy']:.1f}%",
            f"{100 * kind['accuracy_to_reach']:.1f}%",
        ]
        for kind in found["kinds"]
    ]
    return table(heads, rows)


WITHIN = 0.01
"""Loss of final accuracy that still counts as a learning rate that serves."""

METHODS = (
    "momentum 0.9",
    "momentum 0.99",
    "cycled momentum",
    "exponent 1/2",
    "law",
    "constant effective step",
)
HEADS = {"law": "law (2/3)", "constant effective step": "constant effective step (1)"}

RULES = ("exponent 1/2", "constant effective step")
"""Other exponents through the same tuned pair."""


def breadth(found: Result) -> str:
    """How many learning rates serve, of those tried."""
    rows = [
        [_name(kind), schedule, *(_serving(kind, name, schedule) for name in METHODS)]
        for kind in found["kinds"]
        for schedule in dict.fromkeys(method["schedule"] for method in kind["methods"])
    ]
    return table((_SERVE, "schedule", *_METHOD_HEADS), rows)


def breadth_brief(found: Result) -> str:
    """The same for a constant learning rate; cycled momentum with the cycle that it belongs to."""
    schedules = {"cycled momentum": "one cycle"}
    rows = [
        [_name(kind), *(_serving(kind, m, schedules.get(m, "constant")) for m in METHODS)]
        for kind in found["kinds"]
    ]
    return table((_SERVE, *_METHOD_HEADS), rows)


_SERVE = f"learning rates that end within {100 * WITHIN:.0f} point of the reference"
_METHOD_HEADS = tuple(HEADS.get(name, name) for name in METHODS)


def _serving(kind: dict[str, Any], name: str, schedule: str) -> str:
    for method in kind["methods"]:
        if (method["method"], method["schedule"]) == (name, schedule):
            return _served(method["at"])
    return "not trained" if name in RULES and schedule == "constant" else "–"


def _served(at: list[dict[str, Any]]) -> str:
    serve = [entry["lr"] for entry in at if entry["gain"]["estimate"] >= -WITHIN]
    if not serve:
        return f"0 of {len(at)}"
    ends = f"{serve[0]:g} to {serve[-1]:g}" if len(serve) > 1 else f"{serve[0]:g}"
    return f"{len(serve)} of {len(at)} ({ends})"


def at_lr(found: Result) -> str:
    """Steps at each learning rate, constant over the run."""
    tables = []
    for kind in found["kinds"]:
        methods = [m for m in kind["methods"] if m["schedule"] == "constant"]
        rates = [f"lr {entry['lr']:g}" for entry in methods[0]["at"]]
        rows = [[m["method"], *(_steps(entry["steps"]) for entry in m["at"])] for m in methods]
        tables.append(table((_name(kind), *rates), rows))
    return "\n\n".join(tables)


def rules(found: Result) -> str:
    """The law against other exponents through the same pair, when the learning rate is changed."""
    heads = (
        "constant learning rate",
        "rule",
        "learning rates",
        "the law's final accuracy minus its, mean over them, in points",
        "its steps over the law's, at each",
        "faster",
    )
    rows = []
    for kind, other in _law_against(found):
        if other["method"] not in RULES or other["schedule"] != "constant":
            continue
        apart = [entry for entry in other["at"] if entry["lr"] != kind["tuned_lr"]]
        ratios = [f"{_ratio(entry['steps_ratio'])} at {entry['lr']:g}" for entry in apart]
        rows.append(
            [
                _name(kind),
                HEADS.get(other["method"], other["method"]),
                str(len(other["at"])),
                _points(other["mean_final_gain"]),
                "; ".join(ratios),
                _who(apart),
            ]
        )
    return table(heads, rows)


def _who(entries: list[dict[str, Any]]) -> str:
    """At how many learning rates an interval says which is faster."""
    law = its = 0
    for entry in entries:
        ratio = entry["steps_ratio"]
        if ratio is None:
            continue
        law += ratio["low"] is None or ratio["low"] > 1
        its += ratio["high"] is not None and ratio["high"] < 1
    return f"the law at {law}, it at {its}, of {len(entries)}"


def best(found: Result) -> str:
    """Each method at its own best learning rate."""
    heads = ("", "schedule", "method", "fewest steps", "at lr", "highest final accuracy", "at lr")
    rows = [
        [
            _name(kind),
            method["schedule"],
            method["method"],
            _steps(own["steps"]),
            f"{own['lr_for_steps']:g}",
            _percent(own["final"]),
            f"{own['lr_for_final']:g}",
        ]
        for kind in found["kinds"]
        for method in kind["methods"]
        for own in (method["best"],)
    ]
    return table(heads, rows)


def against(found: Result) -> str:
    """The law against the others, each at its own best learning rate."""
    return _against(found, None)


def against_nine(found: Result) -> str:
    """The law against momentum 0.9 alone."""
    return _against(found, "momentum 0.9")


def against_cycle(found: Result) -> str:
    """The law against PyTorch's one cycle alone, both in one cycle of the learning rate."""
    return _against(found, "cycled momentum")


def _against(found: Result, only: str | None) -> str:
    heads = (
        "",
        "schedule",
        "against",
        "its steps over the law's",
        "the law's final accuracy minus its, in points",
    )
    rows = [
        [
            _name(kind),
            other["schedule"],
            other["method"],
            _ratio(other["best"]["steps_ratio"]),
            _points(other["best"]["final_gain"]),
        ]
        for kind, other in _law_against(found)
        if only in (None, other["method"])
    ]
    return table(heads, rows)


def changed(found: Result) -> str:
    """Final accuracy of a tuned script whose learning rate or batch size was changed."""
    if not found["changed"]:
        return NOT_YET
    rows = []
    for entry in found["changed"]:
        methods = entry["methods"]
        first = methods["momentum 0.9"]
        rows.append(
            [
                entry["kind"],
                f"{first['lr']:g}{_factor(entry['change']['lr'])}",
                f"{first['batch_size']}{_factor(entry['change']['batch'])}",
                *(_percent(methods[name]) for name in ("momentum 0.9", "law")),
            ]
        )
    heads = ("digits, final test accuracy", "lr", "batch", "leaving momentum 0.9", "law")
    return table(heads, rows)


def changed_brief(found: Result) -> str:
    """The learning rate times four, and the batch over four, in a sentence."""
    told = {
        (entry["change"]["lr"], entry["change"]["batch"]): [
            _rounded_percent(entry["methods"][name]) for name in ("momentum 0.9", "law")
        ]
        for entry in found["changed"]
    }
    if not told:
        return NOT_YET
    faster, smaller = told[4, 1], told[1, 0.25]
    return (
        f"A script tuned at momentum 0.9, its learning rate then raised by four: {faster[0]} right "
        f"with momentum left at 0.9, {faster[1]} with the law; its batch cut by four instead: "
        f"{smaller[0]} and {smaller[1]}. These are means over seeds, with 95% intervals."
    )


def _factor(factor: float) -> str:
    if factor == 1:
        return ""
    return f" (× {factor:g})" if factor > 1 else f" (÷ {1 / factor:g})"


def _law_against(found: Result) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every kind with every method that the law is compared with."""
    return [(kind, other) for kind in found["kinds"] for other in kind["law_against"]]


def _name(kind: dict[str, Any]) -> str:
    return f"{kind['task']}: {kind['kind']}"


def _steps(value: Value) -> str:
    if value is None:
        return "unknown"
    ends = ["never" if value[end] is None else f"{value[end]:.0f}" for end in _ENDS]
    return ends[0] if len(set(ends)) == 1 else f"{ends[0]} ({ends[1]} to {ends[2]})"


def _percent(value: Value) -> str:
    assert value is not None
    centre, low, high = (f"{100 * value[end]:.1f}" for end in _ENDS)
    return f"{centre}% ({low} to {high})"


def _rounded_percent(value: Value) -> str:
    assert value is not None
    return f"{100 * value['estimate']:.0f}% ({100 * value['low']:.1f} to {100 * value['high']:.1f})"


def _points(value: Value) -> str:
    assert value is not None
    centre, low, high = (f"{100 * value[end]:+.1f}" for end in _ENDS)
    return f"{centre} ({low} to {high})"


def _ratio(value: Value) -> str:
    if value is None:
        return "not determined"
    ends = ["∞" if value[end] is None else f"{value[end]:.2f}" for end in _ENDS]
    return f"{ends[0]} ({ends[1]} to {ends[2]})"


_ENDS = ("estimate", "low", "high")
