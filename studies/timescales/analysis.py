"""Where the measured curves meet, and how near the best momentum that is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from flatfast.lab.estimation.power_law import fit_power_law
from flatfast.lab.estimation.resampling import t_quantile
from flatfast.law import GAMMA
from flatfast.theory import settling_time
from studies.study import RESULTS, read_json
from studies.timescales.cases import RATIOS, key

DRAWS = 4000
"""Of the measured times within their errors, for the interval of a crossing."""

FREEDOM = 19
"""Degrees of freedom of the measured errors: those of the jackknife's groups."""


def crossings(rows: Sequence[Mapping[str, Any]], lrs: Sequence[float]) -> list[dict[str, Any]]:
    """Where the measured curves meet at each learning rate, with draws within their errors.

    tau_1 is that of the softest mode, the slowest where modes differ.

    Args:
        rows: What was measured, pair by pair.
        lrs: Learning rates.
    """
    found: list[dict[str, Any]] = []
    rng = np.random.default_rng(0)
    for lr in lrs:
        here = [row for row in rows if row["lr"] == lr and "tau_2" in row]
        log_mu = np.log([row["mu"] for row in here])
        pairs = [(row["tau_1"]["softest"], row["tau_2"]) for row in here]
        ratio = np.array([np.log(across["time"] / along["time"]) for across, along in pairs])
        error = np.array(
            [np.hypot(across["relative_error"], along["relative_error"]) for across, along in pairs]
        )
        drawn = ratio + error * rng.standard_normal((DRAWS, len(ratio)))
        places = np.array([_zero(log_mu, draw) for draw in drawn])
        low, high = np.exp(np.nanquantile(places, (0.025, 0.975)))
        at = _zero(log_mu, ratio)
        height = np.interp(at, log_mu, np.log([row["tau_2"]["time"] for row in here]))
        found.append(
            {
                "lr": lr,
                "mu": float(np.exp(at)),
                "low": float(low),
                "high": float(high),
                "time": float(np.exp(height)),
                "error": float(np.nanstd(places)),
            }
        )
    return found


def meeting_ratio() -> float:
    """Where both times meet in a parabola, in units of where their closed forms do.

    There tau_1 is ``2 / q``, and tau_2 that of a heavy ball which the noise has to raise.
    """
    found = brentq(lambda q: float(settling_time(q, np.exp(-1))) - 2 / q, 0.3, 1.0)
    return float(found)


def _zero(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Where a falling curve last goes through zero, on straight lines; NaN if it does not."""
    above = np.flatnonzero(y[:-1] > 0)
    if not len(above) or y[above[-1] + 1] > 0:
        return float("nan")
    i = above[-1]
    return float(x[i] + (x[i + 1] - x[i]) * y[i] / (y[i] - y[i + 1]))


def summary(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Crossings, their exponent and level, and their ratio to the sweep's best momentum.

    Args:
        name: The problem's.
        entry: What was measured on it.

    Returns:
        Nothing unless two learning rates are measured at all momenta about the crossing.
    """
    rows = entry["rows"]
    lrs = sorted({row["lr"] for row in rows.values()})
    lrs = [lr for lr in lrs if all(key(lr, ratio) in rows for ratio in RATIOS)]
    if len(lrs) < 2 or "prefactor" not in entry:
        return {}
    found = crossings(list(rows.values()), lrs)
    swept = swept_on(name)
    best = {point["eta"]: point["estimate"] for point in swept["best_mu"] if point["located"]}
    for point in found:
        point["best_mu"] = best.get(point["lr"])
    x = np.log([point["lr"] for point in found])
    y = np.log([point["mu"] for point in found])
    errors = np.array([point["error"] for point in found])
    boot = y + errors * np.random.default_rng(1).standard_normal((DRAWS, len(y)))
    line = fit_power_law(x, y, boot)
    level = fit_power_law(np.zeros(len(x)), y - GAMMA * x, boot - GAMMA * x)
    C = with_interval(
        level.intercept, level.level_seed_variance, level.level_scatter_variance, len(x) - 1
    )
    own = with_interval(line.slope, line.seed_variance, line.scatter_variance, len(x) - 2)
    at = {end: float(np.exp(value)) for end, value in C.items()}
    best_C = {end: swept["best_C"][end] for end in ("estimate", "low", "high")}
    error = np.hypot(*(np.log(met["high"] / met["low"]) for met in (at, best_C)))
    ratio = at["estimate"] / best_C["estimate"]
    return {
        "crossings": found,
        "exponent": own,
        "C": at,
        "parabola": entry["prefactor"] * meeting_ratio(),
        "best_C": best_C,
        "ratio": {
            "estimate": ratio,
            "low": float(ratio * np.exp(-error / 2)),
            "high": float(ratio * np.exp(error / 2)),
        },
    }


def swept_on(name: str) -> dict[str, Any]:
    """Summary of the committed sweep on a problem."""
    found: dict[str, Any] = read_json(RESULTS / name / "summary.json", None)
    return found


def with_interval(estimate: float, errors: float, scatter: float, freedom: int) -> dict[str, float]:
    """Estimate and ends, from the variance by the points' errors and that by their scatter."""
    parts = [(errors, float(FREEDOM)), (scatter, float(max(freedom, 1)))]
    reach = t_quantile(0.95, parts) * float(np.sqrt(errors + scatter))
    return {"estimate": estimate, "low": estimate - reach, "high": estimate + reach}
