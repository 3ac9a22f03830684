"""Tables of the regime map."""

import math
from itertools import pairwise
from typing import Any

from studies.markdown import NOT_YET, table
from studies.quotes.values import interval, load
from studies.study import Result

STUDENT = "results/teacher-student/summary.json"
BESIDE_A_CLIFF = ("init-noise-0", "init-noise-1", "batch-30-test", "slow-0.0004-noise-1")
FAMILIES = {
    "manifold": "start on Γ",
    "init": "start at init",
    "init-strict": "start at init, stricter goal",
}


HEADS = (
    "sweep",
    "learning rates",
    "best c, from the least lr to the greatest",
    "exponent between neighbours",
    "of all",
    "inside",
    "of best collapse",
    "distance of the curves",
)


def _exponents(found: Result, *parts: str) -> str:
    """One row per case of some parts: best c, exponents, and which of 1/2 and 2/3 lie inside."""
    return table(HEADS, map(_row, _cases(found, *parts)))


def _cases(found: Result, *parts: str) -> list[dict[str, Any]]:
    return [case for case in found["cases"] if case["part"] in parts]


def _row(case: dict[str, Any]) -> list[str]:
    curves = case["collapse"]
    return [
        case["name"],
        _ends(case["lr"]),
        _listed(case["best_c"], ".3g", case.get("bound")),
        _listed(case["local"], ".2f"),
        interval(case["exponent"]),
        _inside(case["exponent"]),
        interval(curves),
        "" if curves is None else f"{100 * curves['distance']:.1f}%",
    ]


def _ends(rates: list[float]) -> str:
    return f"{min(rates):.2g} to {max(rates):.2g}"


def _listed(
    values: list[dict[str, float] | None],
    form: str,
    bounds: list[dict[str, Any] | None] | None = None,
) -> str:
    """Estimates, or where there is none the bound; a dash where there is neither."""
    told = []
    for one, bound in zip(values, bounds or [None] * len(values), strict=True):
        if one is not None:
            told.append(format(one["estimate"], form))
        elif bound is not None:
            told.append(f"{'≥' if bound['side'] == 'at least' else '≤'} {bound['c']:{form}}")
        else:
            told.append("–")
    return ", ".join(told)


def _inside(exponent: dict[str, Any] | None, *more: tuple[str, float]) -> str:
    if exponent is None:
        return ""
    candidates = (("1/2", 1 / 2), ("2/3", 2 / 3), *more)
    held = [name for name, value in candidates if exponent["low"] <= value <= exponent["high"]]
    return " and ".join(held) or "neither"


def deterministic(found: Result) -> str:
    """The cases without noise."""
    return _exponents(found, "deterministic")


def noisy(found: Result) -> str:
    """Label noise from the manifold."""
    return _exponents(found, "manifold")


def from_init(found: Result) -> str:
    """Label noise from the initial point, with either goal."""
    return _exponents(found, "init", "init-strict")


def cells(found: Result) -> str:
    """The best momenta read off the grid, where the fit lies beside a cliff."""
    told = [
        f"- {case['name']}: "
        + ", ".join("–" if c is None else f"{c:.2g}" for c in case["fastest_cell_c"])
        for case in found["cases"]
        if case["name"] in BESIDE_A_CLIFF
    ]
    return "\n".join(told) if told else "none"


def from_scratch(found: Result) -> str:
    """By how much c is larger from the initial point than from the manifold."""
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


def minibatch(found: Result) -> str:
    """Minibatches without label noise."""
    return _exponents(found, "minibatch")


def student(found: Result) -> str:
    """Teacher and student: the committed sweep from the manifold, then the others."""
    others = _cases(found, "student")
    committed = load(STUDENT)
    if committed is None:
        return table(HEADS, map(_row, others))
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
    return table(HEADS, map(_row, [from_manifold, *others]))


def fashion(found: Result) -> str:
    """Ordinary training on FashionMNIST, local exponents with their intervals."""
    rows = []
    for case in sorted(_cases(found, "fashion"), key=lambda case: case["batch_size"]):
        local = ", ".join("–" if one is None else interval(one, 2) for one in case["local"])
        rows.append(
            [
                f"{case['batch_size'] or 'all images'}",
                str(case["seeds"]),
                _ends(case["lr"]),
                _listed(case["best_c"], ".3g", case["bound"]),
                "; ".join(
                    "–" if scaled is None else f"{scaled / math.sqrt(lr):,.0f}"
                    for lr, scaled in zip(case["lr"], case["scaled_time"], strict=True)
                ),
                local,
                interval(case["exponent"]),
                _inside(case["exponent"], ("1", 1.0)),
            ]
        )
    heads = ("batch", "seeds", *HEADS[1:3], "steps there", *HEADS[3:6])
    return table(heads, rows) if rows else NOT_YET


