"""``flatfast calibrate``: the law's prefactor from a few dozen gradients."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flatfast.cli.console import Console
from flatfast.cli.files import check_figure, check_file
from flatfast.cli.options import Data, Set
from flatfast.extras import ways_to_install

if TYPE_CHECKING:
    from flatfast.calibration import Calibration


class Lasting(StrEnum):
    """What of the noise lasts."""

    FRESH = "fresh"
    ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="calibrate")(calibrate)


def calibrate(
    name: Annotated[
        str,
        typer.Argument(
            help="A problem of `flatfast list`, path/to/file.py:function that makes one, or one "
            "that returns (model, loss_fn, data) for PyTorch."
        ),
    ],
    lr: Annotated[
        float | None,
        typer.Option(help="The learning rate to be used; by default one is named with it."),
    ] = None,
    budget: Annotated[int | None, typer.Option(help="Gradient evaluations to spend.")] = None,
    noise: Annotated[
        Lasting,
        typer.Option(
            help="What of the noise lasts: what is drawn afresh at each look at a batch, or all of "
            "it, in training that never fits its data."
        ),
    ] = Lasting.FRESH,
    fall: Annotated[
        float | None,
        typer.Option(
            help="Share of the sharpness that training is to take off: C is then for all of the "
            "way, by a look ahead."
        ),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(help="The one in use, to be placed where there is no law to give one."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of noise and probes.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the calibration as JSON.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Draw it to this file.")] = None,
    set_: Set = None,
    data: Data = None,
) -> None:
    """Measure C at a problem's start, or at a PyTorch model's weights, without a training run.

    Example: `flatfast calibrate digits-mlp --lr 0.01`
    """
    from flatfast.calibration.calibrate import BUDGET
    from flatfast.cli.values import settings

    check_file("--out", out)
    check_figure("--figure", figure)
    console = Console()
    spend = BUDGET if budget is None else budget
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console,
        transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("start", total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, description="gradients", completed=done, total=total)

        options = {"budget": spend, "noise": noise.value, "seed": seed, "fall": fall}
        found = _found(name, settings(set_, data), lr, told, momentum=momentum, **options)
    _tell(console, found)
    if out is not None:
        from flatfast.lab.atomic import atomically

        with atomically(out) as partial:
            partial.write_text(found.to_json() + "\n", encoding="utf-8")
        console.say("calibration: ", (str(out), "bold"))
    if figure is not None:
        found.figure(figure)
        console.say("figure: ", (str(figure), "bold"))
    if not found.ok:
        raise typer.Exit(3)


def _found(
    name: str,
    settings: dict[str, Any],
    lr: float | None,
    progress: Callable[[int, int], None],
    **options: Any,
) -> "Calibration":
    from flatfast.lab.calibration import calibrate_problem
    from flatfast.lab.problem import Problem
    from flatfast.lab.problems import PROBLEMS, UnknownProblemError, factory, load

    # A function of somebody's file may give a model as well as a problem.
    made: Any = None
    if name not in PROBLEMS:
        try:
            made = factory(name)(**settings)
        except (UnknownProblemError, ModuleNotFoundError) as error:
            _tell_of_torch(name, error)
            raise
    if isinstance(made, tuple):
        return _of_model(name, made, lr, progress, **options)
    problem = made if isinstance(made, Problem) else load(name, settings)
    return calibrate_problem(problem, lr, progress=progress, **options)


def _tell_of_torch(name: str, error: Exception) -> None:
    """Where somebody's file fails for want of PyTorch, say how to install it."""
    missing = error.__cause__ if isinstance(error, ValueError) else error
    if isinstance(missing, ModuleNotFoundError) and (missing.name or "").split(".")[0] == "torch":
        raise ModuleNotFoundError(
            f"{name} needs PyTorch, which is not installed: {ways_to_install('torch')}",
            name="torch",
        ) from error


def _of_model(
    name: str,
    made: tuple[Any, ...],
    lr: float | None,
    progress: Callable[[int, int], None],
    **options: Any,
) -> "Calibration":
    if len(made) != 3:
        raise ValueError(f"{name} must return (model, loss_fn, data), got {len(made)} values")
    from flatfast.torch import calibrate as calibrate_model

    model, loss_fn, data = made
    return calibrate_model(model, loss_fn, data, lr, progress=progress, **options)


def _tell(console: Console, found: "Calibration") -> None:
    from flatfast.calibration.bar import bar
    from flatfast.calibration.words import reasons, rest, verdict

    plain: Any = {"markup": False, "highlight": False}
    colour = "green" if found.ok else "yellow" if found.unresolved else "red"
    console.print(verdict(found), style=f"bold {colour}", **plain)
    for reason in reasons(found):
        console.print(reason, style="yellow", **plain)
    for line in bar(found):
        console.print(line, **plain)
    for part in rest(found):
        console.print(part, **plain)
