"""A summary in sentences, for the terminal and the top of the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from flatfast.lab.estimation.conventions import convention_of
from flatfast.lab.estimation.correction import corrected_law
from flatfast.lab.report.generalizations import generalization_line
from flatfast.lab.report.typography import (
    count,
    fixed,
    method_name,
    momentum,
    number,
    percent,
    rate,
    times,
)

FIRST_AGAINST = ("momentum 0.9", "plain SGD")
"""Methods whose speed-ups are told first, if they were run."""


FEWEST_FOR_CORRECTION = 4
"""Best momenta from which the law's two constants are fitted with some left to judge them."""


ORACLE = "oracle"
"""How the source of a method begins that chose its momentum knowing the times; it is no rule."""


def headline(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What was found, in one to eight lines of plain text; the first is the answer.

    Args:
        summary: What :func:`flatfast.lab.report.summary.summarise` returned, or ``summary.json``.

    Returns:
        The lines.
    """
    lines = (
        answer(summary),
        verdict_line(summary),
        limit_line(summary),
        constant_line(summary),
        speed_line(summary),
        faster_line(summary),
        generalization_line(summary),
        forecast_line(summary),
    )
    return tuple(line for line in lines if line)


def answer(summary: Mapping[str, Any]) -> str:
    """The answer in one sentence: the law that was measured, or that there is none to report."""
    name = summary["problem"]["name"]
    exponent = summary["exponent"]
    convention = convention_of(summary)
    word = convention.momentum
    if exponent is not None:
        obeys = "= C·lr^γ" if convention.power == 1 else "∝ lr^γ"
        return (
            f"On {name}{_trained(summary)} the fastest {word} obeys {convention.mu} {obeys} "
            f"with γ = {fixed(exponent['estimate'])} "
            f"({percent(exponent['level'])} interval {interval_text(exponent)})."
        )
    located = [entry for entry in summary["best_momentum"] if entry["located"]]
    if len(summary["etas"]) == 1 and located:
        best = located[0]
        return (
            f"On {name}{_trained(summary)}, at learning rate {rate(best['eta'])}, the fastest "
            f"{word} is "
            f"{momentum(best['estimate'])} ({momentum_interval(best)})."
        )
    if summary["counts"]["by_method"].get("grid", {}).get("converged", 0) == 0:
        return (
            f"On {name}{_trained(summary)} no run of the sweep reached the goal: there is no best "
            f"{word} to report."
        )
    collapse = summary["collapse"]
    if convention.power != 1 and collapse is not None and collapse["best_gamma"]["low"] is not None:
        found = collapse["best_gamma"]  # a plateau has no optimum whose exponent could be told
        return (
            f"On {name}{_trained(summary)} the best {word} is not located at enough learning "
            f"rates; whole curves over {convention.mu} lie closest with the exponent "
            f"{fixed(found['estimate'])} "
            f"({percent(collapse['level'])} interval {interval_text(found)})."
        )
    return f"On {name}{_trained(summary)} the exponent could not be determined from these runs."


def _trained(summary: Mapping[str, Any]) -> str:
    """Which optimizer, where it is not heavy ball."""
    optimizer = summary.get("optimizer")
    return "" if optimizer is None else f" with {optimizer['name']}"


def interval_text(interval: Mapping[str, Any], decimals: int = 3) -> str:
    """The ends of an interval: 0.641 to 0.683."""
    return f"{fixed(interval['low'], decimals)} to {fixed(interval['high'], decimals)}"


def momentum_interval(entry: Mapping[str, Any]) -> str:
    """The ends of a momentum's interval, each with the digits it needs."""
    return f"{momentum(entry['low'])} to {momentum(entry['high'])}"


def verdict_line(summary: Mapping[str, Any]) -> str:
    """Which exponents the interval contains, and which it excludes."""
    inside = [v["name"] for v in summary["verdicts"] if v["inside"]]
    outside = [v["name"] for v in summary["verdicts"] if not v["inside"]]
    said = []
    if inside:
        said.append(f"{listed(inside)} {'lies' if len(inside) == 1 else 'lie'} inside the interval")
    if outside:
        said.append(f"{listed(outside)} {'is' if len(outside) == 1 else 'are'} excluded")
    return f"{'; '.join(said)}." if said else ""


def limit_line(summary: Mapping[str, Any]) -> str:
    """Where 2/3 is excluded: whether the law's own correction at these learning rates does it.

    An interval tells the errors of the slope over the learning rates that were swept. The law is
    the limit of small ones, and narrow intervals see the way there.
    """
    excluded = {v["name"] for v in summary["verdicts"] if not v["inside"]}
    found = [entry for entry in summary["best_momentum"] if entry["located"]]
    if "2/3" not in excluded or len(found) < FEWEST_FOR_CORRECTION:
        return ""
    mu = [1 - entry["estimate"] for entry in found]
    law = corrected_law([entry["eta"] for entry in found], mu)
    constants = ", ".join(
        f"{name} {number(value.estimate)} ({number(value.low)} to {number(value.high)})"
        for name, value in (("C", law.constant), ("a", law.slope))
    )
    return (
        "That is the slope over these learning rates, and 2/3 is the limit of small ones. The law "
        "with its first correction, C·lr^(2/3)·exp(a·lr^(1/3)), misses these best momenta by "
        f"{misfit(law.misfit)}, a free exponent by {misfit(law.power_law_misfit)}: {constants}."
    )


def misfit(value: float) -> str:
    """A root mean square difference of logarithms, as a share of ``1 - momentum``."""
    return f"{100 * value:.1f}%"


def constant_line(summary: Mapping[str, Any]) -> str:
    """The best C of the 2/3 law."""
    constant = summary["best_C"]
    if constant is None:
        return ""
    convention = convention_of(summary)
    of = "the 2/3 law" if convention.power == 1 else f"{convention.mu} = C³·lr^2"
    return (
        f"Best C of {of}: {number(constant['estimate'])} "
        f"({number(constant['low'])} to {number(constant['high'])})."
    )


def speed_line(summary: Mapping[str, Any]) -> str:
    """The usual choices beside the law, each method at its own best learning rate."""
    best = summary["speedup_best_eta"]
    told = [
        f"{method_name(name)} takes {ratio_text(best[name])} the law's steps{open_note(best[name])}"
        for name in FIRST_AGAINST
        if name in best and best[name]["estimate"] is not None
    ]
    return f"Each at its own best learning rate, {'; '.join(told)}." if told else ""


def faster_line(summary: Mapping[str, Any]) -> str:
    """Rules that are faster than the law, each at its own best learning rate; oracles are none."""
    comparison = summary["comparison"]
    if comparison is None:
        return ""
    rules = {m["name"] for m in comparison["methods"] if not m["source"].startswith(ORACLE)}
    faster = [
        f"{method_name(name)} ({ratio_text(speedup)} the law's steps)"
        for name, speedup in summary["speedup_best_eta"].items()
        if name in rules and speedup["faster"] == "method"
    ]
    if not faster:
        return ""
    return f"Faster than the law, each at its own best learning rate: {listed(faster)}."


def open_note(speedup: Mapping[str, Any]) -> str:
    """What to know of a ratio that is no bound on either side."""
    return " (both are fastest at the end of their ranges)" if speedup["relation"] == "~" else ""


def forecast_line(summary: Mapping[str, Any]) -> str:
    """What the theory said before the runs, and how it held."""
    told = summary["forecast"]
    if told is None:
        return ""
    said = (
        f"Forecast before any run, from {told['way']}: C = {number(told['C'])}, converged after "
        f"{number(told['time'])}·lr^(−2/3) steps"
    )
    held = [
        f"{number(told[name])} times the measured {of}"
        for name, of in (("C_ratio", "C"), ("time_ratio", "time"))
        if told[name] is not None
    ]
    return f"{said}: {listed(held)}." if held else f"{said}."


def ratio_text(speedup: Mapping[str, Any]) -> str:
    """A ratio of times with what is known of it: 1.35×, more than 58×, less than 4×, about 4×."""
    relation, estimate = speedup["relation"], speedup["estimate"]
    if estimate is None or relation == "unknown":
        return "unknown"
    words = {"=": "", ">": "more than ", "<": "less than ", "~": "about "}
    return words[relation] + times(estimate, relation)


def sample_line(summary: Mapping[str, Any]) -> str:
    """Of which runs trajectories and the test metric are; "" if of all."""
    counts = summary["counts"]
    sample = counts.get("sample")
    if sample is None:
        return ""
    return (
        f"Trajectories and the test metric are those of a sample of {count(sample['runs'])} of "
        f"{count(counts['runs'])} runs, all of {count(sample['seeds'])} of "
        f"{count(sample['of_seeds'])} seeds, drawn at random; times and fits are of all runs."
    )


def caution_line(summary: Mapping[str, Any]) -> str:
    """What the exponent's interval cannot see; "" if nothing is known, or in older summaries."""
    told = summary["exponent"].get("caution")
    return f" A caution: {told}." if told else ""


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
