"""Tables of training on fresh data, from ``results/fresh``."""

from typing import Any

import numpy as np

from flatfast.law import GAMMA
from studies import markdown
from studies.fresh.analysis import over_best
from studies.fresh.cases import CASES, DRIFT_WITHIN, NOISE_WITHIN, STEPS_WITHIN
from studies.fresh.measure import middle
from studies.fresh.words import TITLES
from studies.markdown import met

Row = dict[str, Any]


def table(found: Row) -> str:
    """A row a problem: noise, drift, exponent, C."""
    rows = []
    for name, row in found["problems"].items():
        if "sweep" not in row or "exponent" not in row["sweep"]:
            continue
        sweep = row["sweep"]
        rows.append(
            [
                TITLES[name],
                ", ".join(_ratio(each["measured"], each["error"], each["predicted"])
                          for each in row["noise"]),
                ", ".join(f"{each['ratio']:.2f} ± {each['error']:.2f}" for each in row["drift"]),
                markdown.between(sweep["exponent"]),
                f"{sweep['best_C']['estimate']:.3g} ({sweep['best_C']['low']:.2g} to "
                f"{sweep['best_C']['high']:.2g})",
                *(_calibrated(name, row, budget) for budget in row["calibrated"]),
            ]
        )  # fmt: skip
    if not rows:
        return markdown.NOT_YET
    budgets = list(next(iter(found["problems"].values()))["calibrated"])
    heads = (
        "model",
        "`s² B` measured over predicted",
        "drift over theory's",
        "exponent, 95%",
        "best C, 95%",
        *(f"C by {budget} gradients" for budget in budgets),
    )
    note = (
        "Noise at three teachers, ± standard error. Drift: at 8 and 16 times the calibrated "
        "friction. C: median of those that told one, how many did, and their steps over the best's"
    )
    return markdown.table(heads, rows, note)


def _ratio(measured: float, error: float, predicted: float) -> str:
    return f"{measured / predicted:.2f} ± {error / predicted:.2f}"


def _calibrated(name: str, row: Row, budget: str) -> str:
    each = row["calibrated"][budget]
    drawn = [told["C"] for told in each if told["ok"]]
    if not drawn:
        return f"0 of {len(each)} told one"
    steps = float(np.median(_steps(name, row, budget)))
    told = f"{steps:.2f}" if np.isfinite(steps) else "does not settle"
    return f"{np.median(drawn):.2g} ({len(drawn)} of {len(each)}); {told}"


def _steps(name: str, row: Row, budget: str) -> list[float]:
    lr = middle(next(case for case in CASES if case.name == name))
    told = row["calibrated"][budget]
    return [over_best(row["sweep"], lr, each["C"]) for each in told if each["ok"]]


def verdict(found: Row) -> str:
    """What of the bar is met."""
    told = []
    for name, row in found["problems"].items():
        if "sweep" not in row or "exponent" not in row["sweep"]:
            continue
        noise = all(abs(n["measured"] / n["predicted"] - 1) <= NOISE_WITHIN for n in row["noise"])
        drift = abs(row["drift"][-1]["ratio"] - 1) <= DRIFT_WITHIN
        exponent = row["sweep"]["exponent"]
        law = exponent["low"] <= GAMMA <= exponent["high"]
        larger = list(row["calibrated"])[-1]
        steps = _steps(name, row, larger)
        soon = bool(steps) and float(np.median(steps)) <= STEPS_WITHIN
        told.append(
            f"{TITLES[name]}: noise {met(noise)}, drift {met(drift)}, exponent {met(law)}, "
            f"steps at the calibrated C {met(soon)}"
        )
    return "; ".join(told) + "." if told else markdown.NOT_YET


def linear(found: Row) -> str:
    """What a calibration says of softmax regression."""
    rows = found.get("linear")
    if not rows:
        return markdown.NOT_YET
    laws = sum(row["ok"] for row in rows)
    reasons = sorted({verdict for row in rows for verdict in row["verdicts"]})
    return f"A law is found at {laws} of {len(rows)} starts ({', '.join(reasons)})."
