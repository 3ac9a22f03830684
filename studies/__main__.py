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
from rich.table import Table

from studies import catalogue, machines
from studies.runner import Order, Outcome, collect, compute, matches
from studies.study import RESULTS, RUNS, Study, read_json


def main() -> None:
    """List the studies, plan one, or run it."""
    chosen = _parser().parse_args()
    console = Console()
    if chosen.name is None:
        console.print(overview())
        return
    try:
        study = catalogue.load(chosen.name)
    except ValueError as error:
        sys.exit(str(error))
    order = _order(chosen)
    if chosen.plan:
        console.print(plan(study, order))
        return
    outcome = Outcome()
    try:
        if not chosen.collect:
            outcome = compute(study, order)
    except KeyboardInterrupt:
        console.print("stopped; what is computed is kept, and the same command goes on")
        sys.exit(130)
    for name, why in outcome.left.items():
        console.print(f"{name}: left, {why}", markup=False)
    collect(study, order)
    console.print(
        f"{order.result}: {len(outcome.computed)} parts computed, {len(outcome.failed)} failed, "
        f"{len(outcome.left)} left"
    )
    if outcome.failed:
        sys.exit(1)


def overview() -> Table:
    """Every study's question, and how many of its parts the committed result holds."""
    table = Table("study", "question", "measured", title="python -m studies NAME")
    for name in catalogue.names():
        held = set(machines.measured(read_json(RESULTS / name / f"{name}.json", {})))
        parts = {part.name for part in catalogue.load(name).parts(RUNS / name, False)}
        table.add_row(name, catalogue.question(name), f"{len(parts & held)} of {len(parts)} parts")
    return table


def plan(study: Study, order: Order) -> Table:
    """Every part that is asked for: whether it is there, what it takes, and what it needs."""
    held = machines.measured(read_json(order.result, {}))
    table = Table("part", "state", "takes", "seconds", title=f"parts of {order.name}")
    total = 0.0
    for part in study.parts(order.folder, order.quick):
        if not matches(part, order.only):
            continue
        known = part.name in held and not order.again
        state = "measured" if known else "kept" if part.done() else "missing"
        if state == "missing":
            total += part.seconds or 0
            state = f"needs {part.needs}" if part.needs else state
        table.add_row(part.name, state, part.takes, f"{part.seconds:.0f}" if part.seconds else "")
    table.add_row("missing, in all", "", "", f"{total:.0f}", end_section=True)
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
    add("--again", action="store_true", help="compute also what the result holds already")
    add("--minutes", type=float, default=float("inf"), help="begin no part that would end later")
    add("--workers", type=_count, default=1, metavar="N", help="parts computed at once")
    add("--collect", action="store_true", help="compute nothing, write the result of what is kept")
    add("--runs", type=Path, metavar="FOLDER", help="where parts are kept")
    add("--out", type=Path, metavar="FOLDER", help="where the result goes")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


if __name__ == "__main__":
    main()
