"""Tables of SGD against the limit dynamics, from ``results/limit/limit.json``."""

from collections.abc import Iterable, Iterator
from typing import Any

from studies.markdown import NOT_YET, table
from studies.study import Result

ONE_MODE = "scalar-product-1"


def scalar(found: Result) -> str:
    """The scalar product of width 1: gaps from both limits."""
    case = _case(found, ONE_MODE)
    if case is None:
        return NOT_YET
    last, rows = _by_lr(case)[-1]
    lines = [
        *_gaps(case, "the mean-field path", "from_mean_field"),
        *_gaps(case, "the mean with random amplitudes", "from_random"),
        ["spread of runs", f"{last:g}", *(f"{100 * row['spread_of_runs']:.1f}%" for row in rows)],
        ["the limit's", "", *(f"{100 * row['spread_of_limit']:.1f}%" for row in rows)],
    ]
    note = (
        f"{rows[0]['runs']:,} runs for each C and lr; the largest gap up to t = 6, in "
        "units of the start; ± is one standard error. The largest of 24 errors is one or two of "
        "them: gaps of that size are not resolved."
    )
    return _by_prefactor(case, ("mean of SGD minus", "lr"), lines, note)


def claim(found: Result) -> str:
    """SGD with one mode at C 1.5 and lr 1e-6, against both limits."""
    case = _case(found, ONE_MODE)
    if case is None:
        return NOT_YET
    row = next(row for row in case["rows"] if (row["C"], row["lr"]) == (1.5, 1e-6))
    return (
        f"In {row['runs']:,} runs the largest gap is {_gap(row['from_mean_field'])} from that "
        f"path, and {_gap(row['from_random'])} from the mean with random amplitudes."
    )


def rates(found: Result) -> str:
    """Distances at the ends of the learning rates, and the rate at which they fall."""
    cases = [_case(found, name) for name in (ONE_MODE, "scalar-product-30", "matrix-sensing")]
    if any(case is None for case in cases):
        return NOT_YET
    lines = []
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
            lines.append(cells)
    note = (
        "Root mean square over the times, in units of the start; ± is one standard error. What is "
        "not three of them above zero is given as below its upper end. Rates are exponents of lr, "
        "with 95% intervals. The limit has random amplitudes for the scalar products and mean "
        "variances for matrix sensing."
    )
    heads = ["problem", "read", "C", "lr", "distance at the largest lr", "at the smallest"]
    return table([*heads, "rate over all", "over the smaller half"], lines, note)


def partings(found: Result) -> str:
    """Random amplitudes less mean field, over C and the number of modes."""
    cases = [case for case in found["cases"] if any("random" in p for p in case["partings"])]
    cases = sorted(cases, key=lambda case: (case["case"] == "scalar-product-30", case["modes"]))
    if not cases:
        return NOT_YET
    lines = []
    for case in cases:
        told = [_gap(entry["random"]) for entry in case["partings"]]
        lines.append([str(case["modes"]), f"{case['case']}: limit", *told])
        if case["rows"]:
            lr, rows = _by_lr(case)[-1]
            runs = f"SGD, lr {lr:g}, {rows[0]['runs']:,} runs"
            lines.append(["", runs, *(_gap(row["from_mean_field"]) for row in rows)])
    note = (
        "Mean with random amplitudes minus the mean-field path, and mean of SGD minus the "
        "mean-field path: the largest gap up to t = 6, in units of the start."
    )
    return _by_prefactor(cases[0], ("modes", ""), lines, note)


def sensing(found: Result) -> str:
    """Matrix sensing: SGD from the mean field over the learning rates."""
    case = _case(found, "matrix-sensing")
    if case is None:
        return NOT_YET
    last, rows = _by_lr(case)[-1]
    lines = [
        *_gaps(case, "the mean-field path", "from_mean_field"),
        ["spread of runs", f"{last:g}", *(f"{100 * row['spread_of_runs']:.2f}%" for row in rows)],
    ]
    note = (
        f"{rows[0]['runs']:,} runs for each C and lr; the cooled test error, the largest "
        "gap up to t = 24, in units of the start; ± is one standard error."
    )
    return _by_prefactor(case, ("mean of SGD minus", "lr"), lines, note)


def _by_prefactor(
    case: dict[str, Any], heads: Iterable[str], lines: Iterable[Iterable[str]], note: str
) -> str:
    """A table with a column for each prefactor after the first ones, and a note."""
    return table([*heads, *(f"C {C:g}" for C in _constants(case))], lines, note)


def _gaps(case: dict[str, Any], told: str, key: str) -> Iterator[list[str]]:
    """A line for each learning rate; what the gap is from stands in the first."""
    for number, (lr, rows) in enumerate(_by_lr(case)):
        yield ["" if number else told, f"{lr:g}", *(_gap(row[key]) for row in rows)]


def _constants(case: dict[str, Any]) -> list[float]:
    return [entry["C"] for entry in case["partings"]]


def _by_lr(case: dict[str, Any]) -> list[tuple[float, list[dict[str, Any]]]]:
    """By falling learning rate, the rows of all C."""
    lrs = sorted({row["lr"] for row in case["rows"]}, reverse=True)
    rows = {(row["lr"], row["C"]): row for row in case["rows"]}
    return [(lr, [rows[lr, C] for C in _constants(case)]) for lr in lrs]


def _case(found: Result, name: str) -> dict[str, Any] | None:
    """A case that has been measured."""
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
