"""Tables of what else was asked of a calibration: other estimators, budgets, later in a run."""

import numpy as np

from studies import markdown
from studies.calibration.naming import Row, name
from studies.calibration.rows import cases_of, rate_at


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
    cases = cases_of(found)
    pilots = [case["pilot"]["steps"] for case in cases if case["pilot"]["steps"]]
    costs = {
        "calibrated": f"{np.median([case['evaluations'] for case in cases]):.0f}",
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
        logs, over, none = _estimated(cases, key)
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


def _estimated(cases: list[Row], key: str) -> tuple[list[float], list[float], int]:
    """Logs of C over the swept one, steps over the best of those that settle, and failures."""
    logs, over, none = [], [], 0
    for case in cases:
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
    cases = {case["label"]: case for case in cases_of(found)}
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
