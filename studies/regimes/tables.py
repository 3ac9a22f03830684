"""Tables of the regime map, from ``results/regimes/regimes.json``."""

import math
from itertools import pairwise
from typing import Any

from studies.quotes.values import interval, load

FOUND = "results/regimes/regimes.json"
STUDENT = "results/teacher-student/summary.json"
BESIDE_A_CLIFF = ("init-noise-0", "init-noise-1", "batch-30-test", "slow-0.0004-noise-1")
NOT_YET = "not measured yet"
FAMILIES = {
    "manifold": "start on Γ",
    "init": "start at init",
    "init-strict": "start at init, stricter goal",
}


HEADER = (
    "| sweep | learning rates | best c, from the least lr to the greatest | exponent between "
    "neighbours | of all | inside | of best collapse | distance of the curves |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def exponents(*parts: str) -> str:
    """One row per case of some parts: best c, exponents, and which of 1/2 and 2/3 lie inside."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    return "\n".join([HEADER, *(_row(case) for case in found["cases"] if case["part"] in parts)])


def _row(case: dict[str, Any]) -> str:
    curves = case["collapse"]
    cells = (
        case["name"],
        _ends(case["lr"]),
        _listed(case["best_c"], ".3g"),
        _listed(case["local"], ".2f"),
        interval(case["exponent"]),
        _inside(case["exponent"]),
        interval(curves),
        "" if curves is None else f"{100 * curves['distance']:.1f}%",
    )
    return f"| {' | '.join(cells)} |"


def _ends(rates: list[float]) -> str:
    return f"{min(rates):.2g} to {max(rates):.2g}"


def _listed(values: list[dict[str, float] | None], form: str) -> str:
    return ", ".join("–" if one is None else format(one["estimate"], form) for one in values)


def _inside(exponent: dict[str, Any] | None) -> str:
    if exponent is None:
        return ""
    candidates = (("1/2", 1 / 2), ("2/3", 2 / 3))
    held = [name for name, value in candidates if exponent["low"] <= value <= exponent["high"]]
    return " and ".join(held) or "neither"


def deterministic() -> str:
    """The cases without noise."""
    return exponents("deterministic")


def noisy() -> str:
    """Label noise from the manifold."""
    return exponents("manifold")


def from_init() -> str:
    """Label noise from the initial point, with either goal."""
    return exponents("init", "init-strict")


def cells() -> str:
    """The best momenta read off the grid, where the fit lies beside a cliff."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    told = [
        f"- {case['name']}: "
        + ", ".join("–" if c is None else f"{c:.2g}" for c in case["fastest_cell_c"])
        for case in found["cases"]
        if case["name"] in BESIDE_A_CLIFF
    ]
    return "\n".join(told) if told else "none"


def from_scratch() -> str:
    """By how much c is larger from the initial point than from the manifold."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    best = {
        (case["part"], case["noise"], lr): c["estimate"]
        for case in found["cases"]
        for lr, c in zip(case["lr"], case["best_c"], strict=True)
        if c is not None and case["part"] in FAMILIES
    }
    told = []
    for part in ("init", "init-strict"):
        ratios = [
            c / best["manifold", noise, lr]
            for (own, noise, lr), c in best.items()
            if own == part and ("manifold", noise, lr) in best
        ]
        if ratios:
            told.append(f"{FAMILIES[part]} {min(ratios):.2g} to {max(ratios):.2g}")
    return f"c over the c from Γ, at the same noise and learning rate: {'; '.join(told)}."


def minibatch() -> str:
    """Minibatches without label noise."""
    return exponents("minibatch")


def student() -> str:
    """Teacher and student: the committed sweep from the manifold, then the others."""
    committed, table = load(STUDENT), exponents("student")
    if committed is None or table == NOT_YET:
        return table
    rates, best = committed["etas"], committed["best_mu"]
    curves = committed["collapse"]
    slopes = [
        math.log(after["estimate"] / before["estimate"]) / math.log(higher / lower)
        for (lower, before), (higher, after) in pairwise(zip(rates, best, strict=True))
    ]
    from_manifold = {
        "name": "[label noise, from Γ](../results/teacher-student)",
        "lr": rates,
        "best_c": [
            {"estimate": mu["estimate"] / math.sqrt(lr)} for lr, mu in zip(rates, best, strict=True)
        ],
        "local": [{"estimate": slope} for slope in slopes],
        "exponent": committed["exponent"],
        "collapse": {**curves["best_gamma"], "distance": curves["best_quality"]},
    }
    return table.replace(HEADER, f"{HEADER}\n{_row(from_manifold)}")


def overdamped() -> str:
    """With a slow mode."""
    return exponents("overdamped")


def pooled() -> str:
    """The exponent from all noise levels of a family together."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    lines = [
        "| all noise levels together | optima | exponent | optima's scatter about one power |",
        "| --- | --- | --- | --- |",
    ]
    for part, name in FAMILIES.items():
        law = found["pooled"].get(part, {}).get("law")
        if law is not None:
            lines.append(
                f"| {name} | {law['points']} | {interval(law['exponent'])} "
                f"| {100 * law['scatter']:.0f}% |"
            )
    return "\n".join(lines)


