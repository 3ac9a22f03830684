"""What is read off: coverage with its uncertainty, agreement of sweeps, errors of rivals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from studies.adaptive.cases import FEW, LEAST_COVERAGE, MOST_COST, SMOOTH
from studies.missing import or_infinite
from studies.study import Result

Value = Mapping[str, float]


def summary(row: Mapping[str, Any]) -> Result:
    """One design and shape, of its sweeps' errors, widths and costs.

    Returns:
        The ``coverage`` with its 95% interval (Clopper and Pearson, Biometrika 26, 1934), ``bias``
        with its standard error, ``sd``, medians of ``width``, ``cost`` and the dense grid's
        ``dense_width``, the shares that ended by width and by scatter, and of rows run anew and
        longer, how many a sweep.
    """
    known = [place for place, error in enumerate(row["error"]) if error is not None]
    error = np.array([row["error"][place] for place in known])
    hits = int(np.sum(2 * np.abs(error) <= [row["width"][place] for place in known]))
    return {
        "design": row["design"],
        "shape": row["shape"],
        "sets": row["sets"],
        "failed": row["sets"] - len(known),
        "coverage": _share(hits, len(known)),
        "bias": float(np.mean(error)),
        "bias_error": float(np.std(error) / np.sqrt(max(len(error) - 1, 1))),
        "sd": float(np.std(error)),
        "width": _median(row["width"]),
        "cost": float(np.median(row["cost"])),
        "dense_width": _median(row["dense_width"]),
        "by_width": float(np.mean([why == "width" for why in row["ended"]])),
        "by_scatter": float(np.mean([why == "scatter" for why in row["ended"]])),
        "longer": float(np.mean(row["longer"])),
    }


def by_shape(rows: Sequence[Mapping[str, Any]]) -> list[Result]:
    """Each smooth shape, pooled over the designs, with what was to count as success.

    A quick look's few learning rates are left out.
    """
    found = []
    for shape in SMOOTH:
        own = [row for row in rows if row["shape"] == shape and row["design"] != FEW.name]
        if not own:
            continue
        keys = ("error", "width", "cost", "dense_width", "ended", "longer")
        pooled = summary(
            {
                "design": "all",
                "shape": shape,
                "sets": sum(row["sets"] for row in own),
                **{key: [value for row in own for value in row[key]] for key in keys},
            }
        )
        pooled["success"] = {
            "coverage": pooled["coverage"]["estimate"] >= LEAST_COVERAGE,
            "bias": abs(pooled["bias"]) < pooled["width"] / 4,
            "cost": max(summary(row)["cost"] for row in own) <= MOST_COST,
        }
        found.append(pooled)
    return found


def _median(values: Sequence[float | None]) -> float:
    """The median, where none is wider than any."""
    return float(np.median(or_infinite(values)))


def _share(hits: int, total: int) -> Value:
    """A share with its exact 95% interval."""
    low = stats.beta.ppf(0.025, hits, total - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, total - hits) if hits < total else 1.0
    return {"estimate": hits / max(total, 1), "low": float(low), "high": float(high)}


def agreement(adaptive: Mapping[str, Any], dense: Mapping[str, Any]) -> Result:
    """Whether an adaptive sweep found what a dense one did, as was to count as success."""
    verdicts = {
        name: overlap(adaptive[name], dense[name]) and close(adaptive[name], dense[name])
        for name in ("exponent", "C")
    }
    ratio = adaptive["steps"] / dense["steps"]
    return {"ratio": ratio, **verdicts, "cost": ratio <= MOST_COST}


def overlap(one: Value, other: Value) -> bool:
    """Whether two intervals have a point in common."""
    return one["low"] <= other["high"] and other["low"] <= one["high"]


def close(one: Value, other: Value) -> bool:
    """Whether two estimates differ by less than their joint error.

    That is the root of the sum of both half-widths squared: the 95% error of a difference of
    independent estimates. These are not independent, which makes it too wide: seeds are shared.
    """
    joint = np.hypot(one["high"] - one["low"], other["high"] - other["low"]) / 2
    return bool(abs(one["estimate"] - other["estimate"]) <= joint)


def root_mean_square(squares: Iterable[float | None]) -> Value:
    """Root of the mean of squares, and its standard error; those that are missing are left out."""
    known = np.array([square for square in squares if square is not None])
    if not len(known):
        return {"estimate": float("nan"), "error": float("nan"), "known": 0}
    root = float(np.sqrt(np.mean(known)))
    error = float(np.std(known) / (2 * max(root, 1e-12) * np.sqrt(max(len(known) - 1, 1))))
    return {"estimate": root, "error": error, "known": len(known)}
