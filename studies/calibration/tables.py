"""Tables of calibrated prefactors beside swept ones, from ``results/calibration``."""

import numpy as np
from scipy.stats import spearmanr

from flatfast.calibration.result import MODEL_ERROR, NORMAL_95
from studies import markdown
from studies.calibration.cells import beside, cost, cost_of, over, spread, swept
from studies.calibration.naming import Row, name
from studies.calibration.pair import sentence as paired
from studies.calibration.pair import table as pair
from studies.calibration.rows import cases_of, rate_at, ratios, unseen_of
from studies.calibration.tables_asked import along, budgets, estimators
from studies.calibration.tables_follow import follow, followed, followed_bar
from studies.calibration.tables_online import auto, online
from studies.calibration.tables_redrawn import redrawn, redrawn_summary
from studies.calibration.tables_two import two_values, two_values_summary
from studies.missing import or_infinite

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
                swept(middle),
                *(over(rate_at(case, share)) for share in (0.1, 1.0, 10.0)),
                beside(middle),
                cost(case, middle),
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
            spread(case["C"]),
            swept(middle := rate_at(case, 1.0)),
            over(middle),
            beside(middle),
            cost(case, middle),
        ]
        for case in unseen_of(found)
    ]
    return markdown.table(heads, rows) if rows else markdown.NOT_YET


def unseen_summary(found: Row) -> str:
    """Median and worst of the steps over the best there, and how far C is off."""
    cases = unseen_of(found)
    if not cases:
        return markdown.NOT_YET
    middles = [(case, row) for case in cases if (row := rate_at(case, 1.0))]
    each = [one for _, row in middles for one in row["over_best"]["each"]]
    arrived = [one for one in each if one is not None]
    located = [(case, row["best_C"]) for case, row in middles if row["best_C"] is not None]
    ratios = [C / best for case, best in located for C in case["C"]]
    told = (
        f"On {len({case['problem'] for case in cases})} problems chosen before anything was "
        f"measured on them, with three seeds of data and weights each, the steps are "
        f"{np.median(arrived):.2f} times those of the swept best in the median of {len(each)} "
        f"calibrations and {max(arrived):.2f} in the worst; {len(each) - len(arrived)} do not "
        f"settle. C is {min(ratios):.2f} to {max(ratios):.2f} times the swept one in the "
        f"{len(located)} of {len(middles)} cases whose best C the sweep locates."
    )
    open_ended = _fastest_is_least(cases)
    if not open_ended:
        return told
    beyond = [C / least for case, least in open_ended for C in case["C"]]
    return (
        f"{told} In {len(open_ended)} of the others the fastest is the least C that was swept: "
        f"there C is {min(beyond):.1f} to {max(beyond):.1f} times that, and the best may lie lower "
        "and be faster."
    )


def _fastest_is_least(cases: list[Row]) -> list[tuple[Row, float]]:
    """Cases whose best C the sweep has not reached, each with the least C that was swept."""
    middles = [(case, row) for case in cases if (row := rate_at(case, 1.0))]
    return [
        (case, row["C"][0])
        for case, row in middles
        if row["best_C"] is None and not np.argmin(or_infinite(row["time"]))
    ]


def summary(found: Row) -> str:
    """Median and worst of the steps over the best, everywhere and after a transfer."""
    cases = cases_of(found)
    own, moved = ratios(cases, (1.0,)), ratios(cases, (0.1, 10.0))
    costs = [
        each for case in cases for row in case["rates"] if (each := cost_of(case, row)) is not None
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
    """How often the calibration's interval holds the swept C, on problems chosen beforehand too."""
    ratios, held = [], []
    for case, ratio in _over_swept(cases_of(found)):
        ratios.append(ratio)
        held.append(_within(case, ratio))
    told = (
        "The root mean square of log(swept C / calibrated C) is "
        f"{np.sqrt(np.mean(np.log(ratios) ** 2)):.2f} "
        f"over {len(ratios)} cases; the calibration's interval allows for {MODEL_ERROR:g} beside "
        f"its own error, set by these same cases, and holds the swept C in {sum(held)} of them."
    )
    new = unseen_of(found)
    if not new:
        return told
    own = [_within(case, ratio) for case, ratio in _over_swept(new)]
    out = sum(not _within(case, case["C"][0] / least) for case, least in _fastest_is_least(new))
    return (
        f"{told} On the problems chosen beforehand it holds it in {sum(own)} of the {len(own)} "
        f"cases of {len(new)} in which it is located; in {out} of the others even the least C that "
        "was swept, the fastest there, lies below the interval."
    )


def _within(case: Row, ratio: float) -> bool:
    """Whether the calibration's interval holds a C that the calibrated one is so many times."""
    return bool(abs(np.log(ratio)) <= NORMAL_95 * np.hypot(case["C_error"], MODEL_ERROR))


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
        f"is {min(smooth):.2f} to {max(smooth):.2f} times the swept one ({len(smooth)} cases), in "
        f"{sum(ratio < 1 for ratio in smooth)} of them below it: too much momentum, not too little."
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
