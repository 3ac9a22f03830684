"""The report as one self-contained HTML page: no network, light and dark.

Figures are inlined as SVG in both themes. A small script adds what people look for in them: values
under the pointer, enlarging, downloads, sorted tables. An interactive plotting library would add
megabytes to every page; without scripts all there is to read is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from flatfast.lab.estimation.conventions import HEAVY_BALL, Convention, convention_of
from flatfast.lab.report.cards import Shown, card
from flatfast.lab.report.citation import citation
from flatfast.lab.report.explanations import meaning
from flatfast.lab.report.generalizations import generalization_table
from flatfast.lab.report.markup import (
    Markup,
    definitions,
    element,
    embedded,
    formula,
    join,
    text,
)
from flatfast.lab.report.narrative import caution_line, interval_text, sample_line
from flatfast.lab.report.opening import opening
from flatfast.lab.report.tables import (
    best_momentum_table,
    best_times_table,
    beyond_table,
    counts_table,
    jackknife_table,
    sensitivity_table,
    times_table,
)
from flatfast.lab.report.typography import (
    count,
    fixed,
    metric_name,
    number,
    percent,
    rate,
    sentence,
)

HERE = Path(__file__).parent

SCRIPTS = ("saving", "picking", "values", "figures", "enlarging", "printing", "tables", "copying")
"""Parts of the page's script, in order."""

COMPARED = ("method_range", "method_comparison")
"""Figures that belong to the comparison of methods, in order."""


def page(summary: Mapping[str, Any], figures: Sequence[Shown]) -> str:
    """The page.

    Args:
        summary: What :func:`flatfast.lab.report.summary.summarise` returned.
        figures: The figures, in order.

    Returns:
        HTML.
    """
    shown = {figure.drawing.name: figure for figure in figures}
    compared = [shown.pop(name, None) for name in COMPARED]
    sections = [
        opening(summary),
        _best_momenta(summary),
        _meaning(summary),
        _figures(list(shown.values()), sample_line(summary), convention_of(summary)),
        _comparison(summary, [figure for figure in compared if figure is not None]),
        _confidence(summary),
        _provenance(summary),
        _section("Reproduce and cite", "", *citation(summary)),
    ]
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=text(
            f"{summary['problem']['name']}: best {convention_of(summary).momentum} against "
            "learning rate"
        ),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        problem=text(summary["problem"]["name"]),
        body=join(section for section in sections if section),
        data=join([embedded("summary", summary), embedded("values", _values(figures))]),
        script="\n".join(
            (HERE / "script" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS
        ),
    )


def _values(figures: Iterable[Shown]) -> dict[str, Any]:
    """All figures in order: what each shows, or why it is not there."""
    return {
        figure.drawing.name: {"reason": figure.reason}
        if figure.reason
        else figure.values.to_json()
        if figure.values
        else {}
        for figure in figures
    }


def _best_momenta(summary: Mapping[str, Any]) -> Markup:
    note = f"Small figures are {percent(summary['level'])} intervals."
    title = f"Best {convention_of(summary).momentum} at each learning rate"
    return _section(title, note, best_momentum_table(summary))


def _meaning(summary: Mapping[str, Any]) -> Markup:
    said = meaning(summary)
    return _section("What this means for your training", "", said) if said else said


def _figures(figures: Iterable[Shown], note: str, convention: Convention) -> Markup:
    listed = list(figures)
    cards = [drawn for drawn in (card(figure, convention) for figure in listed) if drawn]
    pieces = [element("div", join(cards), class_="figures")] if cards else []
    # Several figures may lack the same thing.
    reasons = dict.fromkeys(figure.reason for figure in listed if figure.reason)
    if reasons:
        items = join(element("li", formula(reason)) for reason in reasons)
        pieces.append(element("ul", items, class_="absent"))
    return _section("What the runs show", note, *pieces)


