"""``flatfast sweep``: learning rate against momentum on any problem."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flatfast.cli import options
from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping
from flatfast.cli.studies import (
    engines_of,
    open_store,
    records_of,
    report_of,
    status_file,
    stored_in,
    tell_leftovers,
    tell_live,
    tell_page,
    warn_unstable,
)
from flatfast.cli.swept import Momenta, comparison

SEEDS = 8
"""Runs at each pair of a grid by default."""

DURATION = 100.0
"""Length of a run by default, in units of ``lr^-law`` steps."""

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
        typer.Option(help="Learning rates: 0.1,0.2 or 0.01:0.08:4. Needed."),
    ] = None,
    momentum: Annotated[
        str | None,
        typer.Option(help="Momenta: 0.9,0.99 or 0.8:0.998:16. Needed, unless --adaptive."),
    ] = None,
    prefactor: Annotated[
        str | None,
        typer.Option(
            "--C",
            metavar="C",
            help="In place of --momentum, C of the law 1 - momentum = C lr^(2/3): 0.1,0.2 or "
            "0.06:0.5:12; of another optimizer than sgd 1 - momentum = C^3 lr^2.",
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Then compare the law found with other rules for the momentum, as reproduce does.",
        ),
    ] = False,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive",
            help="Choose momenta, lengths and seeds as the runs go; --seeds and the length are "
            "then the most.",
        ),
    ] = False,
    width: options.Width = None,
    budget: Annotated[
        int | None,
        typer.Option(help="Steps after which an adaptive sweep begins no further round."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Runs at each pair; 8, or at most 24 with --adaptive.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Length of every run, in steps.")] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Length in units of lr^(-2/3) steps (lr^-2 of another optimizer than sgd), if "
            "--steps is not given: 100, but none for adam, adamw and muon."
        ),
    ] = None,
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
    nesterov: Annotated[
        bool, typer.Option("--nesterov", help="Nesterov momentum, of sgd and muon.")
    ] = False,
    optimizer: options.Optimizer = None,
    beta2: options.Beta2 = None,
    eps: options.Eps = None,
    weight_decay: options.WeightDecay = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    set_: options.Set = None,
    data: options.Data = None,
    out: options.Out = None,
    fresh: options.Fresh = False,
    engine: options.EngineName = "local",
    workers: options.Workers = None,
    cores: options.Cores = None,
    live: options.Live = False,
    gpus: options.Gpus = None,
    address: options.Address = None,
    slurm: options.Slurm = None,
) -> None:
    """Sweep learning rate against momentum on a problem, your own included.

    Your own problem is a function in a file: see `flatfast.lab.problems.template`.
    """
    import flatfast.lab  # noqa: F401 - without it no option matters
    from flatfast.cli.values import learning_rates, settings

    if lr is None or (momentum is None and prefactor is None and not adaptive):
        raise ValueError(_wanted(lr, momentum or prefactor, adaptive))
    from flatfast.lab.estimation.conventions import CONVENTIONS, HEAVY_BALL
    from flatfast.lab.simulation.optimizers import named, with_nesterov

    rates = learning_rates(lr)
    rule = named(
        "sgd" if optimizer is None else optimizer, beta2=beta2, eps=eps, weight_decay=weight_decay
    )
    with_nesterov(rule, nesterov)
    convention = CONVENTIONS[rule.name]
    swept = Momenta.of(rates, momentum, prefactor, adaptive, convention)
    _check_kind(adaptive, width, budget, steps, seeds)
    if compare and (nesterov or convention is not HEAVY_BALL):
        other = "--nesterov" if nesterov else f"--optimizer {rule.name}"
        raise ValueError(f"--compare has the stability limits of heavy ball, got {other} too")
    if adaptive and convention is not HEAVY_BALL:
        raise ValueError(
            f"--adaptive looks for the valley that heavy ball has, got --optimizer {rule.name}, "
            "which need not have one: give --momentum or --C"
        )
    chosen = settings(set_, data)
    if start is not None:
        chosen["start"] = start
    if batch_size is not None:
        chosen["batch_size"] = batch_size
    for name, value in (("steps", steps), ("duration", duration)):
        if value is not None and not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {value}")
    if duration is None:
        if steps is None and not convention.plain:
            raise ValueError(
                f"give --steps with --optimizer {rule.name}: how long its runs take follows from "
                "no law"
            )
        duration = DURATION

    from flatfast.lab.adaptive.plan import Plan, even_grid, patience_of
    from flatfast.lab.adaptive.sweep import sweep_adaptively
    from flatfast.lab.engines.devices import use_all_cores
    from flatfast.lab.engines.job import Job
    from flatfast.lab.problems import load
    from flatfast.lab.records import default_records
    from flatfast.lab.reproduce import compare as run_methods
    from flatfast.lab.reproduce import comparison_of, identity
    from flatfast.lab.runs import Runs, runs_of
    from flatfast.lab.sweep import sweep as run

    use_all_cores()
    problem = options.with_goal(load(problem_name, chosen), goal, threshold, absolute, smoothing)
    metrics = tuple(metric or ())
    wanted: Plan | Runs
    if adaptive:
        given: dict[str, Any] = {"most_seeds": seeds, "width": width}
        wanted = Plan(
            rates,
            swept.scaled,
            duration,
            patience_of(problem.goal),
            even_grid(rates),
            budget=budget,
            **{name: value for name, value in given.items() if value is not None},
        )
        lengths = [wanted.longest(rate) for rate in rates]
        planned = f"adaptive, at {len(rates)} learning rates"
    else:
        wanted = runs_of(
            swept.pairs,
            SEEDS if seeds is None else seeds,
            lambda rate: steps or round(duration * rate**-convention.law),
        )
        lengths = wanted.steps.tolist()
        planned = f"{len(wanted)} runs"
    folder = out or Path("runs") / problem.name
    kept = records_of(folder) if records is None and not fresh else None
    if records is None:
        records = kept or default_records(problem, metrics, lengths, adaptive)
    engine_options: dict[str, Any] = {
        "records": records,
        "spacing": spacing,
        "nesterov": nesterov,
        "dtype": dtype,
        "metrics": metrics,
        "optimizer": rule,
    }
    console = Console()
    console.say((problem.name, "bold"), f", {planned}, into {folder}")
    if kept is not None:
        console.note(f"{kept} records a run, as the runs in {folder} have")
    _tell_cost(console, problem, metrics, records, lengths, kept is not None)
    warn_unstable(console, problem, rates, swept.most, convention)
    if swept.left_out:
        console.note(swept.left_out)
    known = identity(problem, **engine_options)
    compared = None
    if compare:
        compared = comparison(problem.name, rates, seeds or SEEDS, max(lengths), metrics, dtype)
        known["comparison"] = comparison_of(compared, problem)
    if live:
        tell_live(console, folder)
    from flatfast.cli.progress import Both, SweepProgress

    grid = wanted if isinstance(wanted, Runs) else None
    with (
        open_store(folder, known, fresh) as store,
        keeping(lambda: stored_in(store)),
        engines_of(
            console,
            engine,
            folder,
            fresh,
            workers=workers,
            cores=cores,
            gpus=gpus,
            address=address,
            slurm=slurm,
        ) as engines,
    ):
        tell_leftovers(console, store)
        made_by = engines(Job(problem, **engine_options))
        stages = ("sweep", "methods") if compare else ("sweep",)
        with (
            SweepProgress(console, stages) as progress,
            status_file(store, problem.name, stages, engine, live, grid) as status,
        ):
            told = Both(progress, status)
            if isinstance(wanted, Plan):
                runs = sweep_adaptively(wanted, store, made_by, told, told)
            else:
                runs = run(wanted, store, made_by, told)
            if compared is not None:
                runs = run_methods(compared, problem, store, runs, told, engines)
        page = report_of(console, store, runs)
    tell_page(console, page)
    more = "more --lr or a smaller --width" if adaptive else "more --lr, --momentum or --seeds"
    console.print(
        f"next: the same command with {more} makes the missing runs only", highlight=False
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


def _check_kind(
    adaptive: bool, width: float | None, budget: int | None, steps: int | None, seeds: int | None
) -> None:
    """Check that no option of one kind of sweep is given to the other."""
    from flatfast.lab.adaptive.plan import FIRST_SEEDS

    if adaptive and steps is not None:
        raise ValueError(
            f"an adaptive sweep chooses its lengths, got --steps {steps}; --duration is the longest"
        )
    if adaptive and seeds is not None and seeds < FIRST_SEEDS:
        raise ValueError(
            f"an adaptive sweep begins with {FIRST_SEEDS} seeds, so that --seeds, the most, must "
            f"be at least that, got {seeds}"
        )
    for name, value in (("width", width), ("budget", budget)):
        if value is not None and not adaptive:
            raise ValueError(f"--{name} is for adaptive sweeps, got {value:g} without --adaptive")


def _wanted(lr: str | None, momentum: str | None, adaptive: bool) -> str:
    """Which of the two are missing, and how they are written."""
    lines = []
    if lr is None:
        lines.append("--lr, e.g. --lr 0.002:0.02:4 (four learning rates) or --lr 0.01,0.02")
    if momentum is None and not adaptive:
        lines.append(
            "--momentum, e.g. --momentum 0.8:0.998:16 (sixteen momenta) or --momentum 0.9,0.99, "
            "or --C 0.06:0.5:12 (1 - momentum in units of lr^(2/3)), or --adaptive, which finds "
            "them"
        )
    return f"a sweep needs {'; and '.join(lines)}"
