"""What a report could not determine, and what to do about it."""

from collections.abc import Iterator, Mapping
from typing import Any

from flatfast.lab.estimation.conventions import ADAPTIVE, convention_of
from flatfast.lab.report.narrative import listed
from flatfast.lab.report.typography import rate, sentence

FEWEST_FOR_LINE = 3
"""Best momenta through which a line is fitted with a single one left to judge it by."""

LEFT_OUT = ("rows", "manifest", "forecast")
"""Parts that are missing because they could not be read, and not because the runs are too few."""


def advice(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What could not be determined, and what to do about it; empty where all is well."""
    said = []
    counts = summary["counts"]["by_method"].get("grid", {})
    located = sum(entry["located"] for entry in summary["best_momentum"])
    few = summary["exponent"] is None and len(summary["etas"]) < 3
    if counts.get("converged", 0) == 0:
        said.append(
            "No run of the sweep reached the goal. Make the runs longer (--duration), try higher "
            "momenta, choose an easier threshold, or move the learning rates."
        )
    elif located < len(summary["best_momentum"]):
        why = "" if summary["exponent"] is not None else summary["missing"].get("fit", "")
        rates: dict[str, list[str]] = {}
        for entry in summary["best_momentum"]:
            # What the refusal of an exponent says already is not said twice.
            if not entry["located"] and (few or entry["reason"] not in why):
                rates.setdefault(entry["reason"], []).append(rate(entry["eta"]))
        said += [
            sentence(
                f"no best momentum at learning rate{'s'[: len(at) > 1]} {listed(at)}: {reason}"
            )
            for reason, at in rates.items()
        ]
        said.append(f"{_wider(summary)}; make the runs longer where times lie beyond them.")
    if few:
        said.append(
            "An exponent needs three or more learning rates; this sweep has "
            f"{len(summary['etas'])}. Add some, spread over a decade."
        )
    elif summary["exponent"] is None and counts.get("converged", 0):
        said.append(sentence(f"no exponent: {summary['missing'].get('fit', 'it was not fitted')}"))
    return (*said, *_few_rates(summary), *left_out(summary))


def _wider(summary: Mapping[str, Any]) -> str:
    """What to do about an optimum at the edge of the momenta."""
    if convention_of(summary) is not ADAPTIVE:
        return "Widen the range of momenta where an optimum is at its edge"
    return (
        "Theory has no best beta 1, but a plateau up to an edge beyond which steps rise "
        "(docs/adam.md): where the curves show it, they are the answer"
    )


def _few_rates(summary: Mapping[str, Any]) -> Iterator[str]:
    """What to know of an interval of the exponent from the fewest learning rates."""
    located = sum(entry["located"] for entry in summary["best_momentum"])
    if summary["exponent"] is not None and located == FEWEST_FOR_LINE:
        yield (
            "Three best momenta say little about how far they lie off a line: the interval of the "
            "exponent can be narrower than its level says, and a verdict at its edge is none. More "
            "learning rates tell."
        )


def left_out(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What was there and could not be used."""
    missing = summary["missing"]
    return tuple(sentence(missing[part]) for part in LEFT_OUT if part in missing)
