"""``progress.html``: how a sweep goes on, in a page that loads itself again until it is done."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import numpy as np

from flatfast.lab.atomic import atomically
from flatfast.lab.report.markup import Markup, element, join, text
from flatfast.lab.report.typography import count, momentum, percent, rate
from flatfast.lab.status import LIVE, State, Status, compact, duration
from flatfast.lab.tally import Cell, Tally

REFRESH = 5
"""Seconds after which the page is loaded again."""

MOST = 12
"""Rows and columns of the table of cells; of more, neighbours are counted together."""

Label = Callable[[float], str]

HERE = Path(__file__).parent


class LivePage:
    """Writes the page whenever it is told of a status."""

    def __init__(self, folder: Path, name: str, wanted: Mapping[Cell, int] | None = None) -> None:
        """Nothing is written yet.

        Args:
            folder: Of the sweep.
            name: Of what is swept.
            wanted: Runs that the grid asks for in each cell; None where they are chosen as it goes.
        """
        self._folder, self._name, self._wanted = folder, name, wanted
        self._tally = Tally(folder)

    def __call__(self, status: Status) -> None:
        """Write the page.

        Raises:
            OSError: If it cannot be written.
        """
        self._tally.update()
        with atomically(self._folder / LIVE) as partial:
            page = live_page(self._name, status, self._tally, self._wanted)
            partial.write_text(page, encoding="utf-8", errors="replace")


def live_page(
    name: str, status: Status, tally: Tally, wanted: Mapping[Cell, int] | None = None
) -> str:
    """The page.

    Args:
        name: Of what is swept.
        status: How far it is.
        tally: What is stored.
        wanted: As :class:`LivePage` has it.

    Returns:
        HTML: no network, no script, light and dark.
    """
    running = status.state is State.RUNNING
    pieces = [
        element("p", text("flatfast: a sweep as it goes on"), class_="eyebrow"),
        element("h1", text(_headline(name, status))),
        _bar(status),
        _tiles(status, tally),
        _failures(status),
        _cells(tally, wanted),
        element("p", text(_as_of(status)), class_="aside"),
    ]
    refresh = f'<meta http-equiv="refresh" content="{REFRESH}">' if running else ""
    style = "".join((HERE / css).read_text(encoding="utf-8") for css in ("page.css", "live.css"))
    return Template((HERE / "live.html").read_text(encoding="utf-8")).substitute(
        refresh=refresh,
        title=text(f"{_share(status)} of {name}"),
        style=style,
        body=join(piece for piece in pieces if piece),
    )


def _headline(name: str, status: Status) -> str:
    told = {
        State.RUNNING: f"{status.stage or 'the sweep'}, {_share(status)} done",
        State.DONE: "all runs are made",
        State.STOPPED: f"stopped at {_share(status)}; the same command goes on from there",
        State.FAILED: "the sweep has failed; what is stored is kept",
    }
    return f"{name}: {told[status.state]}"


def _share(status: Status) -> str:
    done = status.stored / status.wanted if status.wanted else 0.0
    return percent(math.floor(100 * done) / 100)  # all is not done before all is done


def _bar(status: Status) -> Markup:
    done = status.stored / status.wanted if status.wanted else 0.0
    label = {"role": "progressbar", "aria-valuenow": f"{100 * done:.0f}", "aria-label": "runs"}
    return element("div", element("div", style=f"width:{100 * done:.1f}%"), class_="bar", **label)


def _tiles(status: Status, tally: Tally) -> Markup:
    running = status.state is State.RUNNING
    left = status.left if running else None
    tiles = [
        ("runs stored", f"{count(status.stored)} of {count(status.wanted)}", status.stage),
        (
            "steps a second",
            compact(status.steps_per_second),
            f"{status.engine}, {status.workers} worker{'s' if status.workers > 1 else ''}",
        ),
        (
            "time left" if running else "time taken",
            duration(status.updated - status.started if left is None else left)
            if left is not None or not running
            else "not known",
            "by planned steps" if running else "",
        ),
        (
            "reached the goal",
            percent(round(tally.ended["converged"] / tally.runs, 2)) if tally.runs else "none yet",
            f"of {count(tally.runs)} runs in the folder; {count(tally.ended['diverged'])} diverged",
        ),
    ]
    shown = (
        element(
            "li",
            element("span", text(name)),
            element("strong", text(value)),
            element("span", text(note)),
            class_="tile",
        )
        for name, value, note in tiles
    )
    return element("ul", join(shown), class_="tiles")


def _failures(status: Status) -> Markup:
    lines = [
        f"{count(runs)} runs could not be made: {why}" for why, runs in status.failures.items()
    ]
    if status.error:
        lines.append(status.error)
    if not lines:
        return text("")
    return element(
        "div", element("ul", join(element("li", text(line)) for line in lines)), class_="failures"
    )


def _as_of(status: Status) -> str:
    at = datetime.fromtimestamp(status.updated, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if status.state is not State.RUNNING:
        return f"As of {at}."
    return (
        f"As of {at}; this page loads itself again every {REFRESH} seconds. If the time stays what "
        "it is for longer than a chunk takes, flatfast watch tells whether the sweep still runs."
    )


@dataclass(frozen=True)
class _Axis:
    """Values of one axis, neighbours together where there are many.

    Attributes:
        labels: Of each place; of several values the range.
        place: Of each value.
    """

    labels: list[str]
    place: dict[float, int]


def _axis(values: set[float], distance: Callable[[float], float], label: Label) -> _Axis:
    """Places along an axis; where values share them, evenly in the logarithm of ``distance``."""
    ascending = sorted(values)
    if len(ascending) <= MOST:
        return _Axis(_names(ascending, label), {value: k for k, value in enumerate(ascending)})
    at = np.log([distance(value) for value in ascending])
    edges = np.linspace(at[0], at[-1], MOST + 1)
    if at[0] > at[-1]:
        at, edges = -at, -edges
    share = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, MOST - 1)
    firsts = np.flatnonzero(np.diff(share, prepend=-1))
    place = np.cumsum(np.diff(share, prepend=share[0]) > 0)
    return _Axis(
        [f"{name}…" for name in _names([ascending[k] for k in firsts], label)],
        dict(zip(ascending, place.tolist(), strict=True)),
    )


def _names(values: Sequence[float], label: Label) -> list[str]:
    """Labels, or where some would be the same, numbers with as few digits as tell them apart."""
    names = [label(value) for value in values]
    digits = 4
    while len(set(names)) < len(names) and digits < 18:
        names = [f"{value:.{digits}g}" for value in values]
        digits += 1
    return names


def _cells(tally: Tally, wanted: Mapping[Cell, int] | None) -> Markup:
    """Learning rate against momentum: how many runs are done, and how many of them converged."""
    cells = set(wanted or ()) | set(tally.stored)
    if not cells:
        return text("")
    rows = _axis({lr for lr, _ in cells}, lambda lr: lr, lambda lr: rate(lr, 3))
    columns = _axis({beta for _, beta in cells}, lambda beta: 1 - beta, momentum)
    stored, converged, asked = (Counter[tuple[int, int]]() for _ in range(3))
    for lr, beta in cells:
        at = rows.place[lr], columns.place[beta]
        stored[at] += tally.stored[lr, beta]
        converged[at] += tally.converged[lr, beta]
        asked[at] += (wanted or {}).get((lr, beta), 0)
    most = max(stored.values())
    head = element(
        "tr", *(element("th", text(label), scope="col") for label in ("lr", *columns.labels))
    )
    body = []
    for r, label in enumerate(rows.labels):
        shown = [element("th", text(label), scope="row")]
        for c in range(len(columns.labels)):
            of = asked[r, c] if wanted is not None else most
            shown.append(_cell(stored[r, c], converged[r, c], of))
        body.append(element("tr", *shown))
    table = element("table", element("thead", head), element("tbody", join(body)), class_="cells")
    filled = (
        "how many of a cell's runs are stored"
        if wanted is not None
        else "how many runs a cell has, beside the cell that has most; they are chosen as it goes"
    )
    note = (
        f"Learning rate down, momentum to the right. Filled: {filled}. Number, and depth of the "
        "colour: percent of those that reached the goal."
    )
    return join(
        [
            element("h2", text("The grid, cell by cell")),
            element("p", text(note), class_="aside"),
            element("p", text("This table scrolls sideways →"), class_="hint"),
            element("div", table, class_="scroll", tabindex="0"),
        ]
    )


def _cell(stored: int, converged: int, of: int) -> Markup:
    if not of and not stored:
        return element("td", class_="none")
    share = 100 * stored / of if of else 100.0
    hit = 100 * converged / stored if stored else 0.0
    told = f"{stored} of {of} runs, {converged} reached the goal"
    style = f"--done:{min(share, 100):.0f}%;--hit:{hit / 2:.0f}%"
    return element("td", text(f"{hit:.0f}" if stored else ""), style=style, title=told)
