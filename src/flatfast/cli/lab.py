"""``flatfast reproduce``, ``sweep``, ``report`` and ``list``: the lab's commands.

JAX is imported when a command runs, not before: ``flatfast momentum`` and ``--help`` stay quick.
"""

import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from flatfast.lab.problem import Problem
    from flatfast.lab.report.study import Study
    from flatfast.lab.store import Store

Out = Annotated[
    Path | None, typer.Option("--out", help="Folder of runs and report; an existing one goes on.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Delete the folder's runs and start over.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the problem; may be repeated."),
]
GoalMetric = Annotated[
    str | None, typer.Option("--goal", help="Metric to bring down, e.g. cooled:test_error.")
]
Threshold = Annotated[
    float | None, typer.Option(help="How far: a fraction of its start, or a value if --absolute.")
]
Absolute = Annotated[bool, typer.Option("--absolute", help="The threshold is a value.")]
Smoothing = Annotated[
    float | None, typer.Option(help="Averaging window of the metric, in memories 1/(1-momentum).")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="reproduce")(reproduce)
    app.command(name="sweep")(sweep)
    app.command(name="report")(report)
    app.command(name="list")(list_problems)


def was_interrupted(error: Exception) -> bool:
    """Whether an error says that somebody pressed Ctrl-C."""
    return type(error).__name__ == "InterruptedSweepError"


def reproduce(
    name: Annotated[str, typer.Argument(help="An experiment; `flatfast list` shows them.")],
    full: Annotated[
        bool, typer.Option("--full/--quick", help="All the runs, or a look in a few minutes.")
    ] = False,
    out: Out = None,
    fresh: Fresh = False,
    set_: Set = None,
    goal: GoalMetric = None,
    threshold: Threshold = None,
    absolute: Absolute = False,
    smoothing: Smoothing = None,
) -> None:
    """Sweep an experiment of the paper, find its law, compare methods, write the report."""
    from flatfast.cli.values import settings
    from flatfast.lab.recipes import recipe_of

    size = "full" if full else "quick"
    recipe = recipe_of(name, size)
    recipe = replace(recipe, settings={**recipe.settings, **settings(set_ or [])})

    from flatfast.lab.engines.devices import use_all_cores
    from flatfast.lab.reproduce import identity_of, problem_of
    from flatfast.lab.reproduce import reproduce as run

    use_all_cores()
    problem = _with_goal(problem_of(recipe), goal, threshold, absolute, smoothing)
    folder = out or Path("runs") / f"{name}-{size}"
    console = Console()
    console.print(f"[bold]{name}[/] ({size}), into {folder}", highlight=False)
    _warn_unstable(console, problem, recipe.lr, max(recipe.momenta(max(recipe.lr))))
    from flatfast.cli.progress import SweepProgress

    with _store(folder, identity_of(recipe, problem), fresh) as store:
        _name_leftovers(console, store)
        with SweepProgress(console, ("grid", "methods")) as progress:
            run(recipe, problem, store, progress)
        page = _report(console, store)
    console.print(f"\npage: [bold]{page}[/]", highlight=False, soft_wrap=True)
    if not full:
        console.print(
            f"next: flatfast reproduce {name} --full   (more learning rates, momenta and seeds)\n"
            "      flatfast list                      (the other experiments)\n"
            "      flatfast momentum --lr 0.4 --like 0.1:0.9   (the law for your own pair)",
            highlight=False,
        )


