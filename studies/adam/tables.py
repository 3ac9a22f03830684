"""Tables of Adam, from ``results/adam``."""

from typing import Any

from studies import markdown
from studies.adam.analysis import EXPONENT_OFF, FLAT, MATTERS, OFF, UNIT
from studies.adam.cases import AT_REST, DIGITS, SCALAR, SMOOTH, SQUARES_BETA1, SQUARES_LR, STUDENT

Row = dict[str, Any]


def rates(found: Row) -> str:
    """The drift's rate on the scalar product beside what is told."""
    heads = ("noise", "lr", "beta 1", "beta 2", "measured", "told", "with v held", "off", "may be")
    rows = [
        [
            f"{row['noise']:g}",
            f"{row['lr']:g}",
            f"{row['beta1']:g}",
            f"{row['beta2']:g}",
            f"{_scaled(row, 'rate'):.3f} ± {_scaled(row, 'error'):.3f}",
            f"{_scaled(row, 'told'):.3f}",
            f"{_scaled(row, 'held'):.3f}",
            f"{row['off']:+.1%}",
            f"{row['may']:.1%}",
        ]
        for row in sorted(found["rates"], key=lambda r: (r["noise"], -r["lr"]))
    ]
    note = "In units of `lr^2 / 2` a step, which theory has at small lr where v does not follow"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def quiet(found: Row) -> str:
    """The drift's rate where the swing makes v."""
    heads = ("noise", "lr", "measured", "told", "swing's rate told")
    rows = [
        [
            f"{row['noise']:g}",
            f"{row['lr']:g}",
            f"{_scaled(row, 'rate'):.3f} ± {_scaled(row, 'error'):.3f}",
            f"{_scaled(row, 'told'):.3f}",
            f"{row['swing']:.2f}",
        ]
        for row in sorted(found["quiet"], key=lambda r: (r["noise"], -r["lr"]))
    ]
    note = "In units of `lr^2 / 2` a step; beta 1 = 0.9, beta 2 = 0.999"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def _scaled(row: Row, name: str) -> float:
    return float(row[name] / (row["lr"] ** 2 / 2))


def plateau(found: Row) -> str:
    """Plateau and edge at each learning rate."""
    heads = (
        "problem",
        "lr",
        "steps of the plateau",
        "furthest from it",
        "edge of `1 - beta1`",
        "told",
        "edge times steps",
    )
    rows = [
        [
            _name(key),
            f"{place['lr']:g}",
            f"{place['plateau']:.4g}",
            f"{place['spread']:.0%} of {place['cells']}",
            _interval(place["edge"], "{:.2g}"),
            f"{place['told']:.2g}",
            _interval(_times(place["edge"], place["plateau"]), "{:.2g}"),
        ]
        for key, case in found["swept"].items()
        for place in case["places"]
    ]
    note = (
        "The edge: 1.5 times the plateau's steps. Told: of the plateau's steps alone, by the "
        "oscillator. Intervals, 95%, over seeds"
    )
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def _times(edge: Row, steps: float) -> Row:
    return {name: value and value * steps for name, value in edge.items()}


