"""Tables of the regime map, from ``results/theory/regimes.json``."""

from typing import Any

from scripts.quotes.values import interval, load

FOUND = "results/theory/regimes.json"
NOT_YET = "not measured yet"
FAMILIES = {
    "manifold": "start on Γ",
    "init": "start at init",
    "init-strict": "start at init, stricter goal",
    "overdamped": "start on Γ, with the slow mode",
}


def exponents(*parts: str) -> str:
    """One row per case of some parts: fitted exponent, and whether 1/2 and 2/3 lie inside."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    lines = [
        "| sweep | learning rates | best c, from the least lr to the greatest | exponent of the "
        "best momenta | 1/2 | 2/3 | exponent of best collapse | distance of the curves |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in found["cases"]:
        if case["part"] in parts:
            ends = " to ".join(f"{lr:.2g}" for lr in (case["lr"][0], case["lr"][-1]))
            best = [f"{c['estimate']:.2g}" for c in case["best_c"] if c is not None]
            curves = case["collapse"]
            apart = "" if curves is None else f"{100 * curves['distance']:.1f}%"
            lines.append(
                f"| {case['name']} | {ends} | {', '.join(best) or 'none located'} "
                f"| {interval(case['exponent'])} | {_inside(case['exponent'], 1 / 2)} "
                f"| {_inside(case['exponent'], 2 / 3)} | {interval(curves)} | {apart} |"
            )
    return "\n".join(lines)


def deterministic() -> str:
    """The cases without noise."""
    return exponents("deterministic")


def noisy() -> str:
    """Label noise from the manifold, and from the initial point."""
    return exponents("manifold", "init", "init-strict")


def minibatch() -> str:
    """Minibatches without label noise."""
    return exponents("minibatch")


def student() -> str:
    """Teacher and student."""
    return exponents("student")


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
            ratios = ", ".join(interval(pair["ratio"], 2) for pair in pairs)
            hit = sum(pair["ratio"]["low"] <= 1 <= pair["ratio"]["high"] for pair in pairs)
            sentences.append(f"{name}: {ratios} ({hit} of {len(pairs)} intervals contain 1)")
    return "; ".join(sentences) + "." if sentences else "no pair was located"


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


def _inside(exponent: dict[str, Any] | None, value: float) -> str:
    if exponent is None:
        return ""
    return "inside" if exponent["low"] <= value <= exponent["high"] else "excluded"
