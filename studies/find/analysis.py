"""Losses over that of the best pair of a sweep, by way and case, and the verdict."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from studies.find.cases import COST, MEDIAN, NINE, STATES, WORST, trainings

Row = dict[str, Any]

LEVEL = 0.95


def analysis(rows: Mapping[str, Row]) -> Row:
    """Cases, changes and the verdict, of the rows by their parts' names ``kind.training.seed``."""
    cases, changed, more = [], [], []
    for training in trainings().values():
        for state in STATES:
            kept = _seeds(rows, state, training.name)
            if kept:
                steps = training.steps
                cases.append({"training": training.name, "state": state, **compared(kept, steps)})
        more += _more(rows, training.name, training.steps)
        kept = _seeds(rows, "changes", training.name)
        for change in kept[0] if kept else ():
            own = [row[change] for row in kept]
            factor = 2 if change.startswith("batch") else 1
            told = compared(own, training.steps // factor)
            changed.append({"training": training.name, "change": change, **told})
    return {"cases": cases, "changes": changed, "more": more, "verdict": verdict(cases)}


def _more(rows: Mapping[str, Row], training: str, steps: int) -> list[Row]:
    """Searches that may spend more: each beside the sweep of its seed."""
    kind = f"larger.{training}."
    seeds = [name.removeprefix(kind) for name in rows if name.startswith(kind)]
    swept = [seed for seed in seeds if f"scratch.{training}.{seed}" in rows]
    found = []
    for share in rows[kind + swept[0]] if swept else ():
        own = [
            {**rows[kind + seed][share], "sweep": rows[f"scratch.{training}.{seed}"]["sweep"]}
            for seed in swept
        ]
        found.append({"training": training, "share": float(share), **compared(own, steps)})
    return found


def _seeds(rows: Mapping[str, Row], kind: str, training: str) -> list[Row]:
    return [row for name, row in rows.items() if name.rsplit(".", 1)[0] == f"{kind}.{training}"]


def compared(rows: Sequence[Row], steps: int) -> Row:
    """Ways of a case over its best, in the geometric mean over seeds.

    Returns:
        ``best``: the pair of the sweep with the least mean logarithm of the loss, its loss, and on
        which sides it is at an end of the sweep; ``ways``: of each the ratio ``estimate``, 95% from
        ``low`` to ``high`` by Student's t over seeds in pairs, None where a run diverged; ``nine``:
        the same of 0.9 at the rate best for it; ``cost``: the largest share of a training.
    """
    logs = np.array([[_log(each["loss"]) for each in row["sweep"]] for row in rows])
    # Pairs by place: with a learning rate of its own in each seed the momenta are the same.
    place = int(np.argmin(logs.mean(0)))
    own = logs[:, place]
    best = {
        "lr": float(np.exp(np.mean([math.log(row["sweep"][place]["lr"]) for row in rows]))),
        "momentum": rows[0]["sweep"][place]["momentum"],
        "loss": float(np.exp(own.mean())),
        "ends": _ends(rows[0]["sweep"], place),
    }
    ways = {
        name: _ratio(np.array([_log(row["ways"][name]["loss"]) for row in rows]) - own)
        for name in rows[0]["ways"]
    }
    nine = [n for n, each in enumerate(rows[0]["sweep"]) if each["momentum"] == NINE]
    tuned = min(nine, key=lambda n: float(logs[:, n].mean()))
    found = [row["search"] for row in rows]
    return {
        "seeds": len(rows),
        "steps": steps,
        "best": best,
        "ways": ways,
        "nine": _ratio(logs[:, tuned] - own),
        "cost": max(each["evaluations"] for each in found) / steps,
        "horizon": found[0]["horizons"][1],
    }


def _log(loss: float | None) -> float:
    return math.inf if loss is None else math.log(loss)


def _ratio(logs: np.ndarray[Any, Any]) -> Row | None:
    if not np.isfinite(logs).all():
        return None
    middle = float(logs.mean())
    spread = math.inf
    if len(logs) > 1:
        t = float(stats.t.ppf(0.5 + LEVEL / 2, len(logs) - 1))
        spread = t * float(logs.std(ddof=1)) / len(logs) ** 0.5
    return {
        "estimate": math.exp(middle),
        "low": math.exp(middle - spread),
        "high": math.exp(middle + spread) if math.isfinite(spread) else None,
    }


def _ends(sweep: Sequence[Row], place: int) -> list[str]:
    """On which sides the sweep has nothing beyond a pair. No momentum at all is no end."""
    best = sweep[place]
    steps = sorted({round(each["lr"] / (1 - each["momentum"]), 9) for each in sweep})
    momenta = sorted({each["momentum"] for each in sweep})
    rates = {each["lr"] for each in sweep}
    found = ["momentum"] if best["momentum"] == momenta[-1] else []
    step = round(best["lr"] / (1 - best["momentum"]), 9)
    if len(rates) > 1 and step in (steps[0], steps[-1]):
        found.append("lr")
    return found


def verdict(cases: Sequence[Row]) -> Row | None:
    """Whether what was declared before is so: of the pair found, over all cases."""
    if not cases:
        return None
    found = [case["ways"]["found"] for case in cases]
    ratios = sorted(each["estimate"] if each else math.inf for each in found)
    nine = sorted(case["nine"]["estimate"] if case["nine"] else math.inf for case in cases)
    median, worst = float(np.median(ratios)), ratios[-1]
    measured = [case["ways"]["measured"] for case in cases]
    before = sorted(each["estimate"] if each else math.inf for each in measured)
    # Half-way a search is paid out of the whole training.
    cost = max(case["cost"] for case in cases)
    return {
        "cases": len(cases),
        "median": median,
        "worst": _finite(worst),
        "diverged": sum(each is None for each in found),
        "nine_median": float(np.median(nine)),
        "nine_worst": _finite(nine[-1]),
        "measured_median": _finite(float(np.median(before))),
        "measured_worst": _finite(before[-1]),
        "cost": cost,
        "yes": median <= MEDIAN and worst <= WORST and cost < COST,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
