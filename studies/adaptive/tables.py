"""Tables of ``results/adaptive/adaptive.json``."""

from collections.abc import Mapping
from typing import Any

from studies.adaptive.analysis import agreement, by_shape, root_mean_square, summary
from studies.markdown import NOT_YET, table
from studies.quotes.values import interval
from studies.study import Result


def coverage(found: Result) -> str:
    """Coverage and cost of adaptive sweeps whose exponent is known."""
    rows = [summary(row) for row in found["coverage"]]
    if not rows:
        return NOT_YET
    lines = [
        [
            row["design"],
            row["shape"],
            str(row["sets"]),
            _percent(row["coverage"]),
            f"{row['bias']:+.3f} ± {row['bias_error']:.3f}",
            f"{row['sd']:.3f}",
            f"{row['width']:.3f}",
            f"{row['dense_width']:.3f}",
            f"{row['cost']:.2f}",
            f"{100 * row['by_width']:.0f}%",
        ]
        for row in (*rows, *by_shape(found["coverage"]))
    ]
    heads = (
        "synthetic sweeps",
        "curve",
        "sweeps",
        "coverage (95% interval)",
        "bias",
        "standard deviation",
        "width (0.1 asked where no other is named)",
        "width of the dense grid",
        "steps / dense grid",
        "ended by width",
    )
    note = (
        "Bias with its standard error; widths and steps are medians. A sweep that did not end by "
        "width had used its seeds, or saw optima scatter by more than seeds explain"
    )
    return table(heads, lines, note)


def sweeps(found: Result) -> str:
    """Adaptive sweeps of problems of the lab beside the committed dense ones."""
    if not found["sweeps"]:
        return NOT_YET
    lines = []
    for entry in found["sweeps"]:
        own = agreement(entry["adaptive"], entry["dense"])
        for kind in ("dense", "adaptive"):
            one = entry[kind]
            last = ["", ""]
            if kind == "adaptive":
                last = [f"{own['ratio']:.2f}", _verdict(own)]
            cells = [entry["name"], kind, interval(one["exponent"]), interval(one["C"])]
            lines.append([*cells, f"{one['runs']:,}", f"{one['steps']:,}", *last])
    heads = (
        "problem",
        "sweep",
        "exponent",
        "C",
        "runs",
        "run-steps",
        "of the dense",
        "as expected",
    )
    return table(heads, lines)


def rivals(found: Result) -> str:
    """Errors by other ways to spend the same steps."""
    if not found["rivals"]:
        return NOT_YET
    lines = []
    for row in found["rivals"]:
        exponent = root_mean_square(_squares(row))
        place = root_mean_square(row["square"])
        steps = sum(row["steps"]) / len(row["steps"])
        cells = [row["shape"], row["way"], str(row["sets"]), _error(exponent), _error(place)]
        lines.append([*cells, f"{steps:.2f}"])
    heads = (
        "curve",
        "runs chosen and read by",
        "sweeps",
        "error of the exponent",
        "error of log(1 - momentum)",
        "steps / ours",
    )
    return table(heads, lines, "Root mean square errors with their standard errors")


def _squares(row: Mapping[str, Any]) -> list[float | None]:
    return [None if error is None else error**2 for error in row["exponent"]]


def _error(value: Mapping[str, float]) -> str:
    return f"{value['estimate']:.3f} ± {value['error']:.3f}"


def _percent(share: Mapping[str, float]) -> str:
    low, high = (f"{100 * share[end]:.0f}" for end in ("low", "high"))
    return f"{100 * share['estimate']:.0f}% ({low} to {high})"


def _verdict(own: Mapping[str, Any]) -> str:
    failed = [name for name in ("exponent", "C", "cost") if not own[name]]
    return "yes" if not failed else f"not the {' and the '.join(failed)}"
