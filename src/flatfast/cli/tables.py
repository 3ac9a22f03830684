"""A study in the terminal."""

from collections.abc import Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from flatfast.lab.estimation.conventions import convention_of
from flatfast.lab.report import advice, headline, sample_line, summarise
from flatfast.lab.report.study import Study
from flatfast.lab.report.typography import marked


def study_tables(study: Study) -> Iterator[RenderableType]:
    """The answer, the best momentum at each learning rate, the methods, and what is missing."""
    summary = summarise(study)
    first, *rest = headline(summary)
    yield Text(first, style="bold")
    yield from (Text(line) for line in rest)
    yield _best(summary)
    if summary["comparison"] is not None:
        yield _methods(summary)
        above = _beyond(summary)
        if above is not None:
            yield above
    counts = summary["counts"]["by_status"]
    yield Text(
        f"{summary['counts']['runs']:,} runs: "
        + ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items())
    )
    if sample_line(summary):
        yield Text(sample_line(summary))
    yield from (Text(line, style="yellow") for line in advice(summary))


def _best(summary: dict[str, Any]) -> Table:
    word = convention_of(summary).momentum
    table = _table(f"best {word}", "lr", word, "interval", "steps to goal", "interval")
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
    """Steps and their ratio to the law's: at a common learning rate, and each at its own best."""
    comparison = summary["comparison"]
    etas = comparison["etas"]
    middle = etas[len(etas) // 2] if etas else None
    table = _table(
        "steps to the goal, and how many times the law's",
        "method",
        *(() if middle is None else (f"lr {middle:.2g}", "law")),
        "own best lr",
        "law",
    )
    table.columns[0].justify, table.columns[0].no_wrap = "left", False
    for method in comparison["methods"]:
        name, best = method["name"], method["best"]
        cells = []
        if middle is not None:
            here = next((entry for entry in method["at_eta"] if entry["eta"] == middle), None)
            ratios = summary["speedup_at_eta"].get(name, ())
            ratio = next((s for s in ratios if s["eta"] == middle), None)
            cells = ["-" if here is None else _time(here), _ratio(ratio)]
        table.add_row(
            Text(name),
            *cells,
            _at_best(best),
            _ratio(summary["speedup_best_eta"].get(name)),
            style="bold" if name == comparison["reference"] else None,
        )
    if any(m["best"] is not None and m["best"]["end"] for m in comparison["methods"]):
        table.caption = "* the best lies at an end of the learning rates compared: a bound"
        table.caption_justify = "left"
    return table


def _beyond(summary: dict[str, Any]) -> Table | None:
    """Steps above each method's stability limit, and the share of the runs that diverged."""
    methods = [m for m in summary["comparison"]["methods"] if m["beyond"]]
    if not methods:
        return None
    shares = sorted({_share(m, entry) for m in methods for entry in m["beyond"]})
    table = _table(
        "above the stability limit, with catapults: steps (share diverged)",
        "method",
        *(f"{share:g} x limit" for share in shares),
    )
    table.columns[0].justify, table.columns[0].no_wrap = "left", False
    for method in methods:
        known = {_share(method, entry): entry for entry in method["beyond"]}
        table.add_row(
            method["name"],
            *(
                f"{_time(known[share])} ({known[share]['diverged'] / known[share]['runs']:.0%})"
                if share in known
                else "-"
                for share in shares
            ),
        )
    return table


def _share(method: dict[str, Any], entry: dict[str, Any]) -> float:
    return round(float(entry["eta"] / method["stability_limit"]), 2)


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
    return f"{_time(best)}{where}{'*' if best['end'] else ''}"


def _time(entry: dict[str, Any]) -> str:
    if entry["outcome"] == "measured":
        return f"{entry['time']['estimate']:,.0f}"
    if entry["outcome"] == "beyond limit":
        return f"> {entry['limit']:,.0f}"
    return {"diverged": "diverged", "no runs": "-"}[entry["outcome"]]


def _ratio(speedup: dict[str, Any] | None) -> str:
    if speedup is None or speedup["estimate"] is None or speedup["relation"] == "unknown":
        return "-"
    return f"{marked(speedup['estimate'], speedup['relation'])}×"