def fashion_axis(found: Result) -> str:
    """Ratios of the best c at equal ``lr^(1/2) / B``, the smaller batch over the larger."""
    rows = []
    for pair in found["pooled"].get("fashion", {}).get("pairs", []):
        sizes = [round(noise**-2) for noise in pair["noise"]]
        ratio, order = pair["ratio"], (0, 1)
        if sizes[0] > sizes[1]:
            ratio = {
                "estimate": 1 / ratio["estimate"],
                "low": 1 / ratio["high"],
                "high": 1 / ratio["low"],
            }
            order = (1, 0)
        cells = [f"{sizes[k]} at {pair['lr'][k]:.2g}" for k in order]
        rows.append((pair["strength"], [f"{pair['strength']:.2g}", *cells, interval(ratio)]))
    heads = ("lr^(1/2) / B", "smaller batch, at lr", "larger batch, at lr", "ratio of the best c")
    return table(heads, (row for _, row in sorted(rows))) if rows else NOT_YET


def overdamped(found: Result) -> str:
    """With a slow mode."""
    return _exponents(found, "overdamped")


def pooled(found: Result) -> str:
    """The exponent from all noise levels of a family together."""
    rows = []
    for part, name in FAMILIES.items():
        law = found["pooled"].get(part, {}).get("law")
        if law is not None:
            scatter = f"{100 * law['scatter']:.0f}%"
            rows.append([name, str(law["points"]), interval(law["exponent"]), scatter])
    heads = ("all noise levels together", "optima", "exponent", "optima's scatter about one power")
    return table(heads, rows)


def collapse(found: Result) -> str:
    """Pairs at equal ``noise^2 sqrt(lr)``: the ratios of their best c."""
    sentences = []
    for part, name in FAMILIES.items():
        pairs = found["pooled"].get(part, {}).get("pairs", [])
        if pairs:
            ratios = ", ".join(interval(pair["ratio"]) for pair in pairs)
            hit = sum(pair["ratio"]["low"] <= 1 <= pair["ratio"]["high"] for pair in pairs)
            sentences.append(f"- {name}: {ratios} ({hit} of {len(pairs)} intervals contain 1)")
    return "\n".join(sentences) if sentences else "no pair was located"


def edges(found: Result) -> str:
    """The fastest c with a slow mode and much noise, beside the least that settles without it."""
    cases = {case["name"]: case for case in found["cases"]}
    with_mode, without = cases["slow-0.0004-noise-1"], cases["manifold-noise-1"]
    least = dict(zip(without["lr"], without["settling_mu_over_lr"], strict=True))
    rows = []
    best = dict(zip(without["lr"], without["best_c"], strict=True))
    for lr, fastest in zip(with_mode["lr"], with_mode["fastest_cell_c"], strict=True):
        edge = least[lr][0] * math.sqrt(lr)
        rows.append([f"{v:.2g}" for v in (lr, fastest, edge, best[lr]["estimate"])])
    heads = (
        "lr",
        "fastest c, with the slow mode",
        "least c that settles, without it",
        "best c without it",
    )
    return table(heads, rows)


def windows(found: Result) -> str:
    """Between which ``mu / lr`` batches of 12 meet their goal."""
    rows = []
    for case in found["cases"]:
        if case["batch_size"] == 12:
            ends = case["settling_mu_over_lr"]
            told = ["–" if one is None else f"{one[0]:.2g} to {one[1]:.3g}" for one in ends]
            rows.append([case["name"], _ends(case["lr"]), ", ".join(told)])
    return table(("sweep", "learning rates", "least and greatest mu / lr"), rows)


def on_manifold(found: Result) -> str:
    """What moves on the manifold."""
    told: dict[str, Any] = found["on_manifold"]
    heads = (
        "momentum",
        "lr tr H / (2 B mu) at the start",
        f"test error, batches of {told['batch_size']}",
        "label noise 0.1, all examples",
    )
    rows = []
    for row in told["rows"]:
        ends = (row["minibatch"], row["label_noise"])
        cells = ["diverges" if end is None else f"{end:.3f}" for end in ends]
        rows.append([f"{row['momentum']:g}", f"{row['instability']:.2f}", *cells])
    note = (
        f"After {told['steps']:,} steps at learning rate {told['lr']:g}, in units of the start; "
        "medians of the runs that stay finite, of 8."
    )
    return table(heads, rows, note)
