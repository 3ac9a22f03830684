"""``flatfast sweep``: learning rate against momentum on any problem."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flatfast.cli import options
from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping
from flatfast.cli.studies import (
    open_store,
    records_of,
    report_of,
    stored_in,
    tell_leftovers,
    tell_page,
    warn_unstable,
)

if TYPE_CHECKING:
    from flatfast.lab.problem import Problem


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="sweep")(sweep)


def sweep(
    problem_name: Annotated[
        str, typer.Argument(metavar="PROBLEM", help="A problem, or path/to/file.py:function.")
    ],
    lr: Annotated[
        str | None,
        typer.Option(help="Learning rates: 0.1,0.2 or 0.01:0.1:4. Needed."),
    ] = None,
    momentum: Annotated[
        str | None, typer.Option(help="Momenta: 0.9,0.99 or 0.7:0.99:8. Needed.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs at each pair.")] = 8,
    steps: Annotated[int | None, typer.Option(help="Length of every run, in steps.")] = None,
    duration: Annotated[
        float, typer.Option(help="Length in units of lr^(-2/3) steps, if --steps is not given.")
    ] = 100.0,
    records: Annotated[
        int | None,
        typer.Option(help="How often metrics are read in a run; by default 32 to 128, by cost."),
    ] = None,
    spacing: Annotated[str, typer.Option(help="Records: linear or log.")] = "linear",
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric to record besides the goal's; repeatable.")
    ] = None,
    goal: options.GoalMetric = None,
    threshold: options.Threshold = None,
    absolute: options.Absolute = False,
    smoothing: options.Smoothing = None,
    start: Annotated[
        str | None, typer.Option(help="interpolating (after noise-free descent) or init.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Examples in a step's gradient; 0 for all.")
    ] = None,
    nesterov: Annotated[bool, typer.Option("--nesterov", help="Nesterov momentum.")] = False,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    set_: options.Set = None,
    data: options.Data = None,
    out: options.Out = None,
    fresh: options.Fresh = False,
) -> None:
    """Sweep learning rate against momentum on a problem, your own included.

    Your own problem is a function in a file: see `flatfast.lab.problems.template`.
    """
    import flatfast.lab  # noqa: F401 - without it no option matters
    from flatfast.cli.values import learning_rates, momenta, settings

    if lr is None or momentum is None:
        raise ValueError(_wanted(lr, momentum))
    rates, betas = learning_rates(lr), momenta(momentum)
    chosen = settings(set_, data)
    if start is not None:
        chosen["start"] = start
    if batch_size is not None:
        chosen["batch_size"] = batch_size
    for name, value in (("steps", steps), ("duration", duration)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {value}")

    from flatfast.lab.engines.devices import use_all_cores
    from flatfast.lab.engines.local import LocalEngine
    from flatfast.lab.problems import load
    from flatfast.lab.records import default_records
    from flatfast.lab.reproduce import identity
    from flatfast.lab.runs import runs_of
    from flatfast.lab.sweep import sweep as run

    use_all_cores()
    problem = options.with_goal(load(problem_name, chosen), goal, threshold, absolute, smoothing)
    metrics = tuple(metric or ())
    wanted = runs_of(
        [(rate, beta) for rate in rates for beta in betas],
        seeds,
        lambda rate: steps or round(duration * rate ** (-2 / 3)),
    )
    folder = out or Path("runs") / problem.name
    lengths = wanted.steps.tolist()
    kept = records_of(folder) if records is None and not fresh else None
    if records is None:
        records = kept or default_records(problem, metrics, lengths)
    engine_options: dict[str, Any] = {
        "records": records,
        "spacing": spacing,
        "nesterov": nesterov,
        "dtype": dtype,
        "metrics": metrics,
    }
    console = Console()
    console.say((problem.name, "bold"), f", {len(wanted)} runs, into {folder}")
    if kept is not None:
        console.note(f"{kept} records a run, as the runs in {folder} have")
    _tell_cost(console, problem, metrics, records, lengths, kept is not None)
    warn_unstable(console, problem, rates, max(betas))
    from flatfast.cli.progress import SweepProgress

    with (
        open_store(folder, identity(problem, **engine_options), fresh) as store,
        keeping(lambda: stored_in(store)),
    ):
        tell_leftovers(console, store)
        engine = LocalEngine(problem, **engine_options)
        with SweepProgress(console, ("sweep",)) as progress:
            runs = run(wanted, store, engine, progress)
        page = report_of(console, store, runs)
    tell_page(console, page)
    console.print(
        "next: the same command with more --lr, --momentum or --seeds makes the missing runs only",
        highlight=False,
    )


def _tell_cost(
    console: Console,
    problem: "Problem",
    metrics: Sequence[str],
    records: int,
    lengths: list[int],
    kept: bool,
) -> None:
    """Say so where reading the metrics takes more steps than the training.

    Args:
        console: Where to print.
        problem: What is run.
        metrics: Recorded besides the goal's.
        records: Of a run.
        lengths: Of the runs, in steps.
        kept: Whether the records are those of the folder's runs: others need another folder.
    """
    from flatfast.lab.recipes import RECIPES
    from flatfast.lab.records import cooling_steps, cost

    ratio = cost(problem, metrics, records, lengths)
    if ratio <= 1:
        return
    told = (
        f"reading the metrics takes {ratio:.3g} times the steps of the training: {records} records "
        f"of {cooling_steps(problem, metrics)} steps of cooling each; fewer --records"
        f"{', with another --out,' if kept else ''} are faster, and their times coarser"
    )
    sizes = RECIPES.get(problem.name, {})
    fewer = [
        f"{recipe.records} with --{size}"
        for size, recipe in sizes.items()
        if recipe.records < records
    ]
    if fewer:
        told += f" (reproduce does with {', '.join(fewer)})"
    console.note(told)


def _wanted(lr: str | None, momentum: str | None) -> str:
    """Which of the two are missing, and how they are written."""
    lines = []
    if lr is None:
        lines.append("--lr, e.g. --lr 0.002:0.02:4 (four learning rates) or --lr 0.01,0.02")
    if momentum is None:
        lines.append(
            "--momentum, e.g. --momentum 0.7:0.99:8 (eight momenta) or --momentum 0.9,0.99"
        )
    return f"a sweep needs {'; and '.join(lines)}"
