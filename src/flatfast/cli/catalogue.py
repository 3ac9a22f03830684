"""``flatfast list``: the experiments there are."""

import sys

import typer
from rich.markup import escape
from rich.table import Table

from flatfast.cli.console import Console
from flatfast.extras import install_command

NEEDS_DATA = escape(f"--data FOLDER or a connection, and {install_command('data')}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="list")(list_experiments)


def list_experiments() -> None:
    """The experiments there are."""
    from flatfast.lab.problems import PROBLEMS, defaults
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
            if "data" in defaults(name):
                about += f" [bold]Needs data[/]: {NEEDS_DATA}"
        runs = ", ".join(f"{sizes[size].grid_size():,}" for size in ("quick", "full"))
        if sizes["full"].adaptive:
            runs = "chosen as it goes"
        table.add_row(name, about, runs)
    console = Console()
    console.print(table)
    console.print(
        "your own: flatfast sweep path/to/file.py:function --lr ... --momentum ...",
        highlight=False,
    )