def collapse() -> str:
    """Pairs at equal ``noise^2 sqrt(lr)``: the ratios of their best c."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    sentences = []
    for part, name in FAMILIES.items():
        pairs = found["pooled"].get(part, {}).get("pairs", [])
        if pairs:
            ratios = ", ".join(interval(pair["ratio"]) for pair in pairs)
            hit = sum(pair["ratio"]["low"] <= 1 <= pair["ratio"]["high"] for pair in pairs)
            sentences.append(f"- {name}: {ratios} ({hit} of {len(pairs)} intervals contain 1)")
    return "\n".join(sentences) if sentences else "no pair was located"


def edges() -> str:
    """The fastest c with a slow mode and much noise, beside the least that settles without it."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    cases = {case["name"]: case for case in found["cases"]}
    with_mode, without = cases["slow-0.0004-noise-1"], cases["manifold-noise-1"]
    least = dict(zip(without["lr"], without["settling_mu_over_lr"], strict=True))
    lines = [
        "| lr | fastest c, with the slow mode | least c that settles, without it "
        "| best c without it |",
        "| --- | --- | --- | --- |",
    ]
    best = dict(zip(without["lr"], without["best_c"], strict=True))
    for lr, fastest in zip(with_mode["lr"], with_mode["fastest_cell_c"], strict=True):
        edge = least[lr][0] * math.sqrt(lr)
        lines.append(f"| {lr:.2g} | {fastest:.2g} | {edge:.2g} | {best[lr]['estimate']:.2g} |")
    return "\n".join(lines)


def windows() -> str:
    """Between which ``mu / lr`` batches of 12 meet their goal."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    lines = ["| sweep | learning rates | least and greatest mu / lr |", "| --- | --- | --- |"]
    for case in found["cases"]:
        if case["batch_size"] == 12:
            ends = case["settling_mu_over_lr"]
            told = ["–" if one is None else f"{one[0]:.2g} to {one[1]:.3g}" for one in ends]
            lines.append(f"| {case['name']} | {_ends(case['lr'])} | {', '.join(told)} |")
    return "\n".join(lines)


def on_manifold() -> str:
    """What moves on the manifold."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    told: dict[str, Any] = found["on_manifold"]
    lines = [
        f"| momentum | lr tr H / (2 B mu) at the start | test error, batches of "
        f"{told['batch_size']} | label noise 0.1, all examples |",
        "| --- | --- | --- | --- |",
    ]
    for row in told["rows"]:
        ends = (row["minibatch"], row["label_noise"])
        cells = ["diverges" if end is None else f"{end:.3f}" for end in ends]
        lines.append(f"| {row['momentum']:g} | {row['instability']:.2f} | {' | '.join(cells)} |")
    note = (
        f"(After {told['steps']:,} steps at learning rate {told['lr']:g}, in units of the start; "
        "medians of the runs that stay finite, of 8.)"
    )
    return "\n".join([*lines, "", note])
