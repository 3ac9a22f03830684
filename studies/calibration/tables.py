"""Tables of calibrated prefactors beside swept ones, from ``results/calibration``."""

import numpy as np
from scipy.stats import spearmanr

from flatfast.calibration.result import MODEL_ERROR, NORMAL_95
from studies import markdown
from studies.calibration.naming import Row, name
from studies.calibration.pair import sentence as paired
from studies.calibration.pair import table as pair
from studies.calibration.rows import cases_of, rate_at, unseen_of
from studies.calibration.tables_asked import along, budgets, estimators
from studies.calibration.tables_follow import follow, followed, followed_bar
from studies.calibration.tables_online import auto, online
from studies.calibration.tables_redrawn import redrawn, redrawn_summary
from studies.calibration.tables_two import two_values, two_values_summary

__all__ = [
    "along",
    "auto",
    "brief",
    "budgets",
    "coverage",
    "estimators",
    "follow",
    "followed",
    "followed_bar",
    "online",
    "pair",
    "paired",
    "reach",
    "redrawn",
    "redrawn_summary",
    "sides",
    "summary",
    "table",
    "two_values",
    "two_values_summary",
    "unseen",
    "unseen_summary",
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
    for case in cases_of(found):
        middle = rate_at(case, 1.0)
        rows.append(
            [
                name(case),
                f"{case['lr']:g}",
                f"{case['C'][0]:.3g}",
                _swept(middle),
                *(_over(rate_at(case, share)) for share in (0.1, 1.0, 10.0)),
                _beside(middle),
                _cost(case, middle),
            ]
        )
    return markdown.table(heads, rows)


def unseen(found: Row) -> str:
    """One row a problem and seed of its data, on problems that the formula was not made on."""
    heads = (
        "problem, seed of its data",
        "lr",
        "C calibrated, three times",
        "C swept, 95%",
        "steps over the best",
        "over momentum 0.9",
        "cost / steps",
    )
    rows = [
        [
            f"{case['problem']}, {case['settings']['data_seed']}",
            f"{case['lr']:g}",
            _range(case["C"]),
            _swept(middle := rate_at(case, 1.0)),
            _over(middle),
            _beside(middle),
            _cost(case, middle),
        ]
        for case in unseen_of(found)
    ]
    return markdown.table(heads, rows) if rows else markdown.NOT_YET


def unseen_summary(found: Row) -> str:
    """Median and worst of the steps over the best, of every calibration there."""
    cases = unseen_of(found)
    if not cases:
        return markdown.NOT_YET
    own = [row["over_best"]["each"] for case in cases if (row := rate_at(case, 1.0))]
    each = [one for three in own for one in three]
    arrived = [one for one in each if one is not None]
    ratios = [ratio for _, ratio in _over_swept(cases)]
    return (
        f"On {len({case['problem'] for case in cases})} problems chosen before anything was "
        f"measured on them, with three seeds of data and weights each, C is {min(ratios):.2f} to "
        f"{max(ratios):.2f} times the swept one, and the steps are {np.median(arrived):.2f} times "
        f"those of the swept best in the median of {len(each)} calibrations and "
        f"{max(arrived):.2f} in the worst; {len(each) - len(arrived)} do not settle."
    )


def summary(found: Row) -> str:
    """Median and worst of the steps over the best, everywhere and after a transfer."""
    cases = cases_of(found)
    own, moved = ratios(cases, (1.0,)), ratios(cases, (0.1, 10.0))
    costs = [
        cost for case in cases for row in case["rates"] if (cost := _cost_of(case, row)) is not None
    ]
    lost = _unsettled(cases)
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
    for case, ratio in _over_swept(cases_of(found)):
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
    cases = cases_of(found)
    every = ratios(cases, (0.1, 1.0, 10.0))
    problems = len({case["problem"] for case in cases})
    most = max(case["weights"] for case in cases)
    lost = _unsettled(cases)
    return (
        f"On {problems} small problems (up to {most:,} weights, all examples in a step, label "
        "noise or flips, from zero loss), most at three noise levels and at learning rates a "
        f"hundred times apart, the calibrated C takes {np.median(every):.2f} times the steps of "
        f"the best C of a sweep in the median of {len(every)} cases and {max(every):.2f} in the "
        f"worst; in {lost} more it does not settle ([the table](docs/calibration.md))."
    )


def _unsettled(cases: list[Row]) -> int:
    """Runs with the calibrated C that did not arrive where others did."""
    return sum(row["over_best"]["estimate"] is None for case in cases for row in case["rates"])


def reach(found: Row) -> str:
    """Whether the reach tells how far C is off: on networks, and between them and the others."""
    networks: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    for case, ratio in _over_swept(cases_of(found)):
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
    for case, ratio in _over_swept(cases_of(found)):
        if case["problem"].startswith("digits"):
            (steep if _falls_fast(case) else smooth).append(ratio)
    return (
        "On rectifiers, under label flips and on residual networks the calibrated C is "
        f"{min(steep):.2f} to {max(steep):.2f} times the swept one ({len(steep)} cases), and steps "
        "are more than they need be, above all on residual networks. On the other perceptrons it "
        f"is {min(smooth):.2f} to {max(smooth):.2f} times the swept one ({len(smooth)} cases): "
        "too much momentum, not too little."
    )


def _over_swept(cases: list[Row]) -> list[tuple[Row, float]]:
    """Cases whose best C a sweep has located, each with the calibrated C over it."""
    middles = [(case, rate_at(case, 1.0)) for case in cases]
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


def ratios(cases: list[Row], shares: tuple[float, ...]) -> list[float]:
    """Steps over the best, of all cases at these learning rates."""
    rows = [rate_at(case, share) for case in cases for share in shares]
    told = [row["over_best"]["estimate"] for row in rows if row]
    return [ratio for ratio in told if ratio is not None]


def _swept(row: Row | None) -> str:
    if not row or row["best_C"] is None:
        return "not located"
    low, high = row["best_C_interval"]
    return f"{row['best_C']:.3g} ({low:.3g} to {high:.3g})"


def _range(prefactors: list[float]) -> str:
    return f"{min(prefactors):.3g} to {max(prefactors):.3g}"


def _over(row: Row | None) -> str:
    """Median and range of the calibrations."""
    if row is None:
        return ""
    entry = row["over_best"]
    if entry["low"] is None:
        return "does not settle"
    if entry["estimate"] is None:
        return f"{entry['low']:.2f} to not settled"
    high = "not settled" if entry["high"] is None else f"{entry['high']:.2f}"
    return f"{entry['estimate']:.2f} ({entry['low']:.2f} to {high})"


def _beside(row: Row | None) -> str:
    """Steps over those of momentum 0.9, or a bound where that has not arrived."""
    if not row or row["over_0.9"] is None:
        return ""
    entry = row["over_0.9"]
    return f"< {entry['estimate']:.2g}" if entry["bound"] else f"{entry['estimate']:.2f}"


def _cost(case: Row, row: Row | None) -> str:
    cost = row and _cost_of(case, row)
    return f"{100 * cost:.0f}%" if cost else ""


def _cost_of(case: Row, row: Row) -> float | None:
    """Gradients of a calibration over the steps to the goal."""
    over = row["over_best"]["estimate"]
    return float(case["evaluations"] / (over * row["best_time"])) if over else None
