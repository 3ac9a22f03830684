"""Small line charts as SVG that takes its colours from the page around it."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 26
"""Of the drawing, and of the space around the lines, in units of the drawing."""

LOG_FROM = 20.0
"""Largest over smallest value from which on an axis is logarithmic."""

FEW = 40
"""Measurements that are drawn as dots."""

STROKES = ("", "6 3", "2 3", "8 3 2 3")
"""Dashes that tell lines apart beside their colours."""


@dataclass(frozen=True)
class Line:
    """Values over steps.

    Attributes:
        label: What it is.
        points: (step, value); what is not finite is left out.
        kind: Class of the line in ``page.css``: ``a`` to ``d``.
        dotted: Whether each point is a measurement, to be seen as one; of the last :data:`FEW`.
    """

    label: str
    points: Sequence[tuple[float, float]]
    kind: str = "a"
    dotted: bool = False


@dataclass(frozen=True)
class Span:
    """A value with its interval, at a step."""

    step: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        title: What is shown, with its unit.
        lines: Lines, drawn in order.
        spans: Values with intervals.
        note: A sentence below.
    """

    title: str
    lines: Sequence[Line]
    spans: Sequence[Span] = field(default=())
    note: str = ""

    def svg(self) -> str:
        """The drawing; empty where there is nothing to draw."""
        lines = [replace(each, points=_finite(each.points)) for each in self.lines]
        values = [y for each in lines for _, y in each.points]
        values += [y for each in self.spans for y in (each.low, each.value, each.high)]
        steps = [x for each in lines for x, _ in each.points] + [s.step for s in self.spans]
        if not values:
            return ""
        x, y = Axis.linear(steps, whole=True), Axis.of(values)
        body = [*_grid(x, y)]
        for each in lines:
            body.append(_path(each, x, y))
        body += [_span(each, x, y) for each in self.spans]
        label = html.escape(self.title, quote=True)
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
            f"{''.join(body)}</svg>"
        )


@dataclass(frozen=True)
class Axis:
    """From values to places between 0 and 1, and the values that are marked."""

    low: float
    high: float
    logarithmic: bool
    ticks: Sequence[float]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Axis":
        """Logarithmic where the values are positive and far apart."""
        low, high = min(values), max(values)
        if low <= 0 or high < LOG_FROM * low:
            return cls.linear(values)
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        few = (1, 2, 5) if last - first <= 2 else (1,)
        every = [m * 10.0**k for k in range(first, last + 1) for m in few]
        ticks = [tick for tick in every if low * 0.99 <= tick <= high * 1.01]
        step = -(-len(ticks) // 6) or 1
        room = (high / low) ** 0.06
        return cls(low / room, high * room, True, ticks[::step])

    @classmethod
    def linear(cls, values: Sequence[float], *, whole: bool = False) -> "Axis":
        """With some round values marked."""
        low, high = min(values), max(values)
        if high == low:
            room = 0.5 if whole else abs(low) / 2 or 1.0
            return cls(low - room, high + room, False, [low])
        size = _round_step((high - low) / (4 if whole else 5))
        if whole:
            size = max(size, 1.0)
        first = math.ceil(low / size - 1e-9)
        ticks = [size * k for k in range(first, math.floor(high / size + 1e-9) + 1)]
        room = 0.0 if whole else 0.06 * (high - low)
        return cls(low - room, high + room, False, ticks)

    def place(self, value: float) -> float:
        """Where a value is, between 0 and 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def compact(value: float) -> str:
    """A number in few characters: 1,200, 12k, 1.2M, 0.00025."""
    size = abs(value)
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            scale = 1e3 if name == "k" else unit
            return f"{value / scale:.4g}{name}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0e}".replace("e-0", "e-") if 0 < size < 1e-4 else f"{value:.4g}"


def _round_step(size: float) -> float:
    power = 10.0 ** math.floor(math.log10(size))
    return power * next(m for m in (1, 2, 5, 10) if m * power >= size * (1 - 1e-9))


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(y)]


def _at(x: Axis, y: Axis, step: float, value: float) -> tuple[float, float]:
    across = LEFT + x.place(step) * (WIDTH - LEFT - RIGHT)
    return across, HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM)


def _grid(x: Axis, y: Axis) -> list[str]:
    drawn = []
    for tick in y.ticks:
        _, at = _at(x, y, x.low, tick)
        drawn.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" class="y">{compact(tick)}</text>')
    for tick in x.ticks:
        across, _ = _at(x, y, tick, y.low)
        anchor = "end" if across > WIDTH - 30 else "middle"  # labels stay within the drawing
        drawn.append(
            f'<text x="{across:.1f}" y="{HEIGHT - 8}" class="x" '
            f'text-anchor="{anchor}">{compact(tick)}</text>'
        )
    drawn.append(f'<text x="4" y="{HEIGHT - 8}">step</text>')
    bottom = HEIGHT - BOTTOM
    drawn.append(f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>')
    return drawn


def _path(line: Line, x: Axis, y: Axis) -> str:
    places = [_at(x, y, *point) for point in line.points]
    if not places:
        return ""
    dots = places if line.dotted or len(places) == 1 else []
    dotted = "".join(
        f'<circle class="dot {line.kind}" cx="{across:.1f}" cy="{up:.1f}" r="3"/>'
        for across, up in dots[-FEW:]
    )
    if len(places) == 1:
        return dotted
    way = "L".join(f"{across:.1f} {up:.1f}" for across, up in places)
    dashes = STROKES["abcd".index(line.kind)]
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<path class="line {line.kind}" d="M{way}"{dashed}/>{dotted}'


def _span(span: Span, x: Axis, y: Axis) -> str:
    across, low = _at(x, y, span.step, span.low)
    _, high = _at(x, y, span.step, span.high)
    _, at = _at(x, y, span.step, span.value)
    ends = "".join(f"M{across - 4:.1f} {end:.1f}H{across + 4:.1f}" for end in (low, high))
    return (
        f'<path class="span" d="M{across:.1f} {low:.1f}V{high:.1f}{ends}"/>'
        f'<circle class="dot span" cx="{across:.1f}" cy="{at:.1f}" r="3.5"/>'
    )
