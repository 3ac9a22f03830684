"""Tables of calibrated prefactors beside swept ones, from ``results/calibration``."""

import numpy as np
from scipy.stats import spearmanr

from flatfast.calibration.result import MODEL_ERROR, NORMAL_95
from studies import markdown
from studies.calibration.naming import Row, name
from studies.calibration.pair import sentence as paired
from studies.calibration.pair import table as pair
from studies.calibration.rows import rate_at
from studies.calibration.tables_online import auto, online

__all__ = [
    "along",
    "auto",
    "brief",
    "budgets",
    "coverage",
    "estimators",
    "online",
    "pair",
    "paired",
    "reach",
    "sides",
    "summary",
    "table",
]

SHORT_REACH = 0.25
"""Reach below which a doubt used to be told."""


def table(found: Row) -> str:
    """One row a case, at the learning rate of the calibration, and the ratios at the others."""
    heads = (
        "problem",
        "lr",
        "C calibrated",
        "C swept, 95%",
        "steps over the best: lr / 10",
        "lr",
        "10 lr",
        "over momentum 0.9",
        "cost / steps",
    )
    rows = []
    for case in found["cases"]:
        middle = rate_at(case, 1.0)
        swept = "not located"
        if middle and middle["best_C"] is not None:
            low, high = middle["best_C_interval"]
            swept = f"{middle['best_C']:.3g} ({low:.3g} to {high:.3g})"
        time = middle and middle["calibrated_time"]
        rows.append(
            [
                name(case),
                f"{case['lr']:g}",
                f"{case['C'][0]:.3g}",
                swept,
                *(_over(rate_at(case, share)) for share in (0.1, 1.0, 10.0)),
                _bound(middle and middle.get("over_0.9")),
                f"{100 * case['evaluations'] / time:.0f}%" if time else "",
            ]
        )
    return markdown.table(heads, rows)


def summary(found: Row) -> str:
    """Median and worst of the steps over the best, everywhere and after a transfer."""
    own, moved = ratios(found, (1.0,)), ratios(found, (0.1, 10.0))
    costs = [
        case["evaluations"] / row["calibrated_time"]
        for case in found["cases"]
        for row in case["rates"]
        if row["calibrated_time"]
    ]
    lost = _unsettled(found)
    return (
        f"At the learning rate of the calibration the steps to the goal are {np.median(own):.2f} "
        f"times those of the swept best in the median of {len(own)} cases and {max(own):.2f} in "
        f"the worst. At learning rates ten times smaller and larger, with the same C: "
        f"{np.median(moved):.2f} and {max(moved):.2f} ({len(moved)} cases; in {lost} more the run "
        "with the calibrated C did not settle, though a slower one did). The calibration costs "
        f"{100 * np.median(costs):.0f}% of the steps of one run to its goal in the median, "
        f"{100 * min(costs):.1f}% to {100 * max(costs):.0f}%."
    )


def coverage(found: Row) -> str:
    """How often the calibration's interval holds the swept C."""
    logs, held = [], []
    for case, ratio in _over_swept(found):
        logs.append(-float(np.log(ratio)))
        spread = NORMAL_95 * np.hypot(case["C_error"], MODEL_ERROR)
        held.append(abs(logs[-1]) <= spread)
    return (
        "The root mean square of log(swept C / calibrated C) is "
        f"{np.sqrt(np.mean(np.square(logs))):.2f} "
        f"over {len(logs)} cases; the calibration's interval allows for {MODEL_ERROR:g} beside its "
        f"own error, set by these same cases, and holds the swept C in {sum(held)} of them."
    )


def brief(found: Row) -> str:
    """The same in one sentence."""
    every = ratios(found, (0.1, 1.0, 10.0))
    problems = len({case["problem"] for case in found["cases"]})
    most = max(case["weights"] for case in found["cases"])
    lost = _unsettled(found)
    return (
        f"On {problems} small problems (up to {most:,} weights, all examples in a step, label "
        "noise or flips, from zero loss), most at three noise levels and at learning rates a "
        f"hundred times apart, the calibrated C takes {np.median(every):.2f} times the steps of "
        f"the best C of a sweep in the median of {len(every)} cases and {max(every):.2f} in the "
        f"worst; in {lost} more it does not settle ([the table](docs/calibration.md))."
    )


def _unsettled(found: Row) -> int:
    """Runs with the calibrated C that did not arrive where others did."""
    return sum(
        row["over_best"]["relation"] == ">" for case in found["cases"] for row in case["rates"]
    )


def estimators(found: Row) -> str:
    """Each estimator's C over the swept one, and the steps it takes."""
    names = {
        "calibrated": "slope along the manifold (`calibrate`)",
        "whole slope": "whole slope, no products",
        "pilot": "pilot run, fall of the cooled trace",
        "displacement": "displacement along the manifold over the weights' length",
        "curvature": "second difference of the trace along the drift",
        "fit": "pilot run, fit of a fall to a floor",
    }
    pilots = [
        case["estimators"]["pilot_steps"]
        for case in found["cases"]
        if case["estimators"].get("pilot_steps")
    ]
    costs = {
        "calibrated": f"{np.median([c['evaluations'] for c in found['cases']]):.0f}",
        "whole slope": "60% of that",
        "pilot": f"{np.median(pilots):.0f} and two coolings",
        "displacement": "as the first",
        "curvature": "as the first, and three coolings",
        "fit": f"{np.median([c['fit_steps'] for c in found['candidates'].values()]):,.0f} "
        "and a cooling a reading",
    }
    heads = (
        "estimator of kappa",
        "C over the swept C: geometric mean",
        "spread (factor)",
        "steps over the best: median",
        "worst",
        "no estimate",
        "does not settle",
        "gradient evaluations",
    )
    rows = []
    for key, text in names.items():
        logs, over, none = _estimated(found, key)
        rows.append(
            [
                text,
                f"{np.exp(np.mean(logs)):.2f}",
                f"{np.exp(np.std(logs)):.2f}",
                f"{np.median(over):.2f}",
                f"{max(over):.2f}",
                f"{none} of {none + len(logs)}",
                f"{len(logs) - len(over)} of {len(logs)}",
                costs[key],
            ]
        )
    return markdown.table(heads, rows)


