"""Tables of the theory's forecasts."""

import math

import numpy as np

from studies.markdown import table
from studies.quotes.values import interval, number
from studies.study import Result


def forecasts(found: Result) -> str:
    """Forecast and swept prefactors and times, case by case."""
    heads = (
        "problem",
        "best C swept",
        "from the limit",
        "from the flow",
        "best time swept",
        "limit",
        "flow",
        "times over C: median gap",
    )
    rows = []
    for entry in [*found["committed"].values(), *found["varied"].values()]:
        told, times = entry["forecast"], entry.get("times")
        settings = ", ".join(f"`{k}` {v}" for k, v in entry.get("settings", {}).items())
        name = f"{entry['problem']}{', ' if settings else ''}{settings}"
        gap = times and math.expm1(times["median_absolute_log_ratio"])
        rows.append(
            [
                name,
                interval(entry.get("swept")),
                number(told["best_prefactor"]),
                number(told["flow_prefactor"]),
                number(entry.get("swept_time")),
                number(told["best_time"]),
                number(told["flow_time"]),
                "" if gap is None else f"{100 * gap:.0f}%",
            ]
        )
    note = (
        "Times in units of `lr^(-2/3)` steps. The first three rows are the committed sweeps at "
        "several learning rates, the others one learning rate each, 1e-3 or 1e-5. The last column "
        "is over the momenta within a factor of 5 in `1 - momentum` of the best at which the limit "
        "could be followed."
    )
    return table(heads, rows, note)


def noise_exponents(found: Result) -> str:
    """Slope of the swept best C against the label noise."""
    sentences = []
    for name, own in (("matrix-sensing", 0.1), ("scalar-product", 0.5)):
        points = [(own, found["committed"][name]["swept"])]
        points += [
            (entry["settings"]["noise_std"], entry["swept"])
            for entry in found["varied"].values()
            if entry["problem"] == name and "noise_std" in entry["settings"] and "swept" in entry
        ]
        slope, error = _slope(points)
        sentences.append(
            f"{name}: C ∝ eps^{slope:.3f} ± {2 * error:.3f} over eps "
            f"{min(p[0] for p in points):g} to {max(p[0] for p in points):g}"
        )
    return "; ".join(sentences) + " (two standard errors; theory: 2/3)."


def batches(found: Result) -> str:
    """Scaled times with minibatches as the learning rate falls."""
    told = found["batches"]
    size = told["settings"]["batch_size"]
    rows = []
    for row in told["rows"]:
        time = "more than half do not settle"
        if row["time"] is not None:
            high = "not known" if row["high"] is None else f"{row['high']:.3g}"
            time = f"{row['time']:.3g} ({row['low']:.3g} to {high})"
        rows.append([f"{row['lr']:g}", time])
    rows.append(["limit", number(told["limit"])])
    return table(("lr", f"time of SGD, batches of {size}, C {told['C']:g}"), rows)


def cost(found: Result) -> str:
    """What forecasts cost beside sweeps."""
    parts = []
    for name, entry in found["committed"].items():
        flow = entry["sweep_gradients"] / entry["flow_gradients"]
        part = f"{name}: {flow:,.1f} times fewer gradients than its sweep by the flow"
        if entry["forecast"]["best_prefactor"] is not None:
            whole = entry["sweep_gradients"] / entry["forecast_gradients"]
            part += f", {whole:,.1f} times with the limit's curve ({entry['seconds']:.0f} s)"
        parts.append(part)
    return "; ".join(parts) + "."


def _slope(points: list[tuple[float, dict[str, float]]]) -> tuple[float, float]:
    """Weighted slope in logs and its standard error, widened by the points' scatter."""
    x = np.log([noise for noise, _ in points])
    y = np.log([swept["estimate"] for _, swept in points])
    sigma = np.array([math.log(swept["high"] / swept["low"]) / 3.92 for _, swept in points])
    weight = sigma**-2
    centre = (weight @ x) / weight.sum()
    spread = weight @ (x - centre) ** 2
    slope = float(weight @ ((x - centre) * y) / spread)
    rest = y - slope * (x - centre)
    rest -= (weight @ rest) / weight.sum()
    scatter = max(1.0, float(weight @ rest**2) / max(len(x) - 2, 1))
    return slope, math.sqrt(scatter / spread)
