"""Tables of the search by short runs, from ``results/find``."""

from typing import Any

from studies import markdown
from studies.find.cases import COST, MEDIAN, WORST, trainings

Row = dict[str, Any]


def verdict(found: Row) -> str:
    """Whether what was declared before the runs is so."""
    told = found["verdict"]
    if told is None:
        return markdown.NOT_YET
    yes = "it is" if told["yes"] else "it is not"
    return (
        f"In {told['cases']} cases (four small trainings, from scratch and from half-way, "
        f"{_seeds(found)} seeds) the loss at the end with the pair found was "
        f"{told['median']:.3f} times that of the best pair of a full sweep in the median and "
        f"{_number(told['worst'])} in the worst, for {told['cost']:.1%} of a training. Good enough "
        f"was to be {MEDIAN:.2f}, {WORST:.2f} and {COST:.0%}: {yes}. Momentum 0.9 at the learning "
        f"rate that a full sweep finds best for it: {told['nine_median']:.3f} and "
        f"{_number(told['nine_worst'])}."
    )


def example(found: Row) -> str:
    """What the search of the page's example says."""
    kept = found.get("example")
    return f"```text\n{kept['words']}\n```" if kept else markdown.NOT_YET


def carried(found: Row) -> str:
    """What carrying the learning rate on to the steps of the training did."""
    told = found["verdict"]
    if told is None:
        return markdown.NOT_YET
    return (
        "Used as measured, without being carried on to the steps of the training, the pair would "
        f"have had {_number(told['measured_median'])} in the median and "
        f"{_number(told['measured_worst'])} in the worst."
    )


def cases(found: Row) -> str:
    """One row a case."""
    heads = (
        "training", "from", "steps", "long runs", "best of the sweep", "pair found", "as measured",
        "0.9 at its best rate", "0.9 at the step found",
    )  # fmt: skip
    rows = []
    for case in found["cases"]:
        ways = case["ways"]
        rows.append(
            [
                trainings()[case["training"]].about,
                case["state"],
                f"{_steps(case):,}",
                str(case["horizon"]),
                _best(case["best"]),
                _ratio(ways["found"]),
                _ratio(ways["measured"]),
                _ratio(case["nine"]),
                _ratio(ways["0.9 at its step"]),
            ]
        )
    note = (
        "Loss over that of the best pair of the sweep, chosen on the same seeds: geometric "
        "mean, and 95% by Student's t, in pairs. The best pair: learning rate at the start of the "
        "schedule, and momentum"
    )
    return markdown.table(heads, rows, note) if rows else markdown.NOT_YET


def half_way(found: Row) -> str:
    """From half-way: the pair found, and the one that had been in use."""
    cases = [case for case in found["cases"] if "as it was" in case["ways"]]
    if not cases:
        return markdown.NOT_YET
    heads = ("from half-way", "pair found", "the pair in use, kept")
    rows = [
        [case["training"], _ratio(case["ways"]["found"]), _ratio(case["ways"]["as it was"])]
        for case in cases
    ]
    return markdown.table(heads, rows)


def more(found: Row) -> str:
    """Searches from scratch by what they may spend: one row a training."""
    if not found.get("more"):
        return markdown.NOT_YET
    shares = sorted({case["share"] for case in found["more"]})
    heads = ("training", f"{COST:.0%}", *(f"{share:.0%}" for share in shares), *_measured(shares))
    rows = []
    for name in trainings():
        own = {case["share"]: case for case in found["more"] if case["training"] == name}
        first = [c for c in found["cases"] if c["training"] == name and c["state"] == "scratch"]
        if own and first:
            every = [first[0], *(own[share] for share in shares)]
            told = [_ratio(case["ways"]["found"]) for case in every]
            rows.append([name, *told, *(_ratio(own[s]["ways"]["measured"]) for s in shares)])
    return markdown.table(heads, rows, "Of a training's gradients, spent at most")


def _measured(shares: list[float]) -> list[str]:
    return [f"{share:.0%}, as measured" for share in shares]


def changes(found: Row) -> str:
    """One row a change, from a tuned pair."""
    heads = ("training", "change", "best of the sweep", "searched again", "2/3 law",
             "effective step, linear rule", "nothing")  # fmt: skip
    rows = []
    for case in found["changes"]:
        ways = case["ways"]
        rows.append(
            [
                case["training"],
                case["change"],
                _best(case["best"]),
                _ratio(ways["found"]),
                _ratio(ways["law"]),
                _ratio(ways.get("effective step", ways.get("linear"))),
                _ratio(ways["nothing"]),
            ]
        )
    return markdown.table(heads, rows) if rows else markdown.NOT_YET


def _steps(case: Row) -> int:
    half: int = case["steps"] // (2 if case["state"] == "half-way" else 1)
    return half


def _seeds(found: Row) -> int:
    return max((case["seeds"] for case in found["cases"]), default=0)


def _best(best: Row) -> str:
    marks = {"lr": " (rate at an end)", "momentum": " (momentum at an end)"}
    ends = "".join(marks[end] for end in best["ends"])
    return f"{best['lr']:.2g}, {best['momentum']:g}{ends}"


def _ratio(told: Row | None) -> str:
    if told is None:
        return "diverged"
    if told["high"] is None:
        return f"{told['estimate']:.3f}"
    return f"{told['estimate']:.3f} ({told['low']:.2f} to {told['high']:.2f})"


def _number(value: float | None) -> str:
    return "no end (a run diverged)" if value is None else f"{value:.3f}"
