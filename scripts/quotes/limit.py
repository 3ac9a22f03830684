"""Tables of SGD against the limit dynamics, from ``results/theory/limit.json``."""

from typing import Any

from scripts.quotes.values import load

FOUND = "results/theory/limit.json"
NOT_YET = "not measured yet"
ONE_MODE = "scalar-product-1"


def scalar() -> str:
    """The scalar product of width 1: gaps from both limits."""
    case = _case(ONE_MODE)
    if case is None:
        return NOT_YET
    lines = [
        "| C | lr | mean of SGD minus the mean-field path | minus the mean with random amplitudes "
        "| spread of SGD's runs | of the limit's |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in case["rows"]:
        cells = [
            f"{row['C']:g}",
            f"{row['lr']:g}",
            _gap(row["from_mean_field"]),
            _gap(row["from_random"]),
            f"{100 * row['spread_of_runs']:.1f}%",
            f"{100 * row['spread_of_limit']:.1f}%",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    note = (
        f"({case['rows'][0]['runs']:,} runs each; the largest gap up to t = 6, in units of the "
        "start.)"
    )
    return "\n".join([*lines, "", note])


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
    constants = [entry["C"] for entry in cases[0]["partings"]]
    lines = [
        "| modes | | " + " | ".join(f"C {C:g}" for C in constants) + " |",
        "| --- | --- |" + " --- |" * len(constants),
    ]
    for case in cases:
        told = [_gap(entry["random"]) for entry in case["partings"]]
        lines.append(f"| {case['modes']} | {case['case']}: limit | {' | '.join(told)} |")
        if not case["rows"]:
            continue
        least = min(row["lr"] for row in case["rows"])
        rows = {row["C"]: row for row in case["rows"] if row["lr"] == least}
        seen = [_gap(rows[C]["from_mean_field"]) for C in constants]
        lines.append(f"| | SGD, lr {least:g} | {' | '.join(seen)} |")
    note = (
        "(Mean with random amplitudes minus the mean-field path, and mean of SGD minus the "
        "mean-field path: the largest gap up to t = 6, in units of the start.)"
    )
    return "\n".join([*lines, "", note])


def sensing() -> str:
    """Matrix sensing: SGD from the mean field at the smallest learning rate, and its floor."""
    case = _case("matrix-sensing")
    if case is None:
        return NOT_YET
    lines = [
        "| C | lr | mean of SGD minus the mean-field path | spread of runs "
        "| a tenth of the floor |",
        "| --- | --- | --- | --- | --- |",
    ]
    floors = {entry["C"]: entry.get("lower-floor") for entry in case["partings"]}
    for row in case["rows"]:
        floor = floors[row["C"]]
        cells = [
            f"{row['C']:g}",
            f"{row['lr']:g}",
            f"{_gap(row['from_mean_field'])} at t = {row['from_mean_field']['time']:g}",
            f"{100 * row['spread_of_runs']:.2f}%",
            "" if floor is None else f"{100 * floor['estimate']:+.2f}%",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    note = (
        f"({case['rows'][0]['runs']:,} runs each; the cooled test error, the largest gap up to "
        "t = 24, in units of the start. The last column is what the limit's own path moves by if "
        "the floor under its eigenvalues is lowered tenfold.)"
    )
    return "\n".join([*lines, "", note])


def _case(name: str) -> dict[str, Any] | None:
    """A case that has been measured."""
    found = load(FOUND)
    if found is None:
        return None
    case: dict[str, Any] = next(case for case in found["cases"] if case["case"] == name)
    return case if case["rows"] else None


def _gap(value: dict[str, float]) -> str:
    return f"{100 * value['estimate']:+.2f} ± {100 * value['standard_error']:.2f}%"


def _distance(value: dict[str, Any]) -> str:
    square, error = value["square"], value["standard_error"]
    if not value["resolved"]:
        return f"< {100 * max(square + 2 * error, 0) ** 0.5:.2g}%"
    return f"{100 * square**0.5:.3g} ± {100 * error / (2 * square**0.5):.2g}%"


def _rate(value: dict[str, float] | None) -> str:
    if value is None:
        return "not resolved"
    return f"{value['estimate']:.2f} ({value['low']:.2f} to {value['high']:.2f})"
