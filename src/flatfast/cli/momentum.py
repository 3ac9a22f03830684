"""``flatfast momentum``: the law's answer in the terminal."""

import math
from typing import Annotated

import typer
from rich.table import Table

from flatfast import timescales
from flatfast.cli.console import Console
from flatfast.law import GAMMA, MomentumLaw, effective_step, memory, out_of_range

RANGE = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16)
"""Learning rates of the table, in units of the one asked for."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    # Arguments too many are explained below.
    app.command(name="momentum", context_settings={"allow_extra_args": True})(show_momentum)


def show_momentum(
    context: typer.Context,
    lr: Annotated[
        float | None,
        typer.Option(help="The learning rate you want to use. Needed."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="LR:MOMENTUM", help="A pair that served you well, e.g. 0.1:0.9."),
    ] = None,
    constant: Annotated[
        float | None, typer.Option("--C", help="The law's prefactor, instead of a pair.")
    ] = None,
    gamma: Annotated[float, typer.Option(help="The law's exponent.")] = GAMMA,
    correction: Annotated[
        float, typer.Option(help="The law's first correction, a in exp(a lr^(1/3)).")
    ] = 0.0,
    curvature: Annotated[
        float | None,
        typer.Option(help="A Hessian eigenvalue of interest: tells the regime of its mode."),
    ] = None,
) -> None:
    """Momentum for a learning rate: `1 - momentum = C * lr^(2/3)`.

    Example: `flatfast momentum --lr 0.4 --like 0.1:0.9`

    The law is of SGD with label noise near zero loss. For ordinary training, from scratch:
    `flatfast rescale --lr 0.1:0.4 --momentum 0.9`
    """
    if context.args:
        raise ValueError(_stray(context.args, lr))
    if lr is None:
        raise ValueError("give the learning rate you want to use, e.g. --lr 0.4")
    law = _law(like, constant, gamma, correction)
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr must be positive and finite, got {lr:g}")
    console = Console()
    found = law(lr)
    if (doubt := out_of_range(law, lr)) is not None:
        console.print(f"[yellow]{doubt}[/]", highlight=False)
    console.print(f"[bold]momentum {found:.4g}[/] at lr {lr:g}")
    console.print(
        f"law: 1 - momentum = {law.C:.4g} * lr^{_power(gamma)}{_corrected(law)}; "
        f"memory {memory(found):.3g} steps, effective step {effective_step(lr, found):.3g}"
    )
    console.print(_regime(lr, found, curvature))
    console.print(_table(law, lr, curvature))


def _stray(words: list[str], lr: float | None) -> str:
    """What words without an option were meant to be."""
    first = words[0]
    try:
        float(first)
        meant = "--lr" if lr is None else "--C"
    except ValueError:
        meant = "--like" if ":" in first else ""
    hint = f"; did you mean {meant} {first}?" if meant else ""
    return f"{' '.join(words)} belongs to no option{hint}"


def _law(like: str | None, constant: float | None, gamma: float, correction: float) -> MomentumLaw:
    if (like is None) == (constant is None):
        both = "" if like is None else ", not both"
        raise ValueError(
            "give either --like LR:MOMENTUM (a pair that served, e.g. --like 0.1:0.9) or --C, the "
            f"law's prefactor{both}"
        )
    if constant is not None:
        return MomentumLaw(constant, gamma, correction=correction)
    assert like is not None
    lr, _, momentum = like.partition(":")
    try:
        pair = float(lr), float(momentum)
    except ValueError:
        raise ValueError(f"--like takes LR:MOMENTUM, for instance 0.1:0.9, got {like!r}") from None
    return MomentumLaw.from_reference(*pair, gamma, correction=correction)


def _regime(lr: float, momentum: float, curvature: float | None) -> str:
    if curvature is not None:
        kind = timescales.regime(lr, momentum, curvature)
        time = float(timescales.tau_1(lr, momentum, curvature))
        lasts = "and grows" if math.isinf(time) else f"and decays in {time:.3g} steps"
        return f"a mode of curvature {curvature:g} is {kind} {lasts}"
    low = float(timescales.overdamped_below(lr, momentum))
    high = float(timescales.stability_limit(momentum)) / lr
    return (
        f"Hessian modes below {low:.3g} are overdamped, up to {high:.3g} underdamped, "
        "beyond that unstable"
    )


def _table(law: MomentumLaw, lr: float, curvature: float | None) -> Table:
    table = Table(title=None, header_style="bold")
    for name in ("lr", "momentum", "memory (steps)", "effective step"):
        table.add_column(name, justify="right")
    table.add_column("overdamped below" if curvature is None else "regime", justify="right")
    table.add_column("unstable above", justify="right")
    for factor in RANGE:
        rate = factor * lr
        momentum = law(rate)
        if curvature is None:
            kind = f"{float(timescales.overdamped_below(rate, momentum)):.3g}"
        else:
            kind = timescales.regime(rate, momentum, curvature)
        table.add_row(
            f"{rate:.4g}",
            f"{momentum:.4g}{'*' if out_of_range(law, rate) else ''}",
            f"{memory(momentum):.3g}",
            f"{effective_step(rate, momentum):.3g}",
            kind,
            f"{float(timescales.stability_limit(momentum)) / rate:.3g}",
            style="bold green" if factor == 1 else None,
        )
    table.caption = "last columns: Hessian eigenvalues"
    if any(out_of_range(law, factor * lr) for factor in RANGE):
        table.caption += "; *: out of the law's range"
    return table


def _corrected(law: MomentumLaw) -> str:
    return f" * exp({law.correction:.4g} lr^(1/3))" if law.correction else ""


def _power(gamma: float) -> str:
    return "(2/3)" if abs(gamma - GAMMA) < 1e-12 else f"{gamma:.4g}"
