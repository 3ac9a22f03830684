"""Tables of the prefactor's study."""

import contextlib
from statistics import median
from typing import Any

from flatfast.law import GAMMA
from studies.markdown import table
from studies.quotes.values import interval, number
from studies.study import Result

DIGITS_NOISE = 0.5


def cases(found: Result) -> str:
    """Swept best C beside every prediction, case by case."""
    heads = (
        "case",
        "best C swept",
        "F",
        "C* by the flow",
        "swept / C*",
        "C by the flow",
        "swept / flow",
        "limit",
        "pilot",
        "h at the start: from what is left",
        "along the drift",
    )
    rows = []
    for row in found["cases"]:
        made = row.get("predicted", {})
        flow = made.get("flow")
        above = row["swept"]["estimate"] / flow["critical"] if flow and "swept" in row else None
        ways = ("limit", "pilot", "excess", "drift")
        rows.append(
            [
                _name(row),
                interval(row.get("swept")),
                number(row.get("fraction")),
                number(flow and flow["critical"]),
                number(above),
                number(flow and flow["C"]),
                _ratio(row.get("swept"), flow),
                *(number(made[way]["C"] if way in made else None) for way in ways),
            ]
        )
    note = (
        "Columns are C, the fastest, unless they say C\\*. F is what the goal leaves of the "
        "metric's excess. The pilot is the slowest momentum of the sweep that arrived; its C is "
        "from that one time. A case without a learning rate is a committed sweep over several."
    )
    return table(heads, rows, note)


def ratios(found: Result) -> str:
    """Swept C over each prediction, in one sentence."""
    ways = {
        "C\\* by the flow": lambda made: made["flow"]["critical"],
        "C by the flow, q(F) C\\*": lambda made: made["flow"]["C"],
        "C by the limit": lambda made: made["limit"]["C"],
        "C by the pilot": lambda made: made["pilot"]["C"],
        "C\\* by the pilot": lambda made: made["pilot"]["critical"],
        "C by h from what is left": lambda made: made["excess"]["C"],
        "C by h along the drift": lambda made: made["drift"]["C"],
    }
    rows = []
    for name, read in ways.items():
        values = []
        for row in found["cases"]:
            if "swept" in row and "batch_size" not in row["settings"]:
                with contextlib.suppress(KeyError):
                    values.append(row["swept"]["estimate"] / read(row["predicted"]))
        if values:
            spread = f"{min(values):.2g} to {max(values):.2g}"
            rows.append([name, str(len(values)), f"{median(values):.2g}", spread])
    heads = ("best C swept over", "cases", "median", "range")
    return table(heads, rows, "Full batches only.")


def exponents(found: Result) -> str:
    """Slopes in logs with intervals."""
    over = {"noise_std": "noise", "batch": "examples in a step", "h": "h"}
    rows = []
    for one in found["exponents"]:
        x = [point["x"] for point in one["points"]]
        theory = {2 / 3: "2/3", 1 / 3: "1/3", -1 / 3: "-1/3"}[one["theory"]]
        cells = [over[one["over"]], one["name"], str(len(x)), f"{min(x):.3g} to {max(x):.3g}"]
        rows.append([*cells, interval(one["slope"]), theory])
    return table(("C over", "cases", "points", "range", "exponent", "theory"), rows)


def noise_laws(found: Result) -> str:
    """Exponents of C over noise and learning rate together."""
    heads = (
        "problem",
        "optima",
        "over the noise, b",
        "over the learning rate, s",
        "b - 4 s; theory 2/3",
        "scatter about `eps^(2/3) (eps^4 lr)^s`",
        "best C over the flow's, at the least and the greatest `eps^4 lr`",
    )
    rows = [
        [
            _plain(one["name"]),
            str(len(one["points"])),
            *(interval(one[key]) for key in ("noise", "lr", "invariant")),
            f"{100 * one['collapse']['scatter']:.0f}%",
            "" if one["flow"] is None else " and ".join(_over_flow(one, end) for end in (0, -1)),
        ]
        for one in found["noise_laws"]
    ]
    return table(heads, rows)


def reach(found: Result) -> str:
    """Digits at the least ``eps^4 lr``, as a learning rate at the noise of the committed sweep."""
    (law,) = [one for one in found["noise_laws"] if one["name"] == "digits-mlp {}"]
    told = []
    for point in law["points"][:2]:
        louder = DIGITS_NOISE / point["noise_std"]
        C = {key: point[key] * louder**GAMMA for key in ("estimate", "low", "high")}
        told.append(
            f"noise {point['noise_std']:g} at lr {point['lr']:.2g} stands for "
            f"lr {point['lr'] / louder**4:.2g} at noise {DIGITS_NOISE:g}, "
            f"and its C for {interval(C)}"
        )
    return "; ".join(told) + "."


def varied(found: Result) -> str:
    """What one other setting does to the best C."""
    heads = ("changed", "best C swept, over the base's", "C by the flow, over the base's", "C\\*")
    rows = [
        [
            _name(one | {"lr": None}),
            interval(one["swept"]),
            number(one["flow"]),
            number(one["critical"]),
        ]
        for one in found["varied"]
    ]
    return table(heads, rows)


def loss(found: Result) -> str:
    """What a wrong C costs."""
    heads = (
        "committed sweep",
        "F",
        "time at half the best C, measured",
        "oscillator",
        "at twice the best C, measured",
        "oscillator",
    )
    rows = []
    for one in found["loss"]:
        cells = [one["problem"], number(one["fraction"])]
        for factor in ("0.5", "2"):
            cells += [_spread(one[factor]), number(one[factor]["oscillator"])]
        rows.append(cells)
    note = (
        "Times over the best one: median over the learning rates, least and greatest in brackets. "
        "Censored: most runs there do not settle within the run's length."
    )
    return table(heads, rows, note)


def which(found: Result) -> str:
    """The values of h there are, for each manifold."""
    ways = {
        "flow": "flow to the goal",
        "flow of the trace": "flow, same F of the trace",
        "excess": "start: what is left",
        "drift": "start: along the drift",
        "end, from the start": "end: towards the start",
        "end, largest": "end: largest",
    }
    rows = [
        [
            _plain(key),
            one["metric"].removeprefix("cooled:"),
            *(number(one["h"].get(way)) for way in ways),
        ]
        for key, one in found["geometry"].items()
    ]
    return table(("manifold", "goal's metric", *ways.values()), rows)


def _over_flow(law: dict[str, Any], place: int) -> str:
    """Best C over the flow's at one of a law's points."""
    point = law["points"][place]
    return f"{point['estimate'] / (law['flow'] * point['noise_std'] ** GAMMA):.2g}"


def _plain(key: str) -> str:
    """``teacher-student {"rank": 4}`` as ``teacher-student rank 4``."""
    for mark in '{}":':
        key = key.replace(mark, "")
    return key.strip()


def _name(row: dict[str, Any]) -> str:
    parts = [row["problem"], *(f"`{name}` {value}" for name, value in row["settings"].items())]
    return ", ".join(parts) + ("" if row["lr"] is None else f", lr {row['lr']:g}")


def _ratio(swept: dict[str, Any] | None, flow: dict[str, Any] | None) -> str:
    if swept is None or flow is None:
        return ""
    return interval({key: value / flow["C"] for key, value in swept.items()}, 2)


def _spread(value: dict[str, Any]) -> str:
    ends = ["censored" if value[key] is None else f"{value[key]:.2g}" for key in ("low", "high")]
    middle = "censored" if value["measured"] is None else f"{value['measured']:.2g}"
    return f"{middle} ({ends[0]} to {ends[1]})"
