"""``flatfast report``: the report of stored runs, anew or by another goal."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from flatfast.cli.options import Smoothing, Threshold
from flatfast.cli.studies import forecast_of, print_study, study_of, tell_problems


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report")(report)


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
    from flatfast.lab.store import read_store

    another = {
        name: value
        for name, value in (("threshold", threshold), ("smoothing", smoothing))
        if value is not None
    }
    if another and out is None:
        raise ValueError(f"another goal makes another report: give --out, not {folder}")

    console = Console()
    stored = read_store(folder)
    runs, manifest = stored.rows, stored.manifest
    tell_problems(console, stored.problems)
    if not len(runs):
        raise ValueError(f"{folder} holds no runs yet; repeat the command that made it")
    if another:
        settings = manifest["settings"]
        goal = Goal(**{**settings["problem"]["goal"], **another})
        runs = rejudge(runs, settings, goal)
        settings["problem"]["goal"] = asdict(goal)
    study = study_of(runs, manifest, None if another else forecast_of(folder))
    print_study(console, study)
    page = write_report(study, out or folder)
    console.print(f"\npage: [bold]{page}[/]", highlight=False, soft_wrap=True)
