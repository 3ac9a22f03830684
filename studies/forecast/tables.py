"""Tables of the theory's forecasts, from ``results/forecast/forecast.json``."""

import math
from typing import Any

import numpy as np

from studies.quotes.values import load

FOUND = "results/forecast/forecast.json"


def forecasts() -> str:
    """Forecast and swept prefactors and times, case by case."""
    found = load(FOUND)
    if found is None:
        return "not measured yet"
    lines = [
        "| problem | best C swept | from the limit | from the flow | best time swept | limit "
        "| flow | times over C: median gap |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in [*found["committed"].values(), *found["varied"].values()]:
        told, times = entry["forecast"], entry.get("times")
        settings = ", ".join(f"`{k}` {v}" for k, v in entry.get("settings", {}).items())
        name = f"{entry['problem']}{', ' if settings else ''}{settings}"
        swept = entry.get("swept")
        cells = [
            name,
            "not located" if swept is None else _interval(swept),
            _number(told["best_prefactor"]),
            _number(told["flow_prefactor"]),
            _number(entry.get("swept_time")),
            _number(told["best_time"]),
            _number(told["flow_time"]),
            "" if times is None else f"{100 * math.expm1(times['median_absolute_log_ratio']):.0f}%",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    note = (
        "(Times in units of `lr^(-2/3)` steps. The first three rows are the committed sweeps at "
        "several learning rates, the others one learning rate each, 1e-3 or 1e-5. The last column "
        "is over the momenta within a factor of 5 in `1 - momentum` of the best at which the limit "
        "could be followed.)"
    )
    return "\n".join([*lines, "", note])


def noise_exponents() -> str:
    """Slope of the swept best C against the label noise."""
    found = load(FOUND)
    if found is None:
        return "not measured yet"
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


def batches() -> str:
    """Scaled times with minibatches as the learning rate falls."""
    found = load(FOUND)
    if found is None:
        return "not measured yet"
    told = found["batches"]
    size = told["settings"]["batch_size"]
    lines = [f"| lr | time of SGD, batches of {size}, C {told['C']:g} |", "| --- | --- |"]
    for row in told["rows"]:
        time = "more than half do not settle"
        if row["time"] is not None:
            high = "not known" if row["high"] is None else f"{row['high']:.3g}"
            time = f"{row['time']:.3g} ({row['low']:.3g} to {high})"
        lines.append(f"| {row['lr']:g} | {time} |")
    lines.append(f"| limit | {told['limit']:.3g} |")
    return "\n".join(lines)


def cost() -> str:
    """What forecasts cost beside sweeps."""
    found = load(FOUND)
    if found is None:
        return "not measured yet"
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


def _interval(value: dict[str, Any]) -> str:
    return f"{value['estimate']:.3g} ({value['low']:.3g} to {value['high']:.3g})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
