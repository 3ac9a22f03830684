"""Tables of ``studies/training``: does the law help to train?"""

import json
from typing import Any

from studies.quotes.values import ROOT, load

Value = dict[str, Any] | None


def tuned() -> str:
    """The pair that is tuned, and the accuracy to reach."""
    lines = [
        "| | runs of each method | learning rate tuned at momentum 0.9 | C of that pair "
        "| accuracy at the start | to be reached |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in _kinds():
        cells = [
            _name(kind),
            str(kind["seeds"]),
            f"{kind['tuned_lr']:g}",
            f"{kind['C']:.2f}",
            f"{100 * kind['start_accuracy']:.1f}%",
            f"{100 * kind['accuracy_to_reach']:.1f}%",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


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


def breadth() -> str:
    """How many learning rates serve, of those tried."""
    lines = _breadth_head(f"| {_SERVE} | schedule")
    for kind in _kinds():
        for schedule in dict.fromkeys(method["schedule"] for method in kind["methods"]):
            cells = [_serving(kind, name, schedule) for name in METHODS]
            lines.append(f"| {_name(kind)} | {schedule} | {' | '.join(cells)} |")
    return "\n".join(lines)


def breadth_brief() -> str:
    """The same for a constant learning rate; cycled momentum with the cycle that it belongs to."""
    lines = _breadth_head(f"| {_SERVE}")
    for kind in _kinds():
        cells = [
            _serving(kind, name, "one cycle" if name == "cycled momentum" else "constant")
            for name in METHODS
        ]
        lines.append(f"| {_name(kind)} | {' | '.join(cells)} |")
    return "\n".join(lines)


_SERVE = f"learning rates that end within {100 * WITHIN:.0f} point of the reference"


def _breadth_head(first: str) -> list[str]:
    columns = first.count("|") + len(METHODS)
    heads = [HEADS.get(name, name) for name in METHODS]
    return [f"{first} | {' | '.join(heads)} |", "|" + " --- |" * columns]


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


def at_lr() -> str:
    """Steps at each learning rate, constant over the run."""
    lines: list[str] = []
    for kind in _kinds():
        found = [m for m in kind["methods"] if m["schedule"] == "constant"]
        rates = [f"lr {entry['lr']:g}" for entry in found[0]["at"]]
        lines += [f"| {_name(kind)} | {' | '.join(rates)} |", "| --- |" + " --- |" * len(rates)]
        for method in found:
            cells = [_steps(entry["steps"]) for entry in method["at"]]
            lines.append(f"| {method['method']} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines).strip()


def rules() -> str:
    """The law against other exponents through the same pair, when the learning rate is changed."""
    lines = [
        "| constant learning rate | rule | learning rates | the law's final accuracy minus its, "
        "mean over them, in points | its steps over the law's, at each | faster |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in _kinds():
        for other in kind["law_against"]:
            if other["method"] not in RULES or other["schedule"] != "constant":
                continue
            apart = [entry for entry in other["at"] if entry["lr"] != kind["tuned_lr"]]
            ratios = [f"{_ratio(entry['steps_ratio'])} at {entry['lr']:g}" for entry in apart]
            cells = [
                _name(kind),
                HEADS.get(other["method"], other["method"]),
                str(len(other["at"])),
                _points(other["mean_final_gain"]),
                "; ".join(ratios),
                _who(apart),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


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


def best() -> str:
    """Each method at its own best learning rate."""
    lines = [
        "| | schedule | method | fewest steps | at lr | highest final accuracy | at lr |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind in _kinds():
        for method in kind["methods"]:
            found = method["best"]
            cells = [
                _name(kind),
                method["schedule"],
                method["method"],
                _steps(found["steps"]),
                f"{found['lr_for_steps']:g}",
                _percent(found["final"]),
                f"{found['lr_for_final']:g}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def against() -> str:
    """The law against the others, each at its own best learning rate."""
    lines = [
        "| | schedule | against | its steps over the law's | the law's final accuracy minus its, "
        "in points |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind in _kinds():
        for other in kind["law_against"]:
            cells = [
                _name(kind),
                other["schedule"],
                other["method"],
                _ratio(other["best"]["steps_ratio"]),
                _points(other["best"]["final_gain"]),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def changed() -> str:
    """Final accuracy of a tuned script whose learning rate or batch size was changed."""
    path = ROOT / "results/training/changed.json"
    if not path.exists():
        return "not measured yet"
    lines = [
        "| digits, final test accuracy | lr | batch | leaving momentum 0.9 | law |",
        "| --- | --- | --- | --- | --- |",
    ]
    for entry in json.loads(path.read_text()):
        methods = entry["methods"]
        first = methods["momentum 0.9"]
        cells = [
            entry["kind"],
            f"{first['lr']:g}{_factor(entry['change']['lr'])}",
            f"{first['batch_size']}{_factor(entry['change']['batch'])}",
            *(_percent(methods[name]) for name in ("momentum 0.9", "law")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def changed_brief() -> str:
    """The learning rate times four, and the batch over four, in a sentence."""
    path = ROOT / "results/training/changed.json"
    if not path.exists():
        return "not measured yet"
    found = {}
    for entry in json.loads(path.read_text()):
        methods = entry["methods"]
        found[entry["change"]["lr"], entry["change"]["batch"]] = [
            _rounded_percent(methods[name]) for name in ("momentum 0.9", "law")
        ]
    faster, smaller = found[4, 1], found[1, 0.25]
    return (
        f"A script tuned at momentum 0.9, its learning rate then raised by four: {faster[0]} right "
        f"with momentum left at 0.9, {faster[1]} with the law; its batch cut by four instead: "
        f"{smaller[0]} and {smaller[1]}. These are means over seeds, with 95% intervals."
    )


def _factor(factor: float) -> str:
    if factor == 1:
        return ""
    return f" (× {factor:g})" if factor > 1 else f" (÷ {1 / factor:g})"


def _kinds() -> list[dict[str, Any]]:
    """What was found for each kind of run of each task."""
    paths = [ROOT / f"results/training/{task}.json" for task in ("digits", "fashion")]
    results = [load(str(path.relative_to(ROOT))) for path in paths]
    return [kind for result in results if result for kind in result["kinds"] if kind]


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
