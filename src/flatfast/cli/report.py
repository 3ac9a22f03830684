"""``flatfast report``: the report of stored runs, anew or by another goal."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flatfast.cli.console import Console
from flatfast.cli.interrupts import keeping
from flatfast.cli.options import Smoothing, Threshold
from flatfast.cli.studies import forecast_of, study_of, tell_page, tell_problems, write_study

if TYPE_CHECKING:
    from flatfast.lab.forecast.record import Forecast


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
    another = {
        name: value
        for name, value in (("threshold", threshold), ("smoothing", smoothing))
        if value is not None
    }
    if another and out is None:
        raise ValueError(f"another goal makes another report: give --out, not {folder}")
    with keeping(f"stopped: the runs in {folder} are as they were; repeat the command"):
        _report(folder, out or folder, another)


def _report(folder: Path, out: Path, another: dict[str, float]) -> None:
    from flatfast.lab.goal import Goal
    from flatfast.lab.rejudge import rejudge
    from flatfast.lab.store import manifest_of_chunks, read_sampled, read_store

    console = Console()
    known, problems = manifest_of_chunks(folder)
    # Another goal judges trajectories anew, and needs them all.
    stored = read_store(folder, manifest=known) if another else read_sampled(folder, known)
    runs, manifest = stored.rows, stored.manifest
    tell_problems(console, [*problems, *stored.problems])
    if not len(runs):
        what = "none of its runs can be used" if stored.problems else "it holds no runs yet"
        raise ValueError(f"no report of {folder}: {what}; repeat the command that made it")
    forecast: Forecast | None = None
    missing: dict[str, str] = {}
    if another:
        settings = manifest["settings"]
        goal = Goal(**{**settings["problem"]["goal"], **another})
        runs = rejudge(runs, settings, goal)
        missing["comparison"] = "the runs of the methods are not held to another goal"
        settings["problem"]["goal"] = asdict(goal)
    else:
        forecast, missing = forecast_of(console, folder)
    page = write_study(
        console,
        lambda: study_of(runs, manifest, forecast, missing, stored.sample),
        out,
        runs=folder,
    )
    tell_page(console, page)
