"""Tables of calibrated prefactors beside swept ones, from ``results/calibration``."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from flatfast.calibration.result import MODEL_ERROR, NORMAL_95
from studies.calibration.collect import rate_at
from studies.quotes.values import load

FOUND = "results/calibration/calibration.json"
NOT_YET = "not measured yet"
SHORT = {
    "activation": "",
    "loss": "",
    "noise_std": "noise",
    "flip_probability": "flips",
    "dimension": "d",
    "examples": "P",
    "channels": "channels",
}
HIDDEN = ("init_seed", "rank")
SHORT_REACH = 0.25
"""Reach below which a doubt used to be told."""


def table() -> str:
    """One row a case, at the learning rate of the calibration, and the ratios at the others."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    lines = [
        "| problem | lr | C calibrated | C swept, 95% | steps over the best: lr / 10 | lr | 10 lr "
        "| over momentum 0.9 | cost / steps |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in found["cases"]:
        middle = rate_at(case, 1.0)
        swept = "not located"
        if middle and middle["best_C"] is not None:
            low, high = middle["best_C_interval"]
            swept = f"{middle['best_C']:.3g} ({low:.3g} to {high:.3g})"
        over = [_over(rate_at(case, share)) for share in (0.1, 1.0, 10.0)]
        time = middle and middle["calibrated_time"]
        cells = [
            name(case),
            f"{case['lr']:g}",
            f"{case['C'][0]:.3g}",
            swept,
            *over,
            _bound(middle and middle.get("over_0.9")),
            f"{100 * case['evaluations'] / time:.0f}%" if time else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def summary() -> str:
    """Median and worst of the steps over the best, everywhere and after a transfer."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
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


def coverage() -> str:
    """How often the calibration's interval holds the swept C."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
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


def brief() -> str:
    """The same in one sentence."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
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


def _unsettled(found: dict[str, Any]) -> int:
    """Runs with the calibrated C that did not arrive where others did."""
    return sum(
        row["over_best"]["relation"] == ">" for case in found["cases"] for row in case["rates"]
    )


def estimators() -> str:
    """Each estimator's C over the swept one, and the steps it takes."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
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
    lines = [
        "| estimator of kappa | C over the swept C: geometric mean | spread (factor) "
        "| steps over the best: median | worst | no estimate | does not settle "
        "| gradient evaluations |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for key, text in names.items():
        logs, over, none = _estimated(found, key)
        lost = len(logs) - len(over)
        lines.append(
            f"| {text} | {np.exp(np.mean(logs)):.2f} | {np.exp(np.std(logs)):.2f} "
            f"| {np.median(over):.2f} | {max(over):.2f} | {none} of {none + len(logs)} "
            f"| {lost} of {len(logs)} | {costs[key]} |"
        )
    return "\n".join(lines)


def _estimated(found: dict[str, Any], key: str) -> tuple[list[float], list[float], int]:
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


def reach() -> str:
    """Whether the reach tells how far C is off: on networks, and between them and the others."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
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


def sides() -> str:
    """On which networks the calibrated C is above the swept one, and on which below."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
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


def _over_swept(found: dict[str, Any]) -> list[tuple[dict[str, Any], float]]:
    """Cases whose best C a sweep has located, each with the calibrated C over it."""
    middles = [(case, rate_at(case, 1.0)) for case in found["cases"]]
    return [
        (case, float(case["C"][0] / middle["best_C"]))
        for case, middle in middles
        if middle and middle["best_C"] is not None
    ]


def _falls_fast(case: dict[str, Any]) -> bool:
    """Whether a network is of a kind whose sharpness falls fast at first and slowly later."""
    settings = case["settings"]
    kinds = settings.get("activation") == "relu", "flip_probability" in settings
    return any(kinds) or case["problem"] == "digits-resnet"


def budgets() -> str:
    """C and its spread over seeds for each budget."""
    found = load(FOUND)
    if found is None or not found.get("budgets"):
        return NOT_YET
    first = next(iter(found["budgets"].values()))
    head = " | ".join(f"{row['budget']}" for row in first)
    lines = [
        f"| C ± spread over seeds, at a budget of | {head} |",
        "| --- " * (len(first) + 1) + "|",
    ]
    for label, rows in found["budgets"].items():
        cells = " | ".join(f"{row['C']:.3g} ± {100 * row['spread']:.0f}%" for row in rows)
        lines.append(f"| {label.split('_')[0]} | {cells} |")
    return "\n".join(lines)


def online() -> str:
    """Steps to the goal by each method, medians over seeds."""
    found = load("results/calibration/online.json")
    if found is None:
        return NOT_YET
    lines = [
        "| problem | lr | momentum 0.9 | calibrated once | auto | auto over 0.9 | C at the end "
        "| calibrations' cost |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in found["cases"].values():
        times = {kind: _median(told["steps"]) for kind, told in case["methods"].items()}
        steps = {
            kind: f"{time:,.0f}" if np.isfinite(time) else f"> {case['limit']:,}"
            for kind, time in times.items()
        }
        auto = case["methods"]["auto"]
        plain, ours = times["momentum 0.9"], times["auto"]
        ratio = "" if not np.isfinite(ours) else f"{ours / min(plain, case['limit']):.2f}"
        mark = "< " if np.isfinite(ours) and not np.isfinite(plain) else ""
        cells = [
            name(case),
            f"{case['lr']:g}",
            steps["momentum 0.9"],
            steps.get("calibrated once", "refused at the start"),
            steps["auto"],
            f"{mark}{ratio}",
            f"{np.median([used[-1] for used in auto['C']]):.3g}",
            f"{np.median(auto['spent']):.0f} of {case['limit']:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


ALIKE = 0.1
"""Difference in steps, as a share, that three seeds do not tell from none."""


def auto() -> str:
    """``C="auto"`` against one calibration at the start, where there was one."""
    found = load("results/calibration/online.json")
    if found is None:
        return NOT_YET
    fewer, more, rest = [], [], 0
    for case in found["cases"].values():
        if "calibrated once" not in case["methods"]:
            continue
        once, measured = (
            _median(case["methods"][kind]["steps"]) for kind in ("calibrated once", "auto")
        )
        text = f"{name(case)} ({measured:,.0f} steps against {once:,.0f})"
        if measured < once * (1 - ALIKE):
            fewer.append(text)
        elif measured > once * (1 + ALIKE):
            more.append(text)
        else:
            rest += 1
    share = f"{100 * ALIKE:.0f}%"
    return (
        'Against one calibration at the start, `C="auto"` takes more than '
        f"{share} fewer steps on {' and '.join(fewer) or 'none'}, more than {share} more on "
        f"{' and '.join(more) or 'none'}, and about as many in the other {rest} cases."
    )


def _median(steps: list[float | None]) -> float:
    return float(np.median([np.inf if step is None else step for step in steps]))


def along() -> str:
    """C along a run."""
    found = load(FOUND)
    if found is None or not found.get("along"):
        return NOT_YET
    cases = {case["label"]: case for case in found["cases"]}
    lines = [
        "| run with the swept best C | trace, of its start: C calibrated there (after cooling) |",
        "| --- | --- |",
    ]
    for label, rows in found["along"].items():
        told = "; ".join(
            f"{row['trace']:.2f}: {row['at_iterate']:.3g} ({row['cooled']:.3g})" for row in rows
        )
        lines.append(f"| {name(cases[label])} | {told} |")
    return "\n".join(lines)


def name(case: dict[str, Any]) -> str:
    """A case in words."""
    parts = [
        f"{SHORT.get(key, key)} {value}".strip() if not isinstance(value, str) else value
        for key, value in case["settings"].items()
        if key not in HIDDEN
    ]
    return ", ".join([case["problem"], *parts])


def ratios(found: dict[str, Any], shares: tuple[float, ...]) -> list[float]:
    """Steps over the best, of all cases at these learning rates."""
    rows = [rate_at(case, share) for case in found["cases"] for share in shares]
    told = [row["over_best"] for row in rows if row]
    return [entry["estimate"] for entry in told if entry["relation"] == "="]


def _over(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    entry = row["over_best"]
    if entry["relation"] == "?":
        return "none settles"
    if entry["relation"] == ">":
        return "does not settle"
    high = "not known" if entry["high"] is None else f"{entry['high']:.2f}"
    return f"{entry['estimate']:.2f} ({entry['low']:.2f} to {high})"


def _bound(entry: dict[str, Any] | None) -> str:
    """Ratio to a method that may not have arrived: its runs were ``limit`` long."""
    if not entry or entry["relation"] == "?":
        return ""
    if entry["relation"] == "=":
        return f"{entry['estimate']:.2f}"
    return f"< {entry['bound']:.2g}" if entry["relation"] == "<" else "> 1"