def sweep(
    problem_name: Annotated[
        str, typer.Argument(metavar="PROBLEM", help="A problem, or path/to/file.py:function.")
    ],
    lr: Annotated[str, typer.Option(help="Learning rates: 0.1,0.2 or 0.01:0.1:4.")],
    momentum: Annotated[str, typer.Option(help="Momenta: 0.9,0.99 or 0.7:0.99:8.")],
    seeds: Annotated[int, typer.Option(help="Runs at each pair.")] = 8,
    steps: Annotated[int | None, typer.Option(help="Length of every run, in steps.")] = None,
    duration: Annotated[
        float, typer.Option(help="Length in units of lr^(-2/3) steps, if --steps is not given.")
    ] = 100.0,
    records: Annotated[int, typer.Option(help="How often metrics are read in a run.")] = 128,
    spacing: Annotated[str, typer.Option(help="Records: linear or log.")] = "linear",
    metric: Annotated[
        list[str] | None, typer.Option(help="A metric to record besides the goal's; repeatable.")
    ] = None,
    goal: GoalMetric = None,
    threshold: Threshold = None,
    absolute: Absolute = False,
    smoothing: Smoothing = None,
    start: Annotated[
        str | None, typer.Option(help="interpolating (after noise-free descent) or init.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Examples in a step's gradient; 0 for all.")
    ] = None,
    nesterov: Annotated[bool, typer.Option("--nesterov", help="Nesterov momentum.")] = False,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    set_: Set = None,
    out: Out = None,
    fresh: Fresh = False,
) -> None:
    """Sweep learning rate against momentum on a problem, your own included.

    Your own problem is a function in a file: see `flatfast.lab.problems.template`.
    """
    from flatfast.cli.values import learning_rates, momenta, settings

    rates, betas = learning_rates(lr), momenta(momentum)
    chosen = settings(set_ or [])
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
    from flatfast.lab.reproduce import identity
    from flatfast.lab.sweep import runs_of
    from flatfast.lab.sweep import sweep as run

    use_all_cores()
    problem = _with_goal(load(problem_name, chosen), goal, threshold, absolute, smoothing)
    options: dict[str, Any] = {
        "records": records,
        "spacing": spacing,
        "nesterov": nesterov,
        "dtype": dtype,
        "metrics": tuple(metric or ()),
    }
    wanted = runs_of(
        [(rate, beta) for rate in rates for beta in betas],
        seeds,
        lambda rate: steps or round(duration * rate ** (-2 / 3)),
    )
    folder = out or Path("runs") / problem.name
    console = Console()
    console.print(f"[bold]{problem.name}[/], {len(wanted)} runs, into {folder}", highlight=False)
    _warn_unstable(console, problem, rates, max(betas))
    from flatfast.cli.progress import SweepProgress

    with _store(folder, identity(problem, **options), fresh) as store:
        _name_leftovers(console, store)
        engine = LocalEngine(problem, **options)
        with SweepProgress(console, ("sweep",)) as progress:
            run(wanted, store, engine, progress)
        page = _report(console, store)
    console.print(f"\npage: [bold]{page}[/]", highlight=False, soft_wrap=True)


def report(
    folder: Annotated[Path, typer.Argument(help="A folder that sweep or reproduce made.")],
    out: Annotated[Path | None, typer.Option(help="Another folder for the report.")] = None,
    threshold: Threshold = None,
    smoothing: Smoothing = None,
) -> None:
    """Write the report of a folder's runs anew, or judge them by another goal.

    With --threshold (no stricter than the runs' own) or --smoothing the runs of the grid are held
    to that goal, and the report goes to the folder of --out.
    """
    from flatfast.lab.goal import Goal
    from flatfast.lab.rejudge import rejudge
    from flatfast.lab.report import write_report
    from flatfast.lab.store import read_chunks, read_manifest

    another = {
        name: value
        for name, value in (("threshold", threshold), ("smoothing", smoothing))
        if value is not None
    }
    if another and out is None:
        raise ValueError(f"another goal makes another report: give --out, not {folder}")

    console = Console()
    manifest = read_manifest(folder)
    runs, leftovers = read_chunks(folder)
    for line in leftovers:
        console.print(f"[yellow]note:[/] {line}", highlight=False, soft_wrap=True)
    if not len(runs):
        raise ValueError(f"{folder} holds no runs yet; repeat the command that made it")
    if another:
        settings = manifest["settings"]
        goal = Goal(**{**settings["problem"]["goal"], **another})
        runs = rejudge(runs, settings, goal)
        settings["problem"]["goal"] = asdict(goal)
    study = _study(runs, manifest)
    _print_study(console, study)
    page = write_report(study, out or folder)
    console.print(f"\npage: [bold]{page}[/]", highlight=False, soft_wrap=True)


