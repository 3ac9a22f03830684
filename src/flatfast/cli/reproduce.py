"""``flatfast reproduce``: an experiment of the lab from its recipe to its report."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfast.cli import options
from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping
from flatfast.cli.studies import (
    engines_of,
    make_forecast,
    open_store,
    report_of,
    status_file,
    stored_in,
    tell_leftovers,
    tell_live,
    tell_page,
    warn_unstable,
)

if TYPE_CHECKING:
    from flatfast.lab.recipes.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="reproduce")(reproduce)


def reproduce(
    name: Annotated[str, typer.Argument(help="An experiment; `flatfast list` shows them.")],
    full: Annotated[
        bool,
        typer.Option(
            "--full/--quick",
            help="All the runs, or a look in minutes (on images a quarter of an hour or more).",
        ),
    ] = False,
    adaptive: options.Adaptive = None,
    width: options.Width = None,
    out: options.Out = None,
    fresh: options.Fresh = False,
    set_: options.Set = None,
    data: options.Data = None,
    goal: options.GoalMetric = None,
    threshold: options.Threshold = None,
    absolute: options.Absolute = False,
    smoothing: options.Smoothing = None,
    optimizer: options.Optimizer = None,
    engine: options.EngineName = "local",
    workers: options.Workers = None,
    cores: options.Cores = None,
    live: options.Live = False,
    gpus: options.Gpus = None,
    address: options.Address = None,
    slurm: options.Slurm = None,
) -> None:
    """Sweep an experiment of the paper, find its law, compare methods, write the report."""
    from flatfast.cli.values import settings
    from flatfast.lab.recipes import recipe_of

    size = "full" if full else "quick"
    recipe = recipe_of(name, size)
    kind = ""
    if optimizer not in (None, recipe.optimizer.name):
        kind = f"-{optimizer}"
        recipe = _with_optimizer(recipe, str(optimizer))
        adaptive = adaptive or False
    if adaptive and not recipe.adaptive:
        recipe = recipe.adaptively()
    if adaptive is None:
        adaptive = recipe.adaptive
    if width is not None and not adaptive:
        raise ValueError(f"--width is for adaptive sweeps, got {width:g} without --adaptive")
    recipe = replace(
        recipe,
        settings={**recipe.settings, **settings(set_, data)},
        adaptive=adaptive,
        width=recipe.width if width is None else width,
    )

    from flatfast.lab.engines.devices import use_all_cores
    from flatfast.lab.estimation.conventions import HEAVY_BALL
    from flatfast.lab.reproduce import grid_runs, identity_of, problem_of
    from flatfast.lab.reproduce import reproduce as run

    use_all_cores()
    problem = options.with_goal(problem_of(recipe), goal, threshold, absolute, smoothing)
    folder = out or Path("runs") / f"{name}{kind}-{size}"
    console = Console()
    console.say((name, "bold"), f" ({size}), into {folder}")
    most = max(recipe.momenta(max(recipe.lr)))
    warn_unstable(console, problem, recipe.lr, most, recipe.convention)
    if live:
        tell_live(console, folder)
    from flatfast.cli.progress import Both, SweepProgress

    with (
        open_store(folder, identity_of(recipe, problem), fresh) as store,
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
        if recipe.nesterov or recipe.convention is not HEAVY_BALL:
            console.note("no forecast: the theory that makes it is heavy ball's")
        else:
            make_forecast(console, problem, store)
        names = ("methods",) if recipe.adaptive else ("grid", "methods")
        grid = None if recipe.adaptive else grid_runs(recipe)
        with (
            SweepProgress(console, names) as progress,
            status_file(store, name, names, engine, live, grid) as status,
        ):
            told = Both(progress, status)
            runs = run(recipe, problem, store, told, told, engines)
        page = report_of(console, store, runs)
    tell_page(console, page)
    if not full:
        console.print(_next_commands(name, data), highlight=False)


def _with_optimizer(recipe: "Recipe", optimizer: str) -> "Recipe":
    """The recipe for another optimizer, where its learning rates can be told.

    Raises:
        ValueError: If they cannot; says how to sweep with that optimizer.
    """
    from flatfast.lab.simulation.optimizers import NormalizedSGD, named

    if named(optimizer) == NormalizedSGD():
        return recipe.normalized()
    raise ValueError(
        f"optimizer must be sgd or normalized-sgd, got {optimizer!r}: the learning rates of this "
        f"experiment are SGD's. Give {optimizer} its own: flatfast sweep {recipe.problem} "
        f"--optimizer {optimizer} --lr ... --momentum ..."
    )


def _next_commands(name: str, data: str | None) -> str:
    """What to do after a quick look; the images are where they were for it."""
    where = "" if data is None else f" --data {shlex.quote(data)}"
    return (
        f"next: flatfast reproduce {name} --full{where}   "
        "(more learning rates, momenta and seeds)\n"
        "      flatfast list                      (the other experiments)\n"
        "      flatfast momentum --lr 0.4 --like 0.1:0.9   (the law for your own pair)"
    )
