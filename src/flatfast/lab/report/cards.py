"""Figures as they go into the page, each with its caption."""

from dataclasses import dataclass

from flatfast.lab.estimation.conventions import HEAVY_BALL, Convention
from flatfast.lab.report.figures import Drawing, words_of
from flatfast.lab.report.markup import Markup, element, picture, text
from flatfast.lab.report.values import Values


@dataclass(frozen=True)
class Shown:
    """A figure as it goes into the page.

    Attributes:
        drawing: What it is.
        light: SVG for light pages; None where it could not be drawn.
        dark: SVG for dark pages.
        reason: Why it could not be drawn.
        values: What it shows, in numbers; None where that is not known.
    """

    drawing: Drawing
    light: bytes | None
    dark: bytes | None
    reason: str = ""
    values: Values | None = None


def card(figure: Shown, convention: Convention = HEAVY_BALL) -> Markup:
    """A figure with its caption; nothing where it could not be drawn."""
    if figure.light is None or figure.dark is None:
        return text("")
    description, caption = words_of(figure.drawing, convention)
    image = picture(figure.light, figure.dark, description)
    frame = element("div", image, class_="frame")
    words = element("figcaption", text(caption))
    return element("figure", frame, words, data_name=figure.drawing.name)
