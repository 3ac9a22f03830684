"""The tables of the page, from the summary."""

from collections.abc import Mapping
from typing import Any

from flatfast.lab.estimation.conventions import convention_of
from flatfast.lab.estimation.ranges import BEYOND, SAFE
from flatfast.lab.report.markup import Markup, element, formula, join, table, text, with_note
from flatfast.lab.report.narrative import ORACLE, interval_text, momentum_interval, ratio_text
from flatfast.lab.report.typography import (
    count,
    fixed,
    method_name,
    momentum,
    number,
    percent,
    rate,
    steps,
    times,
)

NOTHING = text("–")

ROUNDED = 0.01
"""By how much three digits of a learning rate may move it, as a share of it."""

END_NOTE = {
    "": "",
    "least": "the least compared",
    "greatest": "the greatest compared",
    "short": "others cut short",
}
"""Beside a best learning rate: why a better one may not have been seen."""


def best_momentum_table(summary: Mapping[str, Any]) -> Markup:
    """Best momentum, its memory and its time at each learning rate, and what the law says."""
    constant = summary["best_C"]
    convention = convention_of(summary)
    rows = []
    for entry, mu, time in zip(
        summary["best_momentum"], summary["best_mu"], summary["best_time"], strict=True
    ):
        lr = text(rate(entry["eta"]))
        if not entry["located"]:
            why = element("small", text(entry["reason"]), class_="why")
            found = join([text("not located"), why], "")
            rows.append([lr, found, NOTHING, NOTHING, NOTHING])
            continue
        law = NOTHING
        if constant is not None:
            factor = constant["estimate"] ** convention.power
            law = text(momentum(max(1 - factor * entry["eta"] ** convention.law, 0.0)))
        rows.append(
            [
                lr,
                with_note(momentum(entry["estimate"]), momentum_interval(entry)),
                with_note(number(mu["estimate"]), f"{number(mu['low'])} to {number(mu['high'])}"),
                with_note(
                    steps(time["estimate"]), f"{steps(time['low'])} to {steps(time['high'])}"
                ),
                law,
            ]
        )
    says = f"{convention.law_name} law" if convention.plain else f"slope {convention.law_name}"
    best = f"best {convention.momentum}"
    header = ["learning rate", best, convention.mu, "steps to the goal", f"{says} says"]
    return table(header, rows)


def times_table(summary: Mapping[str, Any]) -> Markup:
    """Median time of every method at common learning rates, with the law's speed-up over it."""
    comparison = summary["comparison"]
    fastest = _fastest(comparison)
    rows = []
    for method in comparison["methods"]:
        ratios = {s["eta"]: s for s in summary["speedup_at_eta"].get(method["name"], [])}
        known = {entry["eta"]: entry for entry in method["at_eta"]}
        cells = [formula(method_name(method["name"]))]
        for eta in comparison["etas"]:
            ratio = ratios.get(eta)
            told = ratio is not None and ratio["relation"] != "unknown"
            if eta not in known:
                limit = method["stability_limit"]
                over = limit is not None and eta > SAFE * limit
                cells.append(text("above its limit") if over else NOTHING)
                continue
            cells.append(
                _time_cell(
                    known[eta],
                    ratio_text(ratio) if ratio is not None and told else "",
                    emphasised=fastest.get(eta) == method["name"],
                )
            )
        rows.append(cells)
    header = ["steps to the goal at learning rate", *(rate(eta) for eta in comparison["etas"])]
    return table(header, rows, kind="methods", emphasised=_reference_row(comparison))


def best_times_table(summary: Mapping[str, Any]) -> Markup:
    """Time of every method at its own best learning rate, and the law's speed-up over it."""
    comparison = summary["comparison"]
    rows = []
    for method in comparison["methods"]:
        best = method["best"]
        ratio = summary["speedup_best_eta"].get(method["name"])
        name, remarks = formula(method_name(method["name"])), _remarks(method)
        if best is None or best["outcome"] == "no runs":
            rows.append([name, NOTHING, NOTHING, NOTHING, text("no runs"), NOTHING, remarks])
            continue
        arrived = best["outcome"] == "measured"
        limit = method["stability_limit"]
        rows.append(
            [
                name,
                with_note(rate(best["eta"]), END_NOTE[best["end"]]) if arrived else NOTHING,
                NOTHING if limit is None else text(rate(limit, 3)),
                text(momentum(best["momentum"])) if arrived else NOTHING,
                _time_cell(best, _interval_note(best)),
                NOTHING if ratio is None else with_note(ratio_text(ratio), _ratio_note(ratio)),
                remarks,
            ]
        )
    header = [
        "method",
        "its best learning rate",
        "its stability limit",
        "momentum",
        "steps to the goal",
        "over the law's steps",
        "",
    ]
    return table(header, rows, kind="methods noted", emphasised=_reference_row(comparison))


