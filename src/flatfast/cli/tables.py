"""A study in the terminal."""

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from flatfast.lab.report import advice, headline, summarise
from flatfast.lab.report.study import Study


def study_tables(study: Study) -> Iterator[RenderableType]:
    """The answer, the best momentum at each learning rate, the methods, and what is missing."""
    summary = summarise(study)
    first, *rest = headline(summary)
    yield Text(first, style="bold")
    yield from (Text(line) for line in rest)
    yield _best(summary)
    if summary["comparison"] is not None:
        yield _methods(summary)
    counts = summary["counts"]["by_status"]
    yield Text(
        f"{summary['counts']['runs']:,} runs: "
        + ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
    )
    yield from (Text(line, style="yellow") for line in advice(summary))


def _best(summary: dict[str, Any]) -> Table:
    table = _table("best momentum", "lr", "momentum", "interval", "steps to goal", "interval")
    for momentum, time in zip(summary["best_momentum"], summary["best_time"], strict=True):
        lr = f"{momentum['eta']:g}"
        if not momentum["located"]:
            table.add_row(lr, "not located", "", "", "")
            continue
        table.add_row(
            lr,
            f"{momentum['estimate']:.5f}",
            f"{momentum['low']:.5f}-{momentum['high']:.5f}",
            f"{time['estimate']:,.0f}",
            f"{time['low']:,.0f}-{time['high']:,.0f}",
        )
    return table


def _methods(summary: dict[str, Any]) -> Table:
    """How much faster the law is: at a common learning rate, and each at its own best one."""
    comparison = summary["comparison"]
    etas = comparison["etas"]
    middle = etas[len(etas) // 2]
    table = _table(
        "steps to the goal, and how much faster the law is",
        "method",
        f"lr {middle:.2g}",
        "law",
        "own best lr",
        "law",
    )
    table.columns[0].justify, table.columns[0].no_wrap = "left", False
    for method in comparison["methods"]:
        name, best = method["name"], method["best"]
        here = next(entry for entry in method["at_eta"] if entry["eta"] == middle)
        at_middle = next(
            (s for s in summary["speedup_at_eta"].get(name, ()) if s["eta"] == middle), None
        )
        table.add_row(
            Text(name),
            _time(here),
            _ratio(at_middle),
            _at_best(best),
            _ratio(summary["speedup_best_eta"].get(name)),
            style="bold" if name == comparison["reference"] else None,
        )
    return table


def _table(title: str, *names: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _at_best(best: dict[str, Any] | None) -> str:
    if best is None:
        return "-"
    where = f" at {best['eta']:.2g}" if best["outcome"] == "measured" else ""
    return f"{_time(best)}{where}"


def _time(entry: dict[str, Any]) -> str:
    if entry["outcome"] == "measured":
        return f"{entry['time']['estimate']:,.0f}"
    if entry["outcome"] == "beyond limit":
        return f"> {entry['limit']:,.0f}"
    return {"diverged": "diverged", "no runs": "-"}[entry["outcome"]]


def _ratio(speedup: dict[str, Any] | None) -> str:
    if speedup is None or speedup["estimate"] is None or speedup["relation"] == "unknown":
        return "-"
    mark = {"=": "", ">": "> ", "<": "< "}[speedup["relation"]]
    return f"{mark}{speedup['estimate']:.3g}×"
