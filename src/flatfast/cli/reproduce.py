"""``flatfast reproduce``: an experiment of the lab from its recipe to its report."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flatfast.cli import options
from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping
from flatfast.cli.studies import (
    make_forecast,
    open_store,
    report_of,
    stored_in,
    tell_leftovers,
    tell_page,
    warn_unstable,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="reproduce")(reproduce)


def reproduce(
    name: Annotated[str, typer.Argument(help="An experiment; `flatfast list` shows them.")],
    full: Annotated[
        bool, typer.Option("--full/--quick", help="All the runs, or a look in a few minutes.")
    ] = False,
    out: options.Out = None,
    fresh: options.Fresh = False,
    set_: options.Set = None,
    data: options.Data = None,
    goal: options.GoalMetric = None,
    threshold: options.Threshold = None,
    absolute: options.Absolute = False,
    smoothing: options.Smoothing = None,
) -> None:
    """Sweep an experiment of the paper, find its law, compare methods, write the report."""
    from flatfast.cli.values import settings
    from flatfast.lab.recipes import recipe_of

    size = "full" if full else "quick"
    recipe = recipe_of(name, size)
    recipe = replace(recipe, settings={**recipe.settings, **settings(set_, data)})

    from flatfast.lab.engines.devices import use_all_cores
    from flatfast.lab.reproduce import identity_of, problem_of
    from flatfast.lab.reproduce import reproduce as run

    use_all_cores()
    problem = options.with_goal(problem_of(recipe), goal, threshold, absolute, smoothing)
    folder = out or Path("runs") / f"{name}-{size}"
    console = Console()
    console.say((name, "bold"), f" ({size}), into {folder}")
    warn_unstable(console, problem, recipe.lr, max(recipe.momenta(max(recipe.lr))))
    from flatfast.cli.progress import SweepProgress

    with (
        open_store(folder, identity_of(recipe, problem), fresh) as store,
        keeping(lambda: stored_in(store)),
    ):
        tell_leftovers(console, store)
        make_forecast(console, problem, store)
        with SweepProgress(console, ("grid", "methods")) as progress:
            runs = run(recipe, problem, store, progress)
        page = report_of(console, store, runs)
    tell_page(console, page)
    if not full:
        console.print(
            f"next: flatfast reproduce {name} --full   (more learning rates, momenta and seeds)\n"
            "      flatfast list                      (the other experiments)\n"
            "      flatfast momentum --lr 0.4 --like 0.1:0.9   (the law for your own pair)",
            highlight=False,
        )