def beyond_table(summary: Mapping[str, Any]) -> Markup | None:
    """Times above each method's stability limit, and how many runs diverged; None without runs."""
    comparison = summary["comparison"]
    methods = [method for method in comparison["methods"] if method["beyond"]]
    if not methods:
        return None
    shares = sorted({_share(method, entry) for method in methods for entry in method["beyond"]})
    rows = []
    for method in methods:
        known = {_share(method, entry): entry for entry in method["beyond"]}
        cells = [formula(method_name(method["name"]))]
        for share in shares:
            entry = known.get(share)
            cells.append(
                NOTHING
                if entry is None
                else _time_cell(
                    entry,
                    f"lr {rate(entry['eta'])}; {entry['diverged']} of {entry['runs']} diverged",
                )
            )
        rows.append(cells)
    header = ["steps to the goal at", *(f"{share:g} × its limit" for share in shares)]
    own = [method["name"] for method in methods]
    reference = comparison["reference"]
    return table(
        header,
        rows,
        kind="methods",
        emphasised=own.index(reference) if reference in own else -1,
    )


def _share(method: Mapping[str, Any], entry: Mapping[str, Any]) -> float:
    # Learning rates are rounded, and the shares that were asked for are not.
    share = float(entry["eta"] / method["stability_limit"])
    nearest = min(BEYOND, key=lambda asked: abs(asked - share))
    return nearest if abs(nearest / share - 1) < ROUNDED else round(share, 2)


def sensitivity_table(summary: Mapping[str, Any]) -> Markup:
    """The exponent by other ways to find the optimum."""
    rows = [
        [
            formula(method_name(item["name"])),
            text(fixed(item["estimate"])),
            text(interval_text(item) if item["estimate"] is not None else ""),
            text(item["note"]),
        ]
        for item in summary["sensitivity"]
    ]
    level = percent(summary["exponent"]["level"])
    return table(["fit of the curves", "exponent", f"{level} interval", ""], rows, kind="text")


def jackknife_table(summary: Mapping[str, Any]) -> Markup:
    """The exponent with each learning rate left out."""
    rows = [
        [text(rate(item["eta_left_out"])), text(fixed(item["exponent"]))]
        for item in summary["jackknife"]["exponents"]
        if item["exponent"] is not None
    ]
    return table(["learning rate left out", "exponent"], rows)


def counts_table(summary: Mapping[str, Any]) -> Markup:
    """Runs by method and status."""
    counts = summary["counts"]["by_method"]
    names = sorted(counts, key=lambda name: (name != "grid", name))
    rows = [
        [
            text("sweep" if name == "grid" else method_name(name)),
            *(
                text(count(counts[name][status]))
                for status in ("converged", "not_converged", "diverged")
            ),
        ]
        for name in names
    ]
    return table(["runs", "converged", "not converged", "diverged"], rows)


def _remarks(method: Mapping[str, Any]) -> Markup:
    """Where a rule comes from, and what to know of its best time."""
    note = "" if method["best"] is None else method["best"]["note"]
    return formula(method_name("; ".join(part for part in (method["source"], note) if part)))


def _time_cell(entry: Mapping[str, Any], note: str, *, emphasised: bool = False) -> Markup:
    outcome = entry["outcome"]
    if outcome == "no runs":
        return NOTHING
    if outcome == "diverged":
        return with_note("diverged", note)
    if outcome == "beyond limit":
        return with_note(f"> {steps(entry['limit'])}", note)
    value = text(steps(entry["time"]["estimate"]))
    shown = element("b", value) if emphasised else value
    return join([shown, element("small", text(note))], "") if note else shown


def _interval_note(entry: Mapping[str, Any]) -> str:
    if entry["outcome"] != "measured":
        return ""
    high = entry["time"]["high"]
    return f"{steps(entry['time']['low'])} to " + (
        "beyond the runs" if high is None else steps(high)
    )


def _ratio_note(ratio: Mapping[str, Any]) -> str:
    if ratio["relation"] not in ("=", "~"):
        return ""
    high = "more" if ratio["high"] is None else times(ratio["high"])
    return f"{times(ratio['low'])} to {high}"


def _reference_row(comparison: Mapping[str, Any]) -> int:
    return [m["name"] for m in comparison["methods"]].index(comparison["reference"])


def _fastest(comparison: Mapping[str, Any]) -> dict[float, str]:
    """Learning rate to the rule with the least median time; oracles are no rules."""
    fastest: dict[float, tuple[float, str]] = {}
    for method in comparison["methods"]:
        if method["source"].startswith(ORACLE):
            continue
        for entry in method["at_eta"]:
            if entry["outcome"] == "measured":
                here = (entry["time"]["estimate"], method["name"])
                fastest[entry["eta"]] = min(fastest.get(entry["eta"], here), here)
    return {eta: name for eta, (_, name) in fastest.items()}