def _comparison(summary: Mapping[str, Any], figures: Sequence[Shown]) -> Markup:
    title = "The law beside other rules"
    if convention_of(summary) is not HEAVY_BALL:
        return _section(title, sentence(summary["missing"]["comparison"]))
    if summary["comparison"] is None:
        reasons = dict.fromkeys(figure.reason for figure in figures)
        return _section(title, " ".join(reason for reason in reasons if reason))
    level = percent(summary["comparison"]["level"])
    pieces = [
        element("h3", text("Each at its own best learning rate")),
        best_times_table(summary),
        element(
            "p",
            text(
                "Each rule is compared up to 0.95 of its own stability limit where the runs start, "
                "2 (1 + momentum) over the largest curvature. Where its best learning rate is the "
                "greatest compared it may be faster beyond, and its ratio is a bound: less than, "
                "or more than where it is the law's. The law is called faster only if the interval "
                "of the ratio lies above 1, slower only if it lies below."
            ),
            class_="aside",
        ),
        element("h3", text("All at the same learning rate")),
        times_table(summary),
        element(
            "p",
            text("Below each time: how many times faster the law is. In colour: the fastest rule."),
            class_="aside",
        ),
    ]
    judged = generalization_table(summary)
    if judged is not None:
        pieces += [element("h3", text("On the test set, each at its own best")), judged]
    beyond = beyond_table(summary)
    if beyond is not None:
        pieces += [
            element("h3", text("Above the limit, with catapults")),
            beyond,
            element(
                "p",
                text(
                    "Runs above the stability limit are thrown off the manifold of minimizers and "
                    "land elsewhere, sometimes sooner and sometimes never: another effect than a "
                    "rule's, and no part of the comparison above. Medians over all runs, those "
                    "that diverged counted as never."
                ),
                class_="aside",
            ),
        ]
    cards = [drawn for drawn in map(card, figures) if drawn]
    if cards:
        pieces.insert(0, element("div", join(cards), class_="figures"))
    note = (
        "At a small learning rate any fixed momentum loses by as much as one likes, so both "
        "comparisons are given: at equal learning rates, and with each method free to choose its "
        f"own. Medians over seeds with {level} intervals."
    )
    return _section(title, note, *pieces)


def _confidence(summary: Mapping[str, Any]) -> Markup:
    pieces = []
    exponent = summary["exponent"]
    if exponent is not None:
        jackknife = summary["jackknife"]
        verdicts = join(element("li", text(f"{v['text']}.")) for v in summary["verdicts"])
        pieces += [
            element("ul", verdicts),
            element(
                "p",
                text(
                    f"Standard error {number(exponent['standard_error'], 2)}, from "
                    f"{exponent['resamples']} resamples of the seeds and the scatter of the "
                    f"optima about the line, which is {number(100 * exponent['scatter'], 2)}% "
                    "beyond what the seeds explain. The jackknife over learning rates gives "
                    f"{number(jackknife['standard_error'], 2)}.{caution_line(summary)}"
                ),
            ),
            element("h3", text("Other ways to find the optimum")),
            element("p", text(f"μ is {convention_of(summary).mu}."), class_="aside"),
            sensitivity_table(summary),
            element("h3", text("One learning rate left out")),
            jackknife_table(summary),
        ]
    collapse = summary["collapse"]
    if collapse is not None and collapse["best_gamma"]["low"] is not None:
        pieces.append(
            element(
                "p",
                text(
                    "The exponent that brings the rescaled curves closest, an estimate that needs "
                    f"no optimum: {fixed(collapse['best_gamma']['estimate'])} "
                    f"({percent(collapse['level'])} interval "
                    f"{interval_text(collapse['best_gamma'])})."
                ),
            )
        )
    total = summary["counts"]
    pieces += [
        element("h3", text("Runs")),
        element(
            "p",
            text(
                f"{count(total['runs'])} runs, {number(total['steps'])} steps in all. Runs "
                "that do not converge are kept as times longer than the run."
            ),
        ),
        counts_table(summary),
    ]
    return _section("How sure is this", "", *pieces)


def _provenance(summary: Mapping[str, Any]) -> Markup:
    problem = summary["problem"]
    pieces = [definitions([*_goal(problem["goal"]), *_flat(problem["settings"])])]
    if summary["sweep"]:
        pieces += [element("h3", text("Sweep")), definitions(_flat(summary["sweep"]))]
    for title, name in (("Machine", "machine"), ("Versions", "versions")):
        if summary[name]:
            pieces += [element("h3", text(title)), definitions(_flat(summary[name]))]
    if summary["created"]:
        pieces.append(element("p", text(f"Created {summary['created']}."), class_="aside"))
    return _section("Settings and machine", "", *pieces)


def _goal(goal: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not goal or "threshold" not in goal:
        return []
    threshold = rate(goal["threshold"])
    if goal.get("relative", False):
        threshold += " of its start"
    said = f"{metric_name(goal['metric'])} settles at or below {threshold}"
    window = goal.get("smoothing")
    if window:
        said += f", averaged over {rate(window)} / (1 − momentum) steps"
    return [("goal", said)]


def _flat(values: Mapping[str, Any] | str, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as a flat list of names and values."""
    if not isinstance(values, Mapping):
        return [(prefix or "value", str(values))]
    pairs = []
    for name, value in values.items():
        label = f"{prefix} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            pairs += _flat(value, label)
        elif value is not None and value != "":
            pairs.append((label, _worded(value)))
    return pairs


def _worded(value: object) -> str:
    """A setting as people write it."""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {said}".strip() for name, said in _flat(value)) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_worded, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "unknown" if value is None else str(value)


def _section(title: str, note: str, *pieces: Markup) -> Markup:
    opening = [element("h2", text(title))]
    if note:
        opening.append(element("p", text(note), class_="aside"))
    return element("section", join([*opening, *pieces]))
