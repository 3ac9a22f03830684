"""From the kept parts of the study to its tables: gaps, distances and rates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.limit.cases import Case
from studies.limit.ensemble import Ensemble, kept, kept_by_lr
from studies.limit.gap import Curve, Distance, distance, largest, rate

DIGITS = 6
"""Decimals of curves: their errors are larger."""

Rows = list[dict[str, Any]]


def analysed(case: Case, folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    """All there is of a case.

    Args:
        case: The case.
        folder: Where parts are kept.
        before: What was known, for what needs parts that are not there; empty if nothing.

    Returns:
        ``rows`` (one for each C and learning rate), ``rates`` (one for each C and observable),
        ``partings`` (random amplitudes less mean field, one for each C) and ``curves`` (those of
        the smallest learning rate).
    """
    limit = "random" if case.paths else "mean-field"
    result: dict[str, Any] = {
        "case": case.name,
        "modes": case.modes,
        "observables": list(case.observables),
        "limit": limit,
        **{kind: before.get(kind, []) for kind in ("rows", "rates", "partings", "curves")},
    }
    told = {
        kind: found
        for kind in dict.fromkeys(("mean-field", limit))
        if (found := kept(folder, f"{kind}.{case.name}")) is not None
    }
    if not {"mean-field", limit} <= set(told):
        return result
    places = range(len(told["mean-field"].C))
    partings = [_parting(case, place, told) for place in places]
    result["partings"] = _joined(result["partings"], partings, ("C",))
    sgd = kept_by_lr(folder, f"sgd.{case.name}")
    if not sgd:
        return result
    rows = [_row(case, place, lr, sgd[lr], told, limit) for place in places for lr in sgd]
    result["rows"] = _joined(result["rows"], rows, ("C", "lr"))
    result["rates"] = _rates(case, result["rows"])
    least = min(sgd)
    if least == min(row["lr"] for row in result["rows"]):
        curves = [_curves(case, place, least, sgd[least], told) for place in places]
        result["curves"] = _joined(result["curves"], curves, ("C",))
    return result


def _joined(before: Rows, found: Rows, keys: Sequence[str]) -> Rows:
    """What is found, and of before what is not; by C, then by falling learning rate."""
    by_key = {tuple(row[key] for key in keys): row for row in [*before, *found]}
    return sorted(by_key.values(), key=lambda row: (row["C"], -row.get("lr", 0)))


def curve(case: Case, found: Ensemble, place: int, k: int) -> Curve:
    """The mean of one observable at one C, with its errors."""
    kept = slice(k, None, len(case.observables))
    return Curve(found.mean[place, kept], found.covariance[place, kept, kept] / found.runs[place])


def _less(case: Case, found: Ensemble, told: Ensemble, place: int, k: int) -> Curve:
    return curve(case, found, place, k).less(curve(case, told, place, k))


def _gap(case: Case, difference: Curve) -> dict[str, float]:
    found = largest(difference)
    return {
        "estimate": found.estimate,
        "standard_error": found.standard_error,
        "time": float(case.times[1:][found.place]),
    }


def _spread(case: Case, found: Ensemble, place: int) -> float:
    """Standard deviation of runs in the first observable at the last time."""
    last = -len(case.observables)
    return float(found.covariance[place, last, last] ** 0.5)


def _row(
    case: Case, place: int, lr: float, found: Ensemble, told: dict[str, Ensemble], limit: str
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "C": float(found.C[place]),
        "lr": lr,
        "runs": int(found.runs[place]),
        "lost": int(found.lost[place]),
        "spread_of_runs": _spread(case, found, place),
        "from_mean_field": _gap(case, _less(case, found, told["mean-field"], place, 0)),
        "distances": [
            distance(_less(case, found, told[limit], place, k))._asdict()
            for k in range(len(case.observables))
        ],
    }
    if "random" in told:
        row["spread_of_limit"] = _spread(case, told["random"], place)
        row["from_random"] = _gap(case, _less(case, found, told["random"], place, 0))
    return row


def _rates(case: Case, rows: Rows) -> Rows:
    """Of every C and observable: over all learning rates, and over the smaller half of them."""
    found: Rows = []
    for C in dict.fromkeys(row["C"] for row in rows):
        here = sorted((row for row in rows if row["C"] == C), key=lambda row: row["lr"])
        for k, observable in enumerate(case.observables):
            entry: dict[str, Any] = {"C": C, "observable": observable}
            half = here[: (len(here) + 1) // 2]
            for name, chosen in (("all", here), ("smaller_half", half)):
                distances = [Distance(**row["distances"][k]) for row in chosen]
                told = rate([row["lr"] for row in chosen], distances) if len(chosen) > 2 else None
                entry[name] = None if told is None else told._asdict()
            found.append(entry)
    return found


def _parting(case: Case, place: int, told: dict[str, Ensemble]) -> dict[str, Any]:
    found: dict[str, Any] = {"C": float(told["mean-field"].C[place])}
    if "random" in told:
        found["random"] = _gap(case, _less(case, told["random"], told["mean-field"], place, 0))
    return found


def _curves(
    case: Case, place: int, lr: float, found: Ensemble, told: dict[str, Ensemble]
) -> dict[str, Any]:
    """Of the first observable."""

    def listed(values: Any) -> list[float]:
        return [round(float(value), DIGITS) for value in values]

    mean, covariance = curve(case, found, place, 0)
    result: dict[str, Any] = {
        "C": float(found.C[place]),
        "lr": lr,
        "time": listed(case.times[1:]),
        "mean": listed(mean),
        "spread": listed((np.diag(covariance) * found.runs[place]) ** 0.5),
    }
    for kind, ensemble in told.items():
        result[kind.replace("-", "_")] = listed(curve(case, ensemble, place, 0).mean)
    return result
