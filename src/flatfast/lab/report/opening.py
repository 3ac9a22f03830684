"""How the page opens: the answer, the numbers that carry it, and what could not be determined."""

from collections.abc import Mapping
from typing import Any

from flatfast.lab.estimation.conventions import convention_of
from flatfast.lab.report.explanations import glossary
from flatfast.lab.report.generalizations import generalization_line
from flatfast.lab.report.markup import Markup, element, emphasise, formula, join, text
from flatfast.lab.report.narrative import (
    FIRST_AGAINST,
    answer,
    faster_line,
    forecast_line,
    headline,
    interval_text,
    ratio_text,
)
from flatfast.lab.report.typography import fixed, method_name, number, percent, times
from flatfast.lab.report.undetermined import advice


def opening(summary: Mapping[str, Any]) -> Markup:
    """The answer in a sentence, three to five numbers, the verdicts, and what is missing."""
    exponent = summary["exponent"]
    figure = "" if exponent is None else f"γ = {fixed(exponent['estimate'])}"
    rest = list(headline(summary)[1:])
    pieces = [
        element("p", text("flatfast: momentum and learning rate"), class_="eyebrow"),
        element("h1", emphasise(answer(summary), figure) if figure else formula(answer(summary))),
    ]
    tiles = _tiles(summary)
    if tiles:
        pieces.append(element("ul", join(tiles), class_="tiles"))
    if summary["verdicts"]:
        chips = (
            element(
                "li",
                text(f"{v['name']} {'inside' if v['inside'] else 'excluded'}"),
                class_="inside" if v["inside"] else "outside",
                title=v["text"],
            )
            for v in summary["verdicts"]
        )
        pieces.append(element("ul", join(chips), class_="verdicts"))
        # Tiles and verdicts say the rest of the headline, but for these.
        rest = [faster_line(summary), generalization_line(summary), forecast_line(summary)]
    if any(rest):
        pieces.append(element("p", formula(" ".join(line for line in rest if line)), class_="lead"))
    notes = advice(summary)
    if notes:
        inner = element("ul", join(element("li", text(note)) for note in notes))
        if len(notes) == 1:
            inner = element("p", text(notes[0]))
        pieces.append(element("div", inner, class_="notes"))
    pieces.append(glossary(summary))
    return element("header", join(pieces))


def _tiles(summary: Mapping[str, Any]) -> list[Markup]:
    tiles = []
    exponent, constant, collapse = summary["exponent"], summary["best_C"], summary["collapse"]
    if exponent is not None:
        note = f"{percent(exponent['level'])} interval {interval_text(exponent)}"
        tiles.append(_tile("exponent", fixed(exponent["estimate"]), note))
    if constant is not None:
        note = f"{number(constant['low'])} to {number(constant['high'])}"
        law_name = convention_of(summary).law_name
        tiles.append(_tile(f"best C of the {law_name} law", number(constant["estimate"]), note))
    for name in FIRST_AGAINST:
        speedup = summary["speedup_best_eta"].get(name)
        if speedup is not None:
            tiles.append(_against(name, speedup))
    if collapse is not None and collapse["quality"] is not None:
        apart = f"{number(100 * collapse['quality'], 2)}%"
        note = "all learning rates on one curve would be 0"
        tiles.append(_tile("distance of the rescaled curves", apart, note))
    return tiles


def _against(name: str, speedup: Mapping[str, Any]) -> Markup:
    """A method's steps over the law's, each at its own best learning rate, and who is faster."""
    value = ratio_text(speedup)
    for words, sign in (("more than ", "> "), ("less than ", "< "), ("about ", "≈ ")):
        value = value.replace(words, sign)
    said = {
        "law": "the law is faster",
        "method": f"{method_name(name)} is faster",
        "=": "no winner",
        "<": f"{method_name(name)} is fastest at the end of its range",
        ">": "the law is fastest at the end of its range",
        "~": "both are fastest at the end of their ranges",
    }
    notes = [
        said.get(speedup["faster"], said.get(speedup["relation"], "no winner")),
        *(
            [f"{times(speedup['low'])} to {times(speedup['high'])}"]
            if speedup["relation"] in ("=", "~")
            else []
        ),
        "each at its own best learning rate",
    ]
    return _tile(f"steps of {method_name(name)} over the law's", value, "; ".join(notes))


def _tile(name: str, value: str, note: str) -> Markup:
    return element(
        "li",
        element("span", text(name)),
        element("strong", text(value)),
        element("span", text(note)),
        class_="tile",
    )
