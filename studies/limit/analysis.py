"""From the kept parts of the study to its tables: gaps, distances and rates."""

from pathlib import Path
from typing import Any

import numpy as np

from studies.limit.cases import Case
from studies.limit.cells import read_cell, sgd_name
from studies.limit.gap import Curve, Distance, distance, largest, rate
from studies.limit.simulation import Ensemble

DIGITS = 6
"""Decimals of curves: their errors are larger."""


def analysed(case: Case, folder: Path) -> dict[str, Any]:
    """All there is of a case.

    Returns:
        ``rows`` (one for each C and learning rate), ``rates`` (one for each C and observable),
        ``partings`` (random amplitudes less mean field, one for each C) and ``curves`` (those of
        the smallest learning rate).
    """
    told = {
        kind: found
        for kind in ("mean-field", "random")
        if (found := read_cell(f"{kind}.{case.name}", folder)) is not None
    }
    sgd = {
        lr: found for lr in case.lrs if (found := read_cell(sgd_name(case, lr), folder)) is not None
    }
    limit = "random" if case.random is not None else "mean-field"
    result: dict[str, Any] = {
        "case": case.name,
        "modes": case.modes,
        "observables": list(case.observables),
        "limit": limit,
        "rows": [],
        "rates": [],
        "partings": [],
        "curves": [],
    }
    if "mean-field" not in told or limit not in told:
        return result
    for place, C in enumerate(case.C):
        for lr, found in sgd.items():
            result["rows"].append(_row(case, place, lr, found, told, limit))
        for k, observable in enumerate(case.observables):
            distances = {
                lr: distance(_less(case, found, told[limit], place, k)) for lr, found in sgd.items()
            }
            result["rates"].append(_rates(C, observable, distances))
        result["partings"].append(_parting(case, place, told))
        if sgd:
            least = min(sgd)
            result["curves"].append(_curves(case, place, least, sgd[least], told))
    return result


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
        "C": case.C[place],
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


def _rates(C: float, observable: str, distances: dict[float, Distance]) -> dict[str, Any]:
    """The rate over all learning rates, and over the smaller half of them."""
    found: dict[str, Any] = {"C": C, "observable": observable}
    lrs = sorted(distances)
    for name, chosen in (("all", lrs), ("smaller_half", lrs[: (len(lrs) + 1) // 2])):
        told = rate(chosen, [distances[lr] for lr in chosen]) if len(chosen) > 2 else None
        found[name] = None if told is None else told._asdict()
    return found


def _parting(case: Case, place: int, told: dict[str, Ensemble]) -> dict[str, Any]:
    found: dict[str, Any] = {"C": case.C[place]}
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
        "C": case.C[place],
        "lr": lr,
        "time": listed(case.times[1:]),
        "mean": listed(mean),
        "spread": listed((np.diag(covariance) * found.runs[place]) ** 0.5),
    }
    for kind, ensemble in told.items():
        result[kind.replace("-", "_")] = listed(curve(case, ensemble, place, 0).mean)
    return result
