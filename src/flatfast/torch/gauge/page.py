"""The page: one file without scripts or network, in light and dark, that loads itself again."""

import html
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from flatfast.torch.gauge.charts import STROKES, Chart, Line, Span, compact
from flatfast.torch.gauge.history import History, Point
from flatfast.torch.gauge.reading import GroupReading
from flatfast.torch.gauge.words import lowest_limit, momentum

HERE = Path(__file__).parent

MOST_LINES = 4
"""Parameter groups that are drawn; groups that never differ are one."""


def render(title: str, steps: int, history: History, every: float | None) -> str:
    """The page.

    Args:
        title: What is trained.
        steps: Steps made.
        history: What was read; at least one point.
        every: Seconds after which it loads itself again; None for the last version.

    Returns:
        HTML.
    """
    points = history.points()
    kinds = _distinct(points)
    shown = kinds[:MOST_LINES]
    now = points[-1].groups
    refresh = "" if every is None else f'<meta http-equiv="refresh" content="{max(every, 1):.0f}">'
    made = f"{steps:,} step{'' if steps == 1 else 's'}"
    state = made if every is not None else f"ended after {made}"
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        refresh=refresh,
        title=html.escape(f"{title}: step {steps:,}"),
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        headline=html.escape(f"{title}: {state}"),
        tiles="\n".join(_tiles([now[index] for index in kinds], history)),
        charts="\n".join(filter(None, map(_figure, _charts(points, shown, history)))),
        notes=_notes(history, len(kinds)),
        as_of=html.escape(_as_of(every)),
    )


def _distinct(points: Sequence[Point]) -> list[int]:
    """Indices of the groups at the last point, one of those that were the same throughout."""
    found: dict[str, int] = {}
    for index in range(len(points[-1].groups)):
        ways = [point.groups[index] for point in points if index < len(point.groups)]
        found.setdefault(repr(ways), index)  # in text NaN equals NaN
    return list(found.values())


def _tiles(groups: Sequence[GroupReading], history: History) -> list[str]:
    def spread(value: Callable[[GroupReading], float], told: Callable[[float], str]) -> str:
        values = [value(group) for group in groups]
        if all(map(math.isnan, values)):
            return "none"
        low, high = told(min(values)), told(max(values))
        return low if low == high else f"{low} to {high}"

    tiles = [
        ("momentum", spread(lambda g: g.momentum, momentum), "of the last step"),
        ("memory", spread(lambda g: g.memory, _rounded), "steps, 1 / (1 − momentum)"),
        ("learning rate", spread(lambda g: g.lr, _rounded), "of the last step"),
        (
            "effective step",
            spread(lambda g: g.effective_step, _rounded),
            "lr / (1 − momentum)" if groups[0].summed else "lr, of an average",
        ),
    ]
    if history.curvatures:
        last, limit = history.curvatures[-1], lowest_limit(groups)
        value = _rounded(last.curvature.value)
        if limit is None:
            tiles.append(("curvature", value, f"largest, step {last.step:,}"))
        else:
            share = f"{last.curvature.value / limit:.2f}"
            tiles.append(("curvature over its limit", share, f"{value}, step {last.step:,}"))
    C = spread(lambda g: g.C, _rounded)
    tiles.append(("C", C, "1 − momentum = C lr^(2/3)"))
    return [
        f'<li class="tile"><span>{html.escape(name)}</span><strong>{html.escape(value)}</strong>'
        f"<span>{_formula(note)}</span></li>"
        for name, value, note in tiles
    ]


def _rounded(value: float) -> str:
    return compact(float(f"{value:.3g}"))


def _formula(told: str) -> str:
    return html.escape(told).replace("^(2/3)", "<sup>2/3</sup>")


def _charts(points: Sequence[Point], shown: Sequence[int], history: History) -> list[Chart]:
    def lines(value: Callable[[GroupReading], float]) -> list[Line]:
        return [
            Line(
                f"group {index}" if len(shown) > 1 else "",
                [(p.step, value(p.groups[index])) for p in points if index < len(p.groups)],
                "abcd"[place],
            )
            for place, index in enumerate(shown)
        ]

    charts = [
        Chart("Momentum", lines(lambda g: g.momentum)),
        Chart("Memory, in steps", lines(lambda g: g.memory)),
        Chart("Effective step", lines(lambda g: g.effective_step)),
        Chart("Learning rate", lines(lambda g: g.lr)),
    ]
    limits = [(p.step, limit) for p in points if (limit := lowest_limit(p.groups)) is not None]
    curvatures = [(m.step, m.curvature.value) for m in history.curvatures]
    if limits or curvatures:
        measured = Line("largest curvature, from below", curvatures, "a", dotted=True)
        ends = Line("stability limit, 2 (1 + momentum) / lr", limits, "b")
        both = [measured, ends] if curvatures else [ends]
        charts.append(Chart("Curvature and its limit", both))
    spans = [
        Span(each.step, each.C, each.low, each.high)
        for each in history.calibrations
        if each.refusal is None
    ]
    note = "Dots: calibrations, with 95% of where the best C lies." if spans else ""
    charts.append(Chart("C in 1 − momentum = C lr^(2/3)", lines(lambda g: g.C), spans, note))
    return charts


def _figure(chart: Chart) -> str:
    drawing = chart.svg()
    if not drawing:
        return ""
    keys = "".join(_key(line) for line in chart.lines if line.label)
    note = html.escape(chart.note)
    caption = f"<figcaption>{keys} {note}</figcaption>" if keys or note else ""
    return f"<figure><h2>{_formula(chart.title)}</h2>{drawing}{caption}</figure>"


def _key(line: Line) -> str:
    dashes = STROKES["abcd".index(line.kind)]
    return (
        '<span class="label"><svg class="key" viewBox="0 0 26 10" aria-hidden="true">'
        f'<path class="line {line.kind}" d="M0 5H26" stroke-dasharray="{dashes or "none"}"/></svg>'
        f"{html.escape(line.label)}</span> "
    )


def _notes(history: History, kinds: int) -> str:
    told = []
    if kinds > MOST_LINES:
        told.append(f"The first {MOST_LINES} of {kinds} parameter groups that differ are drawn.")
    if history.curvatures:
        spent = sum(each.curvature.evaluations for each in history.curvatures)
        last = history.curvatures[-1].curvature
        told.append(
            f"Curvature was measured {_times(len(history.curvatures))}, for {spent:,} gradients of "
            f"one batch in all; the last is {last.value:.4g}, and some curvature is within "
            f"{last.residual:.2g} of it."
        )
    for each in history.calibrations[-3:]:
        if each.refusal is not None:
            told.append(f"Step {each.step:,}: no law was found; {each.refusal}")
        else:
            told.append(
                f"Step {each.step:,}: C {each.C:.3g} ({each.low:.3g} to {each.high:.3g}), "
                f"calibrated for {each.evaluations:,} gradients of one batch."
            )
    if not told:
        return ""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in told)
    return f'<ul class="notes">{items}</ul>'


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _as_of(every: float | None) -> str:
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if every is None:
        return f"As of {at}, the last version."
    return (
        f"As of {at}. This page loads itself again; a training that goes on writes it every "
        f"{every:g} seconds or a little later, at the end of a step."
    )