def exponents(found: Row) -> str:
    """Exponents in the learning rate."""
    heads = (
        "problem",
        "edge ∝ lr to the",
        "steps of the plateau ∝ lr to the",
        "drift told at the start ∝ lr to the",
        "swing's largest rate there",
    )
    rows = [
        [
            _name(key),
            _interval(case["edge_exponent"], "{:.2f}"),
            _interval(case["time_exponent"], "{:.2f}"),
            *_told(found["told"].get(key)),
        ]
        for key, case in found["swept"].items()
    ]
    note = "Theory has 2 and -2 where the swing's rates are small. Intervals, 95%, over seeds"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def _told(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "2", "small"
    return f"{row['exponent']:.2f}", f"{min(row['swing']):.2g} to {max(row['swing']):.2g}"


def beta2(found: Row) -> str:
    """Steps over beta2, measured over told."""
    rows = found["beta2"]
    if not rows:
        return markdown.NOT_YET
    seconds = sorted({row["beta2"] for row in rows})
    heads = ("beta 1", *(f"beta 2 = {second:g}" for second in seconds))
    cells = []
    for first in sorted({row["beta1"] for row in rows}):
        own = {row["beta2"]: row for row in rows if row["beta1"] == first}
        cells.append([f"{first:g}", *(_steps(own[second]) for second in seconds)])
    note = "Steps measured, in brackets those told; `*` where v lags behind the drift itself"
    return markdown.table(heads, cells, note)


def _steps(row: Row) -> str:
    median = "not in time" if row["median"] is None else f"{row['median']:,.0f}"
    return f"{median} ({row['told']:,.0f}){'*' if row['lags'] else ''}"


def squares(found: Row) -> str:
    """Steps over beta2 on digits, over those at 0.99."""
    heads = ("problem", "beta 2", "steps", f"over those at {UNIT:g}", "told at the start")
    rows = [
        [
            _name(key),
            f"{row['beta2']:g}",
            "not in time" if row["median"] is None else f"{row['median']:,.0f}",
            "1" if row["beta2"] == UNIT else _interval(row["ratio"], "{:.2f}"),
            f"{row['told']:.2f}",
        ]
        for key, each in found["squares"].items()
        for row in each
    ]
    note = f"lr {SQUARES_LR:g}, beta 1 = {SQUARES_BETA1:g}. Intervals, 95%, over seeds"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def minima(found: Row) -> str:
    """Where Adam and SGD end."""
    heads = ("problem", "metric", "start", "Adam ends at", "SGD ends at", "moved of late")
    words = {
        "trace": "tr H",
        "root_trace": "tr Diag(H)^(1/2)",
        "test_error": "test error",
    }
    rows = [
        [
            _name(key),
            word,
            f"{case['start'][f'cooled:{name}']:.4g}",
            _mean(case["adam"][name]),
            _mean(case["sgd"][name]),
            f"{case['adam'][name]['moved']:+.1%}, {case['sgd'][name]['moved']:+.1%}",
        ]
        for key, case in found["minima"].items()
        for name, word in words.items()
    ]
    note = "On the manifold, mean and standard error; how far the last half of the steps moved it"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def scratch(found: Row) -> str:
    """Test losses from scratch over beta1."""
    heads = ("training", "beta 1", "best lr", "test loss there", "over that of 0.9")
    rows = [
        [
            task,
            f"{row['beta1']:g}",
            f"{row['lr']:g}{'*' if row['at_end'] else ''}",
            f"{row['loss']:.4f}",
            "1" if row["beta1"] == 0.9 else _interval(row["ratio"], "{:.3f}"),
        ]
        for task, each in found["scratch"].items()
        for row in each
    ]
    note = "AdamW, cosine, beta 2 = 0.99; `*` at an end of the grid, a bound. 95% over seeds"
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def verdict(found: Row) -> str:
    """Whether what was written down before the runs holds, point by point."""
    swept, told = found["swept"], found["rates"]
    if not swept:
        return markdown.NOT_YET
    lines = [
        f"1. Rates: {sum(r['holds'] for r in told)} of {len(told)} cells are as near as asked."
    ]
    places = [p for case in swept.values() for p in case["places"]]
    flat = sum(p["spread"] <= FLAT for p in places)
    lines.append(f"2. Plateau: within 10% at {flat} of {len(places)} learning rates.")
    edges = {k: c["edge_exponent"] for k, c in swept.items() if c["edge_exponent"]}
    held = [k for k, e in edges.items() if e["low"] <= 2 <= e["high"] and not _holds(e, 1)]
    lines.append(f"3. Edge: exponent 2 and not 1 in {len(held)} of {len(swept)} ({_list(held)}).")
    times = {k: c["time_exponent"] for k, c in swept.items() if c["time_exponent"]}
    near = [k for k, e in times.items() if _holds(e, -2) or abs(e["estimate"] + 2) <= EXPONENT_OFF]
    lines.append(
        f"4. Steps of the plateau: as lr^-2 in {len(near)} of {len(swept)} ({_list(near)})."
    )
    judged = [row for row in found["beta2"] if not row["lags"]]
    right = sum(bool(row["holds"]) for row in judged)
    lines.append(f"5. Over beta 2: {right} of {len(judged)} times within {OFF:.0%} of those told.")
    lines.append(f"6. Minima: {_minima(found['minima'])}.")
    lines.append(f"7. From scratch: {_matters(found['scratch'])}.")
    lines.append(f"8. Over beta 2 on digits: {_squares(found['squares'].get(DIGITS.key))}.")
    return "\n".join(lines)


def _squares(rows: list[Row] | None) -> str:
    if not rows:
        return markdown.NOT_YET
    judged = [row for row in rows if row["holds"] is not None]
    right = sum(row["holds"] for row in judged)
    return f"{right} of {len(judged)} times within {OFF:.0%} of what was told"


def _minima(found: Row) -> str:
    words = []
    for key, case in found.items():
        for name, lower, other in (("root_trace", "adam", "sgd"), ("trace", "sgd", "adam")):
            a, b = case[lower][name], case[other][name]
            metric = "tr H" if name == "trace" else "tr Diag(H)^(1/2)"
            moved = max(abs(a["moved"]), abs(b["moved"]))
            if moved > AT_REST:
                words.append(f"{_name(key)}: {metric} is not at rest ({moved:.0%})")
                continue
            apart = (b["mean"] - a["mean"]) / (a["error"] ** 2 + b["error"] ** 2) ** 0.5
            whose = "SGD" if lower == "sgd" else "Adam"
            yes = "lower" if apart > 2 else "not lower"
            words.append(f"{_name(key)}: {whose} has {yes} {metric} ({apart:+.1f} errors)")
    return "; ".join(words) or markdown.NOT_YET


def _matters(found: Row) -> str:
    if not found:
        return markdown.NOT_YET
    rows = [(t, r) for t, each in found.items() for r in each if 0.8 <= r["beta1"] <= 0.99]
    worse = [
        f"{r['beta1']:g} on {t}"
        for t, r in rows
        if r["beta1"] != 0.9 and r["ratio"]["low"] > MATTERS
    ]
    return f"beta 1 matters for {', '.join(worse)}" if worse else "beta 1 does not matter"


def _holds(interval: Row, value: float) -> bool:
    return bool(interval["low"] <= value <= interval["high"])


def _name(key: str) -> str:
    if key == SCALAR.key:
        return "scalar product"
    if key == STUDENT.key:
        return "teacher and student, rectifiers"
    if key == SMOOTH.key:
        return "teacher and student, tanh"
    if key == DIGITS.key:
        return "digits, perceptron"
    return key.replace("-", " ").replace(" corrected", ", first steps corrected")


def _list(names: list[str]) -> str:
    return ", ".join(_name(name) for name in names) or "none"


def _interval(found: Row | None, form: str) -> str:
    if found is None or found["estimate"] is None:
        return "-"
    low, high = form.format(found["low"]), form.format(found["high"])
    return f"{form.format(found['estimate'])} ({low} to {high})"


def _mean(found: Row) -> str:
    return f"{found['mean']:.4g} ± {found['error']:.1g}"


__all__ = [
    "beta2",
    "exponents",
    "minima",
    "plateau",
    "quiet",
    "rates",
    "scratch",
    "squares",
    "verdict",
]
