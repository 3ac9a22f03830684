"""Measured against predicted tau_1 and tau_2, from ``results/timescales/timescales.json``."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from studies.markdown import NOT_YET, table
from studies.quotes.values import interval
from studies.study import Result

NEAR = 0.7
"""``C``, in units of the predicted crossing, below which tau_1 exceeds tau_2."""


def across(found: Result) -> str:
    """tau_1: measured over closed form, by problem, mode and regime."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    lines = []
    for name, entry in problems.items():
        modes = next(iter(entry["rows"].values()))["tau_1"]
        for mode, curvature in zip(modes, entry["curvature_at_rest"], strict=True):
            groups: dict[str, list[dict[str, float]]] = {}
            for row in entry["rows"].values():
                tau = row["tau_1"][mode]
                slow = ", longer than tau_2" if row["ratio"] < NEAR else ""
                groups.setdefault(tau["regime"] + slow, []).append(tau)
            for regime, taus in groups.items():
                ratios = [tau["time"] / tau["predicted"] for tau in taus]
                errors = [tau["relative_error"] for tau in taus]
                held = sum(tau["low"] <= tau["predicted"] <= tau["high"] for tau in taus)
                cells = [
                    name,
                    f"λ = {curvature:.3g}",
                    regime,
                    str(len(taus)),
                    _spread(ratios),
                    _percent(errors),
                    f"{held} of {len(taus)}",
                ]
                lines.append(cells)
    runs = ", ".join(f"{entry['runs']} on {name}" for name, entry in problems.items())
    heads = (
        "problem",
        "mode at rest",
        "regime",
        "pairs",
        "measured over closed form: median (least to most)",
        "standard errors",
        "95% intervals that hold it",
    )
    return table(heads, lines, f"Runs of each pair: {runs}, with noise of their own.")


def noise(found: Result) -> str:
    """tau_1 as the noise falls, where it is off the most."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    parts = []
    for name, entry in problems.items():
        rows = entry["noise"]
        told = _with_errors(rows)
        shares = ", ".join(f"{row['share']:g}" for row in rows)
        parts.append(f"{name}, lr {rows[0]['lr']:g}: {told} with {shares} of its noise")
    return "; ".join(parts) + "."


def corner(found: Result) -> str:
    """tau_1 at the smallest C, as the learning rate falls."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    parts = []
    for name, entry in problems.items():
        least = min(row["ratio"] for row in entry["rows"].values())
        rows = [row for row in entry["rows"].values() if row["ratio"] == least][::-1]
        told = _with_errors([row["tau_1"]["softest"] for row in rows])
        lrs = ", ".join(f"{row['lr']:g}" for row in rows)
        parts.append(f"{name}: {told} at lr {lrs}")
    return "; ".join(parts) + "."


def along(found: Result) -> str:
    """tau_2: measured over its predictions, by C."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    lines = []
    for name, entry in problems.items():
        by_ratio: dict[float, list[Mapping[str, Any]]] = {}
        for row in entry["rows"].values():
            if "tau_2" in row:
                by_ratio.setdefault(row["ratio"], []).append(row)
        for ratio, rows in by_ratio.items():
            limit = entry["limit"].get(f"{ratio:g}")
            times = [row["tau_2"]["time"] for row in rows]
            cells = [
                name,
                f"{ratio:g}",
                _spread([row["tau_2"]["time"] / row["tau_2"]["predicted"] for row in rows]),
                _spread([row["tau_2"]["time"] / row["oscillator"] for row in rows]),
                ""
                if limit is None
                else _spread(
                    [t * row["lr"] ** (2 / 3) / limit for t, row in zip(times, rows, strict=True)]
                ),
                _percent([row["tau_2"]["relative_error"] for row in rows]),
            ]
            lines.append(cells)
    heads = (
        "problem",
        "C in units of the predicted crossing",
        "measured over closed form",
        "over the heavy ball in a parabola",
        "over the limit dynamics",
        "standard errors",
    )
    note = "Median over the learning rates, and the least to the most."
    return table(heads, lines, note)


def crossing(found: Result) -> str:
    """Where the measured curves meet, and the best momentum of the sweep there."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    lines = []
    for name, entry in problems.items():
        for point in entry["crossings"]:
            best = point["best_mu"]
            met = f"{point['mu']:.3g} ({point['low']:.3g} to {point['high']:.3g})"
            beside = [f"{best:.3g}", f"{point['mu'] / best:.2f}"] if best else ["not swept", ""]
            lines.append([name, f"{point['lr']:g}", met, *beside])
    heads = ("problem", "lr", "1 - momentum where they meet", "best of the sweep", "ratio")
    return table(heads, lines)


def exponent(found: Result) -> str:
    """Exponent and prefactor of the crossing, beside the best prefactor."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "exponent of the crossing": lambda entry: interval(entry["exponent"]),
        "its C": lambda entry: interval(entry["C"]),
        "predicted: closed forms": lambda entry: f"{entry['prefactor']:.3g}",
        "predicted: heavy ball in a parabola": lambda entry: f"{entry['parabola']:.3g}",
        "best C of the sweep": lambda entry: interval(entry["best_C"]),
        "crossing over best": lambda entry: interval(entry["ratio"]),
    }
    lines = [
        [name, *(told(entry) for told in columns.values())] for name, entry in problems.items()
    ]
    return table(["problem", *columns], lines)


def spectrum(found: Result) -> str:
    """The curvatures at the start, and the regimes they give."""
    problems = _problems(found)
    if not problems:
        return NOT_YET
    parts = []
    for name, entry in problems.items():
        softest, steepest = entry["curvature_at_start"]
        span = f"{softest:.3g}" if softest == steepest else f"{softest:.3g} to {steepest:.3g}"
        parts.append(f"{name}: λ = {span} at the start, S = {entry['flow_time']:.3g}")
    return "; ".join(parts) + "."


def _problems(found: Result) -> dict[str, dict[str, Any]]:
    """The problems that have been measured as a whole."""
    entries = {name: entry for name, entry in found.items() if name != "machines"}
    return {name: entry for name, entry in entries.items() if {"crossings", "noise"} <= set(entry)}


def _with_errors(taus: Sequence[Mapping[str, float]]) -> str:
    """Measured over closed form."""
    ratios = [(tau["time"] / tau["predicted"], tau["relative_error"]) for tau in taus]
    return ", ".join(f"{ratio:.2f} ± {ratio * error:.2f}" for ratio, error in ratios)


def _percent(values: list[float]) -> str:
    low, high = (f"{100 * end:.1f}" for end in (min(values), max(values)))
    return f"{low}%" if low == high else f"{low} to {high}%"


def _spread(values: list[float]) -> str:
    middle = math.exp(float(np.median(np.log(values))))
    if len(values) == 1:
        return f"{middle:.2f}"
    return f"{middle:.2f} ({min(values):.2f} to {max(values):.2f})"
