"""The best mu beside ``a S + b D``: fitted on FashionMNIST, judged elsewhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from studies.ordinary.cases import FITTED_ON, SHARES, WHEN

Row = dict[str, Any]
Array = NDArray[np.float64]

N_BOOT = 400

HALF_WAY = 0.5

INSIDE_MEDIAN, INSIDE_WORST = 1.5, 3.0
"""What counts as a yes."""


def analysis(looks: dict[str, list[Row]]) -> Row:
    """Coefficients, and ratios of predicted to best mu, at every point of the runs.

    Returns:
        ``points``, one a share of the way: ``a`` and ``b`` with 95% intervals, resampled over the
        pairs of batch and learning rate, and ``ratios`` by sweep. And ``nine``: how often momentum
        0.9 lies outside a factor of three of the best mu.
    """
    points = [_at(looks, share) for share in SHARES]
    best = np.array([row["best_mu"] for rows in looks.values() for row in rows])
    outside = np.abs(np.log(0.1 / best)) > np.log(3) if len(best) else np.zeros(0, bool)
    return {
        "points": points,
        "nine": {"pairs": len(best), "outside": int(outside.sum())},
        "inside": _inside(looks),
        "verdict": _verdict(chosen({"points": points})),
    }


def chosen(result: Row) -> Row:
    """Of the points looked at, the one that the question is about."""
    found: Row = next(point for point in result["points"] if point["share"] == WHEN)
    return found


def kind_of(name: str) -> str:
    """Which training a sweep is of, of its name."""
    kinds = {"fashion": "FashionMNIST", "digits": "digits", "student": "teacher and student"}
    return kinds.get(name.split("-")[0], "matrix sensing")


def _at(looks: dict[str, list[Row]], share: float) -> Row:
    seen = {name: bounds(rows, share) for name, rows in looks.items()}
    fitted = [part for name, part in seen.items() if name.startswith(FITTED_ON) and len(part)]
    if not fitted:
        return {"share": share, "a": None, "b": None, "ratios": {}}
    data = np.concatenate(fitted)
    a, b = fit(data)
    rng = np.random.default_rng(0)
    drawn = [fit(data[rng.integers(len(data), size=len(data))]) for _ in range(N_BOOT)]
    ends = np.quantile(drawn, (0.025, 0.975), axis=0)
    ratios = {
        name: [
            {"lr": float(row[0]), "ratio": float((a * row[2] + b * row[3]) / row[1])}
            for row in part
        ]
        for name, part in seen.items()
    }
    return {
        "share": share,
        "a": {"estimate": a, "low": float(ends[0, 0]), "high": float(ends[1, 0])},
        "b": {"estimate": b, "low": float(ends[0, 1]), "high": float(ends[1, 1])},
        "ratios": ratios,
    }


def bounds(rows: list[Row], share: float) -> Array:
    """(N, 4): learning rate, best mu, S and D; D is 0 where no look could tell it."""
    found = []
    for row in rows:
        seen = next(point["seen"] for point in row["points"] if point["share"] == share)
        damps = [one["damps"] for one in seen if one["damps"] is not None]
        settles = np.mean([one["settles"] for one in seen])
        found.append((row["lr"], row["best_mu"], settles, np.mean(damps) if damps else 0.0))
    return np.array(found, float).reshape(-1, 4)


def fit(data: Array) -> tuple[float, float]:
    """Positive a and b with the least squares of ``log(a S + b D) - log(best)``.

    Args:
        data: (N, 4), as above.
    """
    _, best, settles, damps = data.T

    def off(logs: Array) -> Array:
        a, b = np.exp(logs)
        found: Array = np.log(a * settles + b * damps + 1e-12) - np.log(best)
        return found

    found = np.exp(least_squares(off, np.log([5.0, 0.7]), bounds=(-7, 7)).x)
    return float(found[0]), float(found[1])


def _verdict(point: Row) -> Row | None:
    """Of the sweeps that nothing was fitted on."""
    logs = [
        abs(float(np.log(row["ratio"])))
        for name, rows in point["ratios"].items()
        if not name.startswith(FITTED_ON)
        for row in rows
    ]
    if not logs:
        return None
    median, worst = float(np.exp(np.median(logs))), float(np.exp(max(logs)))
    yes = median <= INSIDE_MEDIAN and worst <= INSIDE_WORST
    return {"pairs": len(logs), "median": median, "worst": worst, "yes": yes}


def _inside(looks: dict[str, list[Row]]) -> Row | None:
    """Least multiples of S and of D that the best mu was, half way, and what it was at most.

    The most is ``max(u S, v D)`` with the ratio of u and v that makes it tightest.
    """
    data = np.concatenate([bounds(rows, HALF_WAY) for rows in looks.values()] or [np.zeros((0, 4))])
    if not len(data):
        return None
    _, best, settles, damps = data.T
    batches, seen = settles > 0, damps > 0
    if not (batches.any() and seen.any()):
        return None
    shares = np.geomspace(1, 20, 200)  # u over v
    scales = [float((best / np.maximum(share * settles, damps)).max()) for share in shares]
    widths = [
        scale * np.maximum(share * settles, damps)
        for share, scale in zip(shares, scales, strict=True)
    ]
    tightest = int(np.argmin([np.log(width / best).mean() for width in widths]))
    v = scales[tightest]
    return {
        "pairs": len(data),
        "settles": float((best[batches] / settles[batches]).min()),
        "damps": float((best[seen] / damps[seen]).min()),
        "most": [v * float(shares[tightest]), v],
    }