def _estimated(found: Row, key: str) -> tuple[list[float], list[float], int]:
    """Logs of C over the swept one, steps over the best of those that settle, and failures."""
    logs, over, none = [], [], 0
    for case in found["cases"]:
        middle, told = rate_at(case, 1.0), case["estimated"].get(key)
        if not middle or middle["best_C"] is None:
            continue
        if told is None:
            none += 1
            continue
        logs.append(float(np.log(told["C"] / middle["best_C"])))
        if told["over_best"] is not None:
            over.append(told["over_best"])
    return logs, over, none


def reach(found: Row) -> str:
    """Whether the reach tells how far C is off: on networks, and between them and the others."""
    networks: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    for case, ratio in _over_swept(found):
        kind = networks if case["problem"].startswith("digits") else others
        kind.append((case["reach"], ratio))
    short = [sum(row[0] < SHORT_REACH for row in rows) for rows in (networks, others)]
    rank = spearmanr(*zip(*networks, strict=True))

    def span(rows: list[tuple[float, float]]) -> str:
        values = [row[1] for row in rows]
        return f"{min(values):.2g} to {max(values):.2g}"

    return (
        f"The reach is below {SHORT_REACH:g} in {short[0]} of {len(networks)} cases on networks "
        f"and in {short[1]} of {len(others)} others. C is {span(networks)} times the swept one on "
        f"networks and {span(others)} times on the others; among the networks the rank correlation "
        f"of reach and that ratio is {rank.statistic:.2f} (p = {rank.pvalue:.2g})."
    )


def sides(found: Row) -> str:
    """On which networks the calibrated C is above the swept one, and on which below."""
    steep: list[float] = []
    smooth: list[float] = []
    for case, ratio in _over_swept(found):
        if case["problem"].startswith("digits"):
            (steep if _falls_fast(case) else smooth).append(ratio)
    return (
        "On rectifiers, under label flips and on residual networks the calibrated C is "
        f"{min(steep):.2f} to {max(steep):.2f} times the swept one ({len(steep)} cases), and steps "
        "are more than they need be, above all on residual networks. On the other perceptrons it "
        f"is {min(smooth):.2f} to {max(smooth):.2f} times the swept one ({len(smooth)} cases): "
        "too much momentum, not too little."
    )


def _over_swept(found: Row) -> list[tuple[Row, float]]:
    """Cases whose best C a sweep has located, each with the calibrated C over it."""
    middles = [(case, rate_at(case, 1.0)) for case in found["cases"]]
    return [
        (case, float(case["C"][0] / middle["best_C"]))
        for case, middle in middles
        if middle and middle["best_C"] is not None
    ]


def _falls_fast(case: Row) -> bool:
    """Whether a network is of a kind whose sharpness falls fast at first and slowly later."""
    settings = case["settings"]
    kinds = settings.get("activation") == "relu", "flip_probability" in settings
    return any(kinds) or case["problem"] == "digits-resnet"


def budgets(found: Row) -> str:
    """C and its spread over seeds for each budget."""
    if not found["budgets"]:
        return markdown.NOT_YET
    first = next(iter(found["budgets"].values()))
    heads = ["C ± spread over seeds, at a budget of", *(str(row["budget"]) for row in first)]
    rows = [
        [label.split("_")[0], *(f"{row['C']:.3g} ± {100 * row['spread']:.0f}%" for row in told)]
        for label, told in found["budgets"].items()
    ]
    return markdown.table(heads, rows)


def along(found: Row) -> str:
    """C along a run."""
    cases = {case["label"]: case for case in found["cases"]}
    rows = [
        [
            name(cases[label]),
            "; ".join(
                f"{row['trace']:.2f}: {row['at_iterate']:.3g} ({row['cooled']:.3g})" for row in told
            ),
        ]
        for label, told in found["along"].items()
    ]
    heads = (
        "run with the swept best C",
        "trace, of its start: C calibrated there (after cooling)",
    )
    return markdown.table(heads, rows)


def ratios(found: Row, shares: tuple[float, ...]) -> list[float]:
    """Steps over the best, of all cases at these learning rates."""
    rows = [rate_at(case, share) for case in found["cases"] for share in shares]
    told = [row["over_best"] for row in rows if row]
    return [entry["estimate"] for entry in told if entry["relation"] == "="]


def _over(row: Row | None) -> str:
    if row is None:
        return ""
    entry = row["over_best"]
    if entry["relation"] == "?":
        return "none settles"
    if entry["relation"] == ">":
        return "does not settle"
    high = "not known" if entry["high"] is None else f"{entry['high']:.2f}"
    return f"{entry['estimate']:.2f} ({entry['low']:.2f} to {high})"


def _bound(entry: Row | None) -> str:
    """Ratio to a method that may not have arrived: its runs were ``limit`` long."""
    if not entry or entry["relation"] == "?":
        return ""
    if entry["relation"] == "=":
        return f"{entry['estimate']:.2f}"
    return f"< {entry['bound']:.2g}" if entry["relation"] == "<" else "> 1"
