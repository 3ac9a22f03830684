"""Tables of SGD against the limit dynamics, from ``results/limit/limit.json``."""

from typing import Any

from studies.quotes.values import load

FOUND = "results/limit/limit.json"
NOT_YET = "not measured yet"
ONE_MODE = "scalar-product-1"


def scalar() -> str:
    """The scalar product of width 1: gaps from both limits."""
    case = _case(ONE_MODE)
    if case is None:
        return NOT_YET
    lines = _header("mean of SGD minus", "lr", _constants(case))
    for told, key in (
        ("the mean-field path", "from_mean_field"),
        ("the mean with random amplitudes", "from_random"),
    ):
        for lr, rows in _by_lr(case):
            lines.append(_line(told, lr, [_gap(row[key]) for row in rows]))
            told = ""
    lr, rows = _by_lr(case)[-1]
    for told, key in (("spread of runs", "spread_of_runs"), ("the limit's", "spread_of_limit")):
        shown = lr if key == "spread_of_runs" else None
        lines.append(_line(told, shown, [f"{100 * row[key]:.1f}%" for row in rows]))
    note = (
        f"({case['rows'][0]['runs']:,} runs for each C and lr; the largest gap up to t = 6, in "
        "units of the start; ± is one standard error. The largest of 24 errors is one or two of "
        "them: gaps of that size are not resolved.)"
    )
    return "\n".join([*lines, "", note])


def claim() -> str:
    """SGD with one mode at C 1.5 and lr 1e-6, against both limits."""
    case = _case(ONE_MODE)
    if case is None:
        return NOT_YET
    row = next(row for row in case["rows"] if (row["C"], row["lr"]) == (1.5, 1e-6))
    return (
        f"In {row['runs']:,} runs the largest gap is {_gap(row['from_mean_field'])} from that "
        f"path, and {_gap(row['from_random'])} from the mean with random amplitudes."
    )


def rates() -> str:
    """Distances at the ends of the learning rates, and the rate at which they fall."""
    cases = [_case(name) for name in (ONE_MODE, "scalar-product-30", "matrix-sensing")]
    if any(case is None for case in cases):
        return NOT_YET
    lines = [
        "| problem | read | C | lr | distance at the largest lr | at the smallest | rate over all "
        "| over the smaller half |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for case in cases:
        assert case is not None
        for entry in case["rates"]:
            k = case["observables"].index(entry["observable"])
            rows = [row for row in case["rows"] if row["C"] == entry["C"]]
            first, last = (pick(rows, key=lambda row: row["lr"]) for pick in (max, min))
            cells = [
                case["case"],
                entry["observable"].replace("|", r"\|"),
                f"{entry['C']:g}",
                f"{first['lr']:g} to {last['lr']:g}",
                _distance(first["distances"][k]),
                _distance(last["distances"][k]),
                _rate(entry["all"]),
                _rate(entry["smaller_half"]),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    note = (
        "(Root mean square over the times, in units of the start; ± is one standard error. What is "
        "not three of them above zero is given as below its upper end. Rates are exponents of lr, "
        "with 95% intervals. The limit has random amplitudes for the scalar products and mean "
        "variances for matrix sensing.)"
    )
    return "\n".join([*lines, "", note])


def partings() -> str:
    """Random amplitudes less mean field, over C and the number of modes."""
    found = load(FOUND)
    if found is None:
        return NOT_YET
    cases = [case for case in found["cases"] if any("random" in p for p in case["partings"])]
    cases = sorted(cases, key=lambda case: (case["case"] == "scalar-product-30", case["modes"]))
    if not cases:
        return NOT_YET
    lines = _header("modes", "", _constants(cases[0]))
    for case in cases:
        told = [_gap(entry["random"]) for entry in case["partings"]]
        lines.append(f"| {case['modes']} | {case['case']}: limit | {' | '.join(told)} |")
        if case["rows"]:
            lr, rows = _by_lr(case)[-1]
            runs = f"SGD, lr {lr:g}, {rows[0]['runs']:,} runs"
            seen = [_gap(row["from_mean_field"]) for row in rows]
            lines.append(f"| | {runs} | {' | '.join(seen)} |")
    note = (
        "(Mean with random amplitudes minus the mean-field path, and mean of SGD minus the "
        "mean-field path: the largest gap up to t = 6, in units of the start.)"
    )
    return "\n".join([*lines, "", note])


def sensing() -> str:
    """Matrix sensing: SGD from the mean field over the learning rates."""
    case = _case("matrix-sensing")
    if case is None:
        return NOT_YET
    lines = _header("mean of SGD minus", "lr", _constants(case))
    told = "the mean-field path"
    for lr, rows in _by_lr(case):
        lines.append(_line(told, lr, [_gap(row["from_mean_field"]) for row in rows]))
        told = ""
    lr, rows = _by_lr(case)[-1]
    lines.append(_line("spread of runs", lr, [f"{100 * r['spread_of_runs']:.2f}%" for r in rows]))
    note = (
        f"({case['rows'][0]['runs']:,} runs for each C and lr; the cooled test error, the largest "
        "gap up to t = 24, in units of the start; ± is one standard error.)"
    )
    return "\n".join([*lines, "", note])


def _constants(case: dict[str, Any]) -> list[float]:
    return [entry["C"] for entry in case["partings"]]


def _by_lr(case: dict[str, Any]) -> list[tuple[float, list[dict[str, Any]]]]:
    """By falling learning rate, the rows of all C."""
    lrs = sorted({row["lr"] for row in case["rows"]}, reverse=True)
    rows = {(row["lr"], row["C"]): row for row in case["rows"]}
    return [(lr, [rows[lr, C] for C in _constants(case)]) for lr in lrs]


def _header(what: str, second: str, constants: list[float]) -> list[str]:
    titles = [what, second, *(f"C {C:g}" for C in constants)]
    return [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]


def _line(told: str, lr: float | None, cells: list[str]) -> str:
    return f"| {told} | {'' if lr is None else f'{lr:g}'} | {' | '.join(cells)} |"


def _case(name: str) -> dict[str, Any] | None:
    """A case that has been measured."""
    found = load(FOUND)
    if found is None:
        return None
    case: dict[str, Any] = next(case for case in found["cases"] if case["case"] == name)
    return case if case["rows"] else None


def _gap(value: dict[str, float]) -> str:
    estimate, error = 100 * value["estimate"], 100 * value["standard_error"]
    digits = 2 if error >= 0.01 else 3
    return f"{estimate:+.{digits}f} ± {error:.{digits}f}%"


def _distance(value: dict[str, Any]) -> str:
    square, error = value["square"], value["standard_error"]
    if not value["resolved"]:
        return f"< {100 * max(square + 2 * error, 0) ** 0.5:.2g}%"
    return f"{100 * square**0.5:.3g} ± {100 * error / (2 * square**0.5):.2g}%"


def _rate(value: dict[str, float] | None) -> str:
    if value is None:
        return "not resolved"
    return f"{value['estimate']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