def list_problems() -> None:
    """The experiments there are."""
    from flatfast.lab.problems import PROBLEMS
    from flatfast.lab.recipes import DEPARTURES, RECIPES

    table = Table(header_style="bold")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    table.add_column("runs: quick, full", justify="right", no_wrap=True)
    for name, sizes in RECIPES.items():
        if name in DEPARTURES:
            about = sizes["full"].question
        else:
            factory = PROBLEMS[name]
            module = sys.modules[factory.__module__].__doc__ or ""
            own = (factory.__doc__ or "").splitlines()[0]
            about = own if name.endswith("paper") else module.splitlines()[0]
        runs = ", ".join(f"{sizes[size].grid_size():,}" for size in ("quick", "full"))
        table.add_row(name, about, runs)
    console = Console()
    console.print(table)
    console.print(
        "your own: flatfast sweep path/to/file.py:function --lr ... --momentum ...",
        highlight=False,
    )


def _with_goal(
    problem: "Problem",
    metric: str | None,
    threshold: float | None,
    absolute: bool,
    smoothing: float | None,
) -> "Problem":
    """The problem with the goal of the command line, where it gives one."""
    if metric is not None and metric != problem.goal.metric and threshold is None:
        raise ValueError(f"--goal {metric} needs a --threshold")
    goal = replace(
        problem.goal,
        metric=metric or problem.goal.metric,
        threshold=problem.goal.threshold if threshold is None else threshold,
        relative=problem.goal.relative if threshold is None else not absolute,
        smoothing=problem.goal.smoothing if smoothing is None else smoothing,
    )
    return replace(problem, goal=goal)


def _store(folder: Path, identity: dict[str, Any], fresh: bool) -> "Store":
    from flatfast.lab.report import remove_report
    from flatfast.lab.store import Store, discard

    if fresh and discard(folder):
        remove_report(folder)
    return Store(folder, identity, command=shlex.join(["flatfast", *sys.argv[1:]]))


def _name_leftovers(console: Console, store: "Store") -> None:
    for line in store.problems:
        console.print(f"[yellow]note:[/] {line}", highlight=False, soft_wrap=True)
    if store.done():
        console.print(f"{len(store.done())} runs are stored already", highlight=False)


def _warn_unstable(
    console: Console, problem: "Problem", rates: tuple[float, ...], momentum: float
) -> None:
    """Say which learning rates lie above the stability limit at the start."""
    from flatfast import timescales
    from flatfast.lab.training.stability import steepest_curvature

    curvature = steepest_curvature(problem)
    if not curvature > 0:
        return
    limit = float(timescales.stability_limit(momentum, curvature))
    over = [rate for rate in rates if rate >= limit]
    if over:
        console.print(
            f"[yellow]note:[/] lr {', '.join(f'{rate:g}' for rate in over)} is above the stability "
            f"limit at the start, {limit:.3g} at momentum {momentum:.4g} (largest Hessian "
            f"eigenvalue {curvature:.3g}): such runs may diverge, or be thrown off the manifold",
            highlight=False,
            soft_wrap=True,
        )


def _study(runs: Any, manifest: dict[str, Any]) -> "Study":
    from flatfast.lab.analysis import analyse

    about = {name: manifest.get(name) for name in ("machine", "versions", "command", "created")}
    return analyse(runs, {**manifest["settings"], **about})


def _report(console: Console, store: "Store") -> Path:
    from flatfast.lab.report import write_report

    study = _study(store.table(), store.manifest)
    _print_study(console, study)
    return write_report(study, store.folder)


def _print_study(console: Console, study: "Study") -> None:
    from flatfast.cli.tables import study_tables

    for part in study_tables(study):
        console.print(part, highlight=False)
