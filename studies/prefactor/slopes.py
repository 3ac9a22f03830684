"""How the best C swept goes with noise, examples, h and a problem's other settings."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from flatfast.lab.estimation.power_law import fit_power_law
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.theory import best_ratio

PROBLEMS = ("digits-mlp", "teacher-student", "matrix-sensing", "scalar-product")

RESAMPLES = 500
NORMAL = 1.96
LEAST_RANGE = 1.3
"""Between the least and the greatest point of a slope, for it to say anything."""

Row = dict[str, Any]


def exponents(rows: list[Row]) -> list[Row]:
    """Slopes in logs: of C over the noise, over batch size and P, and of the scaled C over h."""
    found = []
    swept = [row for row in rows if "swept" in row and "predicted" in row]

    def add(name: str, over: str, theory: float, chosen: Iterable[Row]) -> None:
        points = [_point(row, over) for row in chosen]
        x = sorted({point["x"] for point in points})
        if len(x) >= 3 and x[-1] >= LEAST_RANGE * x[0]:
            found.append({"name": name, "over": over, "theory": theory, **_slope(points)})

    for problem in PROBLEMS:
        same = [
            row
            for row in swept
            if row["problem"] == problem
            and set(row["settings"]) <= {"noise_std"}
            and _one_kind(row, rows)
        ]
        add(problem, "noise_std", 2 / 3, same)
    full = [row for row in swept if "batch_size" not in row["settings"]]
    sizes = [
        row
        for row in full
        if row["problem"] == "matrix-sensing" and set(row["settings"]) <= {"examples"}
    ]
    add("matrix-sensing, P", "batch", -1 / 3, sizes)
    for problem in PROBLEMS:
        kinds = [
            row for row in full if row["problem"] == problem and "noise_std" not in row["settings"]
        ]
        add(problem, "h", 1 / 3, [row for row in kinds if _one_kind(row, rows)])
    plain = [row for row in full if "noise_std" not in row["settings"]]
    add("all problems", "h", 1 / 3, [row for row in plain if _one_kind(row, rows)])
    return found


def _one_kind(row: Row, rows: list[Row]) -> bool:
    """Whether a committed sweep is not stood in for by one at the cases' own learning rate."""
    if row["source"] != "committed sweep":
        return True
    return not any(
        other["source"] == "swept here"
        and other["problem"] == row["problem"]
        and other["settings"] == row["settings"]
        and "swept" in other
        for other in rows
    )


def _point(row: Row, over: str) -> Row:
    """A point of a slope: C against noise or batch; against h in units of noise and goal."""
    unit = 1.0
    if over == "h":
        unit = (row["noise_std"] ** 2 / row["batch"]) ** (1 / 3) * best_ratio(row["fraction"]).ratio
    x = row["predicted"]["flow"]["critical"] ** 3 * row["batch"] / row["noise_std"] ** 2
    values = {key: row["swept"][key] / unit for key in ("estimate", "low", "high")}
    return {"problem": row["problem"], "x": float(x if over == "h" else row[over]), **values}


def _slope(points: list[Row]) -> Row:
    """Weighted slope in logs and its 95% interval, which counts scatter beyond the points' own."""
    x = np.log([point["x"] for point in points])
    y = np.log([point["estimate"] for point in points])
    width = np.array([standard_error(point) for point in points])
    drawn = y + width * np.random.default_rng(0).standard_normal((RESAMPLES, len(y)))
    line = fit_power_law(x, y, drawn)
    parts = [(line.seed_variance, float(RESAMPLES)), (line.scatter_variance, float(len(x) - 2))]
    reach = t_quantile(0.95, parts) * math.sqrt(line.seed_variance + line.scatter_variance)
    slope = {"estimate": line.slope, "low": line.slope - reach, "high": line.slope + reach}
    return {"slope": slope, "intercept": line.intercept, "points": points}


def standard_error(value: Row) -> float:
    """Standard error of a value's logarithm, from its 95% interval."""
    return math.log(value["high"] / value["low"]) / (2 * NORMAL)


def varied(rows: list[Row]) -> list[Row]:
    """One setting changed, noise and batch aside: best C and the flow's, over those of the base."""
    swept = [row for row in rows if "swept" in row and "predicted" in row]
    bases = {row["problem"]: row for row in swept if not row["settings"] and _one_kind(row, rows)}
    found = []
    for row in swept:
        base = bases.get(row["problem"])
        names = set(row["settings"])
        if base is None or not names or names & {"noise_std", "batch_size"}:
            continue
        change = math.log(row["swept"]["estimate"] / base["swept"]["estimate"])
        reach = NORMAL * math.hypot(standard_error(row["swept"]), standard_error(base["swept"]))
        ends = {"estimate": change, "low": change - reach, "high": change + reach}
        found.append(
            {
                "problem": row["problem"],
                "settings": row["settings"],
                "swept": {key: math.exp(value) for key, value in ends.items()},
                "flow": row["predicted"]["flow"]["C"] / base["predicted"]["flow"]["C"],
                "critical": row["predicted"]["flow"]["critical"]
                / base["predicted"]["flow"]["critical"],
            }
        )
    return found
