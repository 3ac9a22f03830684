"""``flatfast predict``: a problem's best momentum before any run of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from flatfast import timescales
from flatfast.cli import options
from flatfast.cli.console import Console
from flatfast.cli.files import check_file
from flatfast.law import GAMMA

if TYPE_CHECKING:
    from flatfast.lab.forecast.record import Forecast

RATES = (0.001, 0.01, 0.1, 0.5)
"""Learning rates of the table, in units of the stability limit of plain SGD at the start."""

SCATTER_UP_TO = 16
"""Effective modes up to which times scatter from run to run even as the learning rate falls."""

LOOSE = 0.3
"""What a goal may leave of the excess for the oscillator to have a fastest C."""

NEAR = 0.5
"""Share of the stability limit from which the law's corrections count."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="predict")(predict)


def predict(
    name: Annotated[
        str, typer.Argument(help="A problem of `flatfast list`, or path/to/file.py:function.")
    ],
    lr: Annotated[
        list[float] | None, typer.Option(help="Learning rates of the table; give it repeatedly.")
    ] = None,
    limit: Annotated[
        bool | None,
        typer.Option(
            "--limit/--no-limit",
            help="Follow the limit dynamics over a row of C; by default where the model is small.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the forecast as JSON.")] = None,
    set_: options.Set = None,
    data: options.Data = None,
    goal: options.GoalMetric = None,
    threshold: options.Threshold = None,
    absolute: options.Absolute = False,
    smoothing: options.Smoothing = None,
) -> None:
    """Predict C, momentum and convergence time from the theory, with no run of SGD.

    Example: `flatfast predict matrix-sensing`
    """
    for rate in lr or ():
        if not 0 < rate < float("inf"):
            raise ValueError(f"lr must be positive and finite, got {rate:g}")
    check_file("--out", out)
    from flatfast.cli.progress import told_stages
    from flatfast.cli.values import settings
    from flatfast.lab.forecast.forecast import forecast
    from flatfast.lab.forecast.record import write_forecast
    from flatfast.lab.problems import load

    problem = options.with_goal(
        load(name, settings(set_, data)), goal, threshold, absolute, smoothing
    )
    console = Console()
    with told_stages(console) as tell:
        found = forecast(problem, limit=limit, progress=tell)
    if _unknown(found):
        _tell_unknown(console, found)
    else:
        _tell(console, found)
    if problem.settings.get("batch_size"):
        _note(
            console,
            "minibatches make the curvature random too, which the forecast leaves out: at the "
            "learning rates in use SGD may be much faster than this, or not settle",
        )
    if not _unknown(found):
        console.print(_table(found, tuple(lr or ()) or _rates(found)))
    if out is not None:
        write_forecast(found, out)
        console.say("\nforecast: ", (str(out), "bold"))


def _unknown(found: "Forecast") -> bool:
    """Whether the flow alone was asked, and the goal is one of which it knows no fastest C."""
    return found.best_prefactor is None and found.fraction > LOOSE


def _tell_unknown(console: Console, found: "Forecast") -> None:
    console.print(
        f"[bold]no C known[/] for {escape(found.problem)}: the goal leaves "
        f"{100 * found.fraction:.0f}% of the excess, one swing of any low C meets it, and so the "
        "flow has no fastest C",
        highlight=False,
    )
    console.print(
        "  --limit follows the limit dynamics, which has one; flatfast sweep measures it",
        highlight=False,
    )


def _tell(console: Console, found: "Forecast") -> None:
    lines = [
        f"[bold]C {found.answer:.3g}[/] for {escape(found.problem)}, from {found.way}",
        f"1 - momentum = {found.answer:.3g} * lr^(2/3)",
        f"converged after {found.answer_time:.3g} * lr^(-2/3) steps",
        f"critical damping at C* {found.critical:.3g}: h {found.relaxation:.3g}, label noise "
        f"{found.noise_std:.3g}, {_count(found.examples, 'example')}",
        f"{_count(found.modes, 'mode')} across the manifold, Hessian eigenvalues "
        f"{found.smallest:.3g} to {found.largest:.3g}",
    ]
    if found.modes == 1:
        lines[-1] = f"1 mode across the manifold, Hessian eigenvalue {found.largest:.3g}"
    if found.best_prefactor is not None:
        flow = f"C {found.flow_prefactor:.3g}, {found.flow_time:.3g} * lr^(-2/3) steps"
        lines.insert(3, f"from the flow alone: {flow}")
    for indent, line in zip(("", *["  "] * len(lines)), lines, strict=False):
        console.print(indent + line, highlight=False)
    if found.fraction > LOOSE:
        _note(
            console,
            f"the goal leaves {100 * found.fraction:.0f}% of the excess: one swing of any low C "
            "meets it, so the flow has no fastest C and gives the least that it looks at",
        )
    effective = found.modes if found.effective_modes is None else found.effective_modes
    if effective <= SCATTER_UP_TO:
        told = _count(found.modes, "mode")
        if round(effective) < found.modes:
            told = f"{told}, with the weight of {effective:.2g} equal ones"
        what = "these are medians"
        if found.paths == 1 or found.paths is None:
            way = "mean path" if found.paths else "flow"
            what = f"these are of their {way}, whose best C may be too low"
        _note(
            console,
            f"{told} only: convergence times scatter from run to run at every learning rate; "
            f"{what}",
        )


def _note(console: Console, text: str) -> None:
    console.print(f"[yellow]note:[/] {text}", highlight=False)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _rates(found: "Forecast") -> tuple[float, ...]:
    limit = float(timescales.stability_limit(0.0, found.largest))
    return tuple(float(f"{share * limit:.1g}") for share in RATES)


def _table(found: "Forecast", rates: tuple[float, ...]) -> Table:
    table = Table(header_style="bold")
    for name in ("lr", "momentum", "converged (steps)"):
        table.add_column(name, justify="right")
    table.add_column("regime")
    for rate in rates:
        momentum = _momentum(found, rate)
        steps = found.answer_time * rate**-GAMMA
        table.add_row(f"{rate:.3g}", f"{momentum:.6g}", f"{steps:,.0f}", _regime(found, rate))
    table.caption = "regime of the start's Hessian modes"
    return table


def _momentum(found: "Forecast", rate: float) -> float:
    """The forecast's own momentum, without the ceiling that keeps a training's memory short."""
    return max(0.0, 1 - found.answer * float(rate**GAMMA))


def _regime(found: "Forecast", rate: float) -> str:
    momentum = _momentum(found, rate)
    share = rate / float(timescales.stability_limit(momentum, found.largest))
    if share >= 1:
        return "[red]unstable[/]: the steepest mode diverges"
    if share >= NEAR:
        return "[yellow]near instability[/]: finite-lr corrections count"
    if float(timescales.overdamped_below(rate, momentum)) > found.smallest:
        return "[yellow]slowest modes overdamped[/]: tau_1 is longer than 2 / (1 - momentum)"
    return "underdamped, as the law assumes"
