"""Studies: questions about momentum, measured. Without a name: which there are.

    python -m studies                      # every study's question, and what of it is measured
    python -m studies NAME                 # compute what is missing, then write the result
    python -m studies NAME --plan          # what that would be
    python -m studies NAME --quick         # a look in a minute or two; its numbers mean little

Parts are kept in runs/studies/NAME as they end: stopped at any time, the same command goes on. The
result is results/NAME/NAME.json, with figures beside it; README and docs quote it by `make quotes`.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flatfast.lab.engines.choose import ENGINES, LOCAL
from studies import catalogue, machines
from studies.runner import Order, Outcome, collect, compute, is_kept, told, wanted
from studies.study import RESULTS, RUNS, Study, read_json


def main() -> None:
    """List the studies, plan one, or run it.

    Exit codes: 1 a part failed or nothing is measured, 2 the command was wrong or a file is
    damaged, 130 stopped.
    """
    chosen, console = _parser().parse_args(), Console()
    try:
        if chosen.name is None:
            console.print(overview())
        elif code := _run(chosen, console):
            sys.exit(code)
    except (ValueError, OSError) as error:
        console.print(f"studies: {error}", markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("stopped; what is computed is kept, and the same command goes on")
        sys.exit(130)


def _run(chosen: argparse.Namespace, console: Console) -> int:
    study, order = catalogue.load(chosen.name), _order(chosen)
    if order.only and not wanted(study, order):
        names = ", ".join(part.name for part in study.parts(order.folder, order.quick))
        raise ValueError(f"no part matches {', '.join(order.only)}; there are {names}")
    if chosen.pack:
        if study.pack is None:
            raise ValueError(f"{chosen.name} needs no data that could be packed")
        if chosen.out is None:
            raise ValueError("a pack needs a folder to be written to: --out FOLDER")
        console.print(study.pack(chosen.out), markup=False)
        return 0
    if chosen.plan:
        console.print(plan(study, order))
        return 0
    outcome = Outcome() if chosen.collect else compute(study, order)
    for name, why in outcome.left.items():
        console.print(f"{name}: left, {why}", markup=False)
    newer = machines.replaced(read_json(order.result, {}), machines.noted(order.folder))
    if not collect(study, order):
        console.print(f"nothing is measured: {order.result} is not written", markup=False)
        return 1
    for part in newer:
        console.print(f"{part}: as the folder of runs has it, in place of what was committed")
    console.print(
        f"{order.result}: {len(outcome.computed)} parts computed, {len(outcome.failed)} failed, "
        f"{len(outcome.left)} left",
        markup=False,
    )
    return 1 if outcome.failed else 0


def overview() -> Table:
    """Every study's question, and how many of its parts the committed result holds."""
    table = Table("study", "question", "measured", title="python -m studies NAME")
    for name in catalogue.names():
        try:
            held = set(machines.measured(read_json(RESULTS / name / f"{name}.json", {})))
            parts = {part.name for part in catalogue.load(name).parts(RUNS / name, False)}
            measured = f"{len(parts & held)} of {len(parts)} parts"
        except Exception as error:  # whatever is wrong with one, the others are listed
            measured = escape(f"cannot be read: {told(error)}")
        table.add_row(name, escape(catalogue.question(name)), measured)
    return table


def plan(study: Study, order: Order) -> Table:
    """Every part that is asked for: whether it is there, what it takes, and what it needs."""
    held = machines.measured(read_json(order.result, {}))
    table = Table(title=f"parts of {order.name}")
    table.add_column("part", overflow="fold")
    for head in ("state", "takes", "seconds"):
        table.add_column(head)
    total, unknown = 0.0, 0
    for part in wanted(study, order):
        known = part.name in held and not order.again
        state = "measured" if known else "kept" if is_kept(part, order) else "missing"
        if state == "missing":
            total += part.seconds or 0
            unknown += part.seconds is None
            state = f"needs {part.needs}" if part.needs else state
        seconds = f"{part.seconds:.0f}" if part.seconds else ""
        table.add_row(part.name, escape(state), escape(part.takes), seconds)
    more = f"and {unknown} parts that nobody has timed" if unknown else ""
    table.add_row("missing, in all", "", more, f"{total:.0f}", end_section=True)
    return table


def _order(chosen: argparse.Namespace) -> Order:
    own = f"{chosen.name}-quick" if chosen.quick else chosen.name
    folder = chosen.runs or RUNS / own
    out = chosen.out or (folder / "result" if chosen.quick else RESULTS / chosen.name)
    return Order(
        chosen.name,
        folder,
        out,
        chosen.quick,
        chosen.only,
        chosen.again,
        chosen.minutes,
        chosen.workers,
        chosen.engine,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="a study; without one they are listed")
    add("--plan", action="store_true", help="tell the parts and what they take, and end")
    add("--quick", action="store_true", help="a small version, apart from the committed result")
    add("--only", action="append", default=[], metavar="PATTERN", help="parts, such as 'sgd.*'")
    add("--again", action="store_true", help="also what the result holds, if it is not kept here")
    add("--minutes", type=_minutes, default=float("inf"), help="begin no part that would end later")
    add("--workers", type=_count, default=1, metavar="N", help="parts computed at once")
    add("--engine", default=LOCAL, choices=list(ENGINES), help="what makes the runs of sweeps")
    add("--collect", action="store_true", help="compute nothing, write the result of what is kept")
    add("--pack", action="store_true", help="write the data that parts need to --out, and end")
    add("--runs", type=Path, metavar="FOLDER", help="where parts are kept")
    add("--out", type=Path, metavar="FOLDER", help="where the result goes")
    return parser


def _minutes(text: str) -> float:
    minutes = float(text)
    if not minutes > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return minutes


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


if __name__ == "__main__":
    main()
