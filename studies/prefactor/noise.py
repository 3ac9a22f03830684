"""Noise and learning rate as one axis: every best C swept with label noise, problem by problem.

SGD near the manifold depends on both through ``eps^2 lr^(1/2)`` alone (``docs/regimes.md``), so
``C = eps^(2/3) g(eps^4 lr)``. Where ``C ~ eps^b lr^s``, then, ``b = 2/3 + 4 s``; where g is flat,
b is 2/3.
"""

import math

import numpy as np
from scipy.stats import t as student

from flatfast.law import GAMMA
from studies.prefactor.cases import OWN_NOISE, Case
from studies.prefactor.slopes import Row, standard_error
from studies.study import RESULTS, read_json

CALIBRATION = RESULTS / "calibration/calibration.json"
"""Sweeps over noise and learning rate, made to test calibrations (``studies.calibration``)."""

LEAST = 6
"""Points that a plane needs here."""

GRADIENT = np.array([0.0, 1.0, -4.0])
"""Of ``b - 4 s`` in (intercept, b, s)."""


def all_optima(rows: list[Row]) -> list[tuple[str, Row]]:
    """Every best C there is at one noise and one learning rate, by the rest of its settings."""
    return [*_of_rows(rows), *_committed(), *_calibrated()]


def noise_laws(optima: list[tuple[str, Row]]) -> list[Row]:
    """Exponents of ``C ~ eps^b lr^s`` for each problem, and ``b - 4 s``, by theory 2/3."""
    kinds: dict[str, list[Row]] = {}
    for name, point in optima:
        kinds.setdefault(name, []).append(point)
    found = []
    for name, points in kinds.items():
        several = all(len({p[axis] for p in points}) > 1 for axis in ("lr", "noise_std"))
        if len(points) >= LEAST and several:
            points.sort(key=lambda point: float(point["noise_std"] ** 4 * point["lr"]))
            found.append({"name": name, **_plane(points), "points": points})
    return found


def _plane(points: list[Row]) -> Row:
    """Weighted least squares; errors grow with scatter beyond the points' own."""
    lr, noise, C = (
        np.log([point[key] for point in points]) for key in ("lr", "noise_std", "estimate")
    )
    weight = 1 / np.array([standard_error(point) for point in points])
    design = np.stack([np.ones(len(C)), noise, lr], 1)
    solution = np.linalg.lstsq(design * weight[:, None], C * weight, rcond=None)[0]
    left = (C - design @ solution) * weight
    free = len(C) - 3
    covariance = np.linalg.inv((design * weight[:, None]).T @ (design * weight[:, None]))
    covariance *= max(1.0, float(left @ left) / free)
    reach = float(student.ppf(0.975, free))

    def told(gradient: np.ndarray) -> Row:
        value = float(gradient @ solution)
        error = reach * math.sqrt(float(gradient @ covariance @ gradient))
        return {"estimate": value, "low": value - error, "high": value + error}

    along = noise * 4 + lr
    collapsed = C - GAMMA * noise
    slope, intercept = np.polyfit(along, collapsed, 1, w=weight)
    return {
        "noise": told(np.array([0.0, 1.0, 0.0])),
        "lr": told(np.array([0.0, 0.0, 1.0])),
        "invariant": told(GRADIENT),
        "collapse": {
            "slope": float(slope),
            "intercept": float(intercept),
            "scatter": float(np.std(collapsed - slope * along - intercept)),
        },
    }


def _of_rows(rows: list[Row]) -> list[tuple[str, Row]]:
    return [
        (
            Case(row["problem"], row["settings"]).manifold().key,
            {
                "lr": row["lr"],
                "noise_std": float(row["settings"].get("noise_std", OWN_NOISE[row["problem"]])),
                **row["swept"],
            },
        )
        for row in rows
        if "swept" in row and row["lr"] is not None and "batch_size" not in row["settings"]
    ]


def _committed() -> list[tuple[str, Row]]:
    found = []
    for problem, noise in OWN_NOISE.items():
        summary = read_json(RESULTS / problem / "summary.json", {})
        for lr, mu in zip(summary["etas"], summary["best_mu"], strict=True):
            if mu["located"]:
                C = {key: mu[key] * lr**-GAMMA for key in ("estimate", "low", "high")}
                found.append((f"{problem} {{}}", {"lr": lr, "noise_std": noise, **C}))
    return found


def _calibrated() -> list[tuple[str, Row]]:
    found = []
    for case in read_json(CALIBRATION, {"sweeps": {}})["sweeps"].values():
        noise = case["settings"].get("noise_std")
        if noise is None or "data_seed" in case["settings"]:
            # Flips; one of the problems that are the calibration study's own; or data of another
            # seed, at a single noise.
            continue
        manifold = Case(case["problem"], case["settings"]).manifold()
        for rate in case["rates"]:
            if rate["located"]:
                low, high = rate["best_C_interval"]
                C = {"estimate": rate["best_C"], "low": low, "high": high}
                point = {"lr": rate["lr"], "noise_std": noise, **C}
                found.append((manifold.key, point))
    return found
